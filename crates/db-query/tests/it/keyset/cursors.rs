//! Cursors that nobody gave out are refused, each for its reason, and keys stay secret.

use super::{key, read, scratch, size};
use db_core::Secret;
use db_query::{
    Cursor, CursorError, CursorKey, Direction, Field, Keyset, Kind, Nulls, PageSize, Pages, Select, Table,
};
use db_testkit::fresh_db;
use sqlx::{Executor, PgConnection};

use CursorError::{Forged, OtherOrder};

fn keyset() -> Keyset {
    Keyset::unique(&scratch::TABLE, "id", Direction::Ascending)
        .and_then(|keyset| keyset.by("t", Direction::Descending))
        .expect("keys")
}

fn pages() -> Pages {
    Pages::new(keyset(), key()).bound_to("ann")
}

/// Two rows, so that a page of one has another behind it.
async fn two_rows(conn: &mut PgConnection) {
    scratch::create(conn).await;
    scratch::fill(conn, &[[0; scratch::COLUMNS], [1; scratch::COLUMNS]], &[]).await;
}

async fn next(conn: &mut PgConnection, pages: &Pages) -> Cursor {
    let request = pages.request(None, size(1)).expect("the first page");
    read(conn, pages, scratch::ids(), &request).await.next.expect("there are two rows")
}

fn refused(pages: &Pages, text: &str) -> Option<CursorError> {
    pages.request(Some(text), size(1)).err()
}

#[tokio::test]
async fn that_were_changed_are_forged() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        two_rows(&mut conn).await;
        let pages = pages();
        let cursor = next(&mut conn, &pages).await;
        let text = cursor.as_str();
        assert_eq!(refused(&pages, text), None, "as it is");
        for at in 0..text.len() {
            for byte in (0..128_u8).filter(|&byte| byte != text.as_bytes()[at]) {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = byte;
                let changed = String::from_utf8(bytes).expect("ASCII");
                assert_eq!(refused(&pages, &changed), Some(Forged), "{changed:?}");
            }
            assert_eq!(refused(&pages, &text[..at]), Some(Forged), "the first {at} bytes");
            assert_eq!(refused(&pages, &text[at + 1..]), Some(Forged), "without the first {}", at + 1);
        }
        for more in ["A", "=", "==", " ", "\n", "\0", "é", "AAAA", text] {
            assert_eq!(refused(&pages, &format!("{text}{more}")), Some(Forged), "{more:?} behind");
            assert_eq!(refused(&pages, &format!("{more}{text}")), Some(Forged), "{more:?} before");
        }
    })
    .await;
}

#[test]
fn that_are_any_text_are_forged() {
    let pages = pages();
    let long = "A".repeat(20 * 1024);
    for text in ["", "A", "null", "' OR 1 = 1 --", "☃", "AAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(36), &long] {
        assert_eq!(refused(&pages, text), Some(Forged), "{} bytes", text.len());
    }
}

#[tokio::test]
async fn of_somebody_else_are_forged() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        two_rows(&mut conn).await;
        let cursor = next(&mut conn, &pages()).await;
        let other_secret = CursorKey::new(&Secret::new("sixteen bytes or mor3")).expect("long enough");
        let random = || CursorKey::random().expect("random bytes");
        for other in [
            pages().bound_to("bob"),
            pages().bound_to(""),
            pages().bound_to("ann "),
            Pages::new(keyset(), other_secret).bound_to("ann"),
            Pages::new(keyset(), random()).bound_to("ann"),
        ] {
            assert_eq!(refused(&other, cursor.as_str()), Some(Forged), "{other:?}");
        }
        let ours = Pages::new(keyset(), random());
        let cursor = next(&mut conn, &ours).await;
        assert_eq!(refused(&ours, cursor.as_str()), None);
        assert_eq!(refused(&Pages::new(keyset(), random()), cursor.as_str()), Some(Forged));
    })
    .await;
}

/// What a cursor is bound to and what it says are signed side by side: nothing moves from one to the other.
#[tokio::test]
async fn that_are_cut_into_another_binding_are_forged() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        two_rows(&mut conn).await;
        let mut tried = 0;
        for column in 0..scratch::COLUMNS {
            let keyset = Keyset::unique(&scratch::TABLE, "id", Direction::Ascending)
                .and_then(|keyset| keyset.by(scratch::name(column), Direction::Ascending))
                .expect("keys");
            let pages = Pages::new(keyset.clone(), key()).bound_to("ann");
            let cursor = next(&mut conn, &pages).await;
            // Four letters are three bytes; only some can be a part of a text.
            let Ok(start) = String::from_utf8(three_bytes(&cursor.as_str()[..4])) else { continue };
            let other = Pages::new(keyset, key()).bound_to(format!("ann{start}"));
            assert_eq!(refused(&other, &cursor.as_str()[4..]), Some(Forged), "{start:?}");
            tried += 1;
        }
        assert!(tried > 0, "one order at least has such a cursor");
    })
    .await;
}

