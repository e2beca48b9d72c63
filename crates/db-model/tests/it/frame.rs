//! A table with every kind of section and column goes in by every way and comes out as it went in.

use crate::run;
use chrono::{DateTime, TimeDelta, Utc};
use db_model::entity::{ColumnType, Entity, Insertable, Record};
use db_model::repository::{
    copy_in, delete, find, get, get_many, insert, insert_many, soft_delete, update, upsert, upsert_many,
};
use db_model::{Error, Seconds, entity, id, text_enum};
use db_query::{Arrays, Field, Kind, asc};
use db_testkit::fresh_db;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

id! {
    /// Key of `things`.
    ThingId
}

text_enum! {
    /// A few texts.
    pub enum Colour {
        /// One.
        Red = "red",
        /// Another.
        Blue = "blue",
    }
    transitions { Red => Blue }
}

/// Something that nobody may read in a log.
#[derive(Clone, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Token(Vec<u8>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl From<&[u8]> for Token {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl ColumnType for Token {
    const KIND: Kind = Kind::Bytea;

    fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut Arrays<'_>) {
        arrays.column(name, values);
    }
}

entity! {
    /// One of each.
    pub struct Thing in "things": Versioned, SoftDeletes;
    /// One of each to insert.
    struct NewThing;
    fixed [owner];
    conflict [name];

    id { id: ThingId }
    required { name: String, owner: Uuid }
    secret { token: Token }
    optional { note: String, maybe: bool, list: Vec<String>, data: Value, at: DateTime<Utc>, hue: Colour }
    default {
        small: i16 = -1,
        medium: i32 = 2,
        large: i64 = 3,
        score: f64 = 0.5,
        yes: bool = true,
        bytes: Vec<u8> = vec![0, 255],
        tags: Vec<String> = Vec::new(),
        numbers: Vec<i16> = Vec::new(),
        keys: Vec<Uuid> = Vec::new(),
        extra: Value = json!({}),
    }
    status { colour: Colour = Colour::Red }
    now { seen_at: DateTime<Utc> }
    database { version: i64, deleted_at: Option<DateTime<Utc>>, updated_at: DateTime<Utc> }
    hidden [Field::new("search", Kind::Tsvector)]
}

entity! {
    /// A table with a key of three columns.
    pub struct Link in "links";
    /// One to insert.
    struct NewLink;
    conflict [thing_id, role, position];

    key { thing_id: ThingId, role: Colour, position: i16 }
    optional { label: String }
}

entity! {
    /// A table whose rows the database counts.
    pub struct Count in "counts";
    /// One to insert.
    struct NewCount;

    serial { id: i64 }
    required { value: f64 }
}

entity! {
    /// A table of spans of time, which not every number of seconds is.
    pub struct Span in "spans";
    /// One to insert.
    struct NewSpan;

    serial { id: i64 }
    required { length: Seconds }
}

const TABLES: &str = "
CREATE TABLE things (
    id uuid PRIMARY KEY, name text NOT NULL UNIQUE, owner uuid NOT NULL, token bytea NOT NULL, note text, maybe bool,
    list text[], data jsonb, at timestamptz, hue text, small int2 NOT NULL, medium int4 NOT NULL, large int8 NOT NULL,
    score float8 NOT NULL, yes bool NOT NULL, bytes bytea NOT NULL, tags text[] NOT NULL, numbers int2[] NOT NULL,
    keys uuid[] NOT NULL, extra jsonb NOT NULL, colour text NOT NULL, seen_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1, deleted_at timestamptz, updated_at timestamptz NOT NULL DEFAULT now(),
    search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('english', name)) STORED);
CREATE TABLE links (
    thing_id uuid NOT NULL, role text NOT NULL, position int2 NOT NULL, label text,
    PRIMARY KEY (thing_id, role, position));
CREATE TABLE counts (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, value float8 NOT NULL);
CREATE TABLE spans (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, length interval NOT NULL)";

const HOSTILE: &[&str] = &["a\tb\n\\N", "\\", "'; DROP TABLE things; --", "{a,\"b\"}", "", "ä☃", "NULL"];

fn things(prefix: &str) -> Vec<NewThing> {
    let owner = Uuid::now_v7();
    let full = NewThing {
        note: Some(HOSTILE.concat()),
        maybe: Some(false),
        list: Some(HOSTILE.iter().map(|&text| text.to_owned()).collect()),
        data: Some(json!(HOSTILE)),
        at: Some(DateTime::UNIX_EPOCH - TimeDelta::microseconds(1)),
        hue: Some(Colour::Blue),
        small: i16::MIN,
        medium: i32::MAX,
        large: i64::MIN,
        score: f64::NEG_INFINITY,
        yes: false,
        bytes: (0..=255).collect(),
        tags: HOSTILE.iter().map(|&text| text.to_owned()).collect(),
        numbers: vec![i16::MIN, 0, i16::MAX],
        keys: vec![owner, Uuid::nil()],
        extra: json!({"a": [1, null, {"\\": "\t"}]}),
        colour: Colour::Blue,
        seen_at: Some(DateTime::UNIX_EPOCH),
        ..NewThing::new(format!("{prefix} full"), owner, &b"\x00secret"[..])
    };
    // All that can be left out is.
    let bare = NewThing::new(format!("{prefix} bare"), owner, &b""[..]);
    vec![full, bare]
}

/// Whether a row is what was inserted; `now` stands for what was left to the server.
fn assert_is(row: &Thing, new: &NewThing) {
    let expected = new.clone();
    let expected = Thing {
        id: expected.id,
        name: expected.name,
        owner: expected.owner,
        note: expected.note,
        maybe: expected.maybe,
        list: expected.list,
        data: expected.data,
        at: expected.at,
        hue: expected.hue,
        small: expected.small,
        medium: expected.medium,
        large: expected.large,
        score: expected.score,
        yes: expected.yes,
        bytes: expected.bytes,
        tags: expected.tags,
        numbers: expected.numbers,
        keys: expected.keys,
        extra: expected.extra,
        colour: expected.colour,
        seen_at: expected.seen_at.unwrap_or(row.seen_at),
        version: 1,
        deleted_at: None,
        updated_at: row.updated_at,
    };
    assert_eq!(row, &expected);
    assert!((row.updated_at - row.seen_at).abs() < TimeDelta::minutes(1) || new.seen_at.is_some(), "{row:?}");
}

async fn token_of(conn: &mut PgConnection, id: ThingId) -> Vec<u8> {
    sqlx::query_scalar("SELECT token FROM things WHERE id = $1")
        .bind(id)
        .fetch_one(conn)
        .await
        .expect("a token")
}

#[tokio::test]
async fn every_way_in_gives_the_same_rows() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, TABLES).await;
        let [one, many, copied, over] = ["one", "many", "copied", "over"].map(things);
        for new in &one {
            assert_is(&insert(&mut conn, new).await.expect("inserted"), new);
        }
        for new in &over {
            assert_is(&upsert(&mut conn, new).await.expect("inserted"), new);
        }
        assert_eq!(insert_many(&mut conn, &many).await.expect("inserted"), 2);
        assert_eq!(copy_in(&mut conn, copied.clone()).await.expect("copied"), 2);
        for new in one.iter().chain(&many).chain(&copied).chain(&over) {
            let row: Thing = get(&mut conn, &new.id).await.expect("read").expect("there");
            assert_is(&row, new);
            assert_eq!(token_of(&mut conn, new.id).await, new.token.0, "{}", new.name);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_fixed_stays_and_what_is_not_changes() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, TABLES).await;
        let [full, bare] = &things("t")[..] else { panic!("two") };
        let before = insert(&mut conn, bare).await.expect("inserted");

        // Another key, owner and status, for the same name.
        let again = NewThing { name: bare.name.clone(), owner: Uuid::nil(), ..full.clone() };
        for (round, version) in [(1, 2), (2, 3)] {
            let after = match round {
                1 => upsert(&mut conn, &again).await.expect("written over"),
                _ => {
                    upsert_many(&mut conn, std::slice::from_ref(&again)).await.expect("written over");
                    get(&mut conn, &before.id).await.expect("read").expect("there")
                }
            };
            assert_eq!((after.id, after.owner, after.colour), (before.id, before.owner, before.colour));
            assert_eq!((after.version, after.large, &after.tags), (version, again.large, &again.tags));
            assert_eq!((after.seen_at, after.note), (DateTime::UNIX_EPOCH, again.note.clone()));
            assert!(after.updated_at > before.updated_at);
        }
        let changed =
            Thing { owner: Uuid::nil(), colour: Colour::Blue, medium: 9, version: 3, ..before.clone() };
        let after = update(&mut conn, &changed).await.expect("updated");
        assert_eq!((after.owner, after.colour, after.medium), (before.owner, before.colour, 9));
        assert_eq!(
            token_of(&mut conn, before.id).await,
            full.token.0,
            "an upsert writes it, an update does not"
        );

        soft_delete::<Thing>(&mut conn, &before.id).await.expect("deleted");
    })
    .await;
}