/// What four letters of base64 mean, in its form for URLs.
fn three_bytes(letters: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = letters.chars().fold(0_u32, |bits, letter| {
        let value = LETTERS.find(letter).expect("a letter of base64");
        (bits << 6) | u32::try_from(value).expect("below 64")
    });
    bits.to_be_bytes()[1..].to_vec()
}

/// Orders that differ in one thing each.
fn orders() -> Vec<Keyset> {
    const SAME_NAMES: Table =
        Table::new("scratch", &[Field::new("id", Kind::Int8), Field::new("t", Kind::Int4)]);
    const NULLABLE: Table =
        Table::new("scratch", &[Field::new("id", Kind::Int8), Field::new("t", Kind::Text).nullable()]);
    const OTHER: Table = Table::new("scratch2", &[Field::new("id", Kind::Int8), Field::new("t", Kind::Text)]);
    let ways = [Direction::Ascending, Direction::Descending];
    let mut orders = Vec::new();
    for unique in ways {
        for table in [&scratch::TABLE, &OTHER, &SAME_NAMES, &NULLABLE] {
            let plain = Keyset::unique(table, "id", unique).expect("unique");
            orders.extend(ways.map(|way| plain.clone().by("t", way).expect("a key")));
        }
        let plain = Keyset::unique(&scratch::TABLE, "id", unique).expect("unique");
        for way in ways {
            for nulls in [Nulls::First, Nulls::Last] {
                orders.push(plain.clone().by_nulls("t_null", way, nulls).expect("a key"));
            }
            let both = plain.clone().by("t", way).and_then(|keyset| keyset.by("n", way));
            orders.push(both.expect("keys"));
            let turned = plain.clone().by("n", way).and_then(|keyset| keyset.by("t", way));
            orders.push(turned.expect("keys"));
        }
        orders.push(plain);
    }
    orders
}

#[tokio::test]
async fn of_another_order_say_so() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        two_rows(&mut conn).await;
        // As many values as keys, whatever the list: what the server is asked for does not matter here.
        let all: Vec<Pages> = orders().into_iter().map(|keyset| Pages::new(keyset, key())).collect();
        for (number, mine) in all.iter().enumerate() {
            let request = mine.request(None, size(1)).expect("the first page");
            let statement =
                mine.select(Select::from("scratch").columns(["id"]), &request).build().expect("valid");
            let text = statement.sql().replace("scratch2", "scratch");
            let rows =
                sqlx::query(sqlx::AssertSqlSafe(text)).bind(2_i64).fetch_all(&mut conn).await.expect("rows");
            let cursor = mine.page::<(i64,)>(rows, &request).expect("a page").next.expect("two rows");
            for (other, theirs) in all.iter().enumerate() {
                let expected = (other != number).then_some(OtherOrder);
                assert_eq!(refused(theirs, cursor.as_str()), expected, "{mine:?} {theirs:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn belong_to_an_order_whatever_the_tables_name_in_the_statement() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        two_rows(&mut conn).await;
        let cursor = next(&mut conn, &pages()).await;
        let aliased = Pages::new(keyset().alias("s"), key()).bound_to("ann");
        assert_eq!(refused(&aliased, cursor.as_str()), None);
    })
    .await;
}

#[tokio::test]
async fn of_long_keys_are_refused_before_they_are_given_out() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        two_rows(&mut conn).await;
        conn.execute("UPDATE scratch SET t = repeat('x', 20000)").await.expect("updated");
        let pages = pages();
        let request = pages.request(None, size(1)).expect("the first page");
        let statement = pages.select(scratch::ids(), &request).build().expect("valid");
        let rows = conn.fetch_all(statement).await.expect("the rows");
        let error = pages.page::<(i64,)>(rows, &request).expect_err("too long");
        assert!(error.to_string().contains("take more than 16384 bytes"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn need_the_rows_of_their_own_select() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        two_rows(&mut conn).await;
        let pages = pages();
        let request = pages.request(None, size(1)).expect("the first page");
        for text in [
            "SELECT id FROM scratch",
            "SELECT id, '[1]' AS cursor_position FROM scratch",
            "SELECT id, 'x' AS cursor_position FROM scratch",
            "SELECT id, NULL AS cursor_position FROM scratch",
        ] {
            let rows = conn.fetch_all(text).await.expect("rows");
            assert!(pages.page::<(i64,)>(rows, &request).is_err(), "{text}");
        }
    })
    .await;
}

#[test]
fn keys_are_long_enough_and_show_nothing() {
    assert_eq!(CursorKey::new(&Secret::new("fifteen bytes !")).expect_err("short"), CursorError::ShortKey);
    for shown in [format!("{:?}", key()), format!("{:#?}", pages()), format!("{:?}", CursorKey::random())] {
        assert!(shown.contains("CursorKey(***)") && !shown.contains("sixteen"), "{shown}");
    }
    assert_eq!(PageSize::MAX, 1_000);
}