#[tokio::test]
async fn keys_of_several_columns_and_of_the_database() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, TABLES).await;
        let thing = ThingId::generate();
        let key = |role, position| (thing, role, position);
        let new: Vec<_> =
            [1_i16, 2, 3].map(|position| NewLink::new(thing, Colour::Red, position).label("l")).into();
        insert_many(&mut conn, &new).await.expect("inserted");
        upsert_many(&mut conn, &[NewLink::new(thing, Colour::Red, 2_i16)]).await.expect("written over");
        assert_eq!(Link::KEY, ["thing_id", "role", "position"]);
        let second: Link = get(&mut conn, &key(Colour::Red, 2)).await.expect("read").expect("there");
        assert_eq!((second.key(), second.label), (key(Colour::Red, 2), None));
        let wanted = [key(Colour::Red, 1), key(Colour::Red, 3), key(Colour::Blue, 1)];
        let mut some: Vec<Link> = get_many(&mut conn, &wanted).await.expect("read");
        some.sort_by_key(|link| link.position);
        assert_eq!(some.iter().map(Entity::key).collect::<Vec<_>>(), wanted[..2]);
        delete::<Link>(&mut conn, &key(Colour::Red, 1)).await.expect("deleted");
        let error = delete::<Link>(&mut conn, &key(Colour::Red, 1)).await.expect_err("gone");
        assert_eq!(error.to_string(), format!("links has no row {thing}/red/1"));

        let first = insert(&mut conn, &NewCount::new(1.5)).await.expect("inserted");
        copy_in(&mut conn, (0..3).map(|n| NewCount::new(f64::from(n)))).await.expect("copied");
        let counts: Vec<Count> = find(&mut conn, |counts| counts.order_by(asc("id"))).await.expect("read");
        assert_eq!((first.id, first.value, counts.len()), (1, 1.5, 4));
        assert_eq!(get(&mut conn, &4).await.expect("read"), Some(Count { id: 4, value: 2.0 }));
    })
    .await;
}

#[tokio::test]
async fn a_nul_is_refused_on_every_way() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, TABLES).await;
        let new = NewThing { note: Some("a\0b".into()), ..things("t").remove(0) };
        let errors = [
            insert(&mut conn, &new).await.map(drop).expect_err("refused"),
            insert_many(&mut conn, std::slice::from_ref(&new)).await.map(drop).expect_err("refused"),
            copy_in(&mut conn, [new]).await.map(drop).expect_err("refused"),
        ];
        for error in errors {
            assert!(
                matches!(error, Error::Value { table: "things", problem: "a text with a NUL", .. }),
                "{error}"
            );
        }
        assert_eq!(find::<Thing>(&mut conn, |things| things).await.expect("the connection is good"), []);
    })
    .await;
}

#[tokio::test]
async fn a_value_that_cannot_be_sent_is_refused_before_it_is() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, TABLES).await;
        let good = [0.0, -1.5, 90_061.000_001].map(|seconds| NewSpan::new(Seconds(seconds)));
        insert(&mut conn, &good[0]).await.expect("inserted");
        insert_many(&mut conn, &good[1..2]).await.expect("inserted");
        copy_in(&mut conn, good[2..].to_vec()).await.expect("copied");

        let rows = [good[0].clone(), NewSpan::new(Seconds(f64::NAN))];
        let errors = [
            insert(&mut conn, &rows[1]).await.map(drop).expect_err("refused"),
            insert_many(&mut conn, &rows).await.map(drop).expect_err("refused"),
            copy_in(&mut conn, rows).await.map(drop).expect_err("refused"),
        ];
        for error in errors {
            assert!(db_core::with_causes(&error).contains("NaN seconds are no interval"), "{error:?}");
        }
        let spans: Vec<Span> = find(&mut conn, |spans| spans.order_by(asc("id"))).await.expect("still good");
        let lengths: Vec<_> = spans.iter().map(|span| span.length).collect();
        assert_eq!(lengths, good.map(|new| new.length));
    })
    .await;
}

#[test]
fn a_secret_is_nowhere_to_be_read() {
    let new = &things("t")[0];
    assert!(format!("{new:?}").contains("token: ***"), "{new:?}");
    assert_eq!(new.shown("token"), None);
    assert_eq!(new.shown("name").as_deref(), Some("\"t full\""));
    assert!(!Thing::COLUMNS.contains(&"things.token"));
    assert!(Thing::TABLE.field("token").is_ok() && Thing::TABLE.field("search").is_ok());
}
