//! Conditions say on the server what they say in db-query, and literals are what they were.

use super::{SCHEMA, become_subject, obey, role, rules, run, sorted};
use db_query::{Field, Filter, FilterLimits, Kind, Select, Table};
use db_security::access::{Catalogue, Effect, Permission, Policy, Resource, Role, Rule, Rules, Subject};
use db_testkit::empty_db;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sqlx::{Executor, PgConnection};
use std::collections::{BTreeMap, BTreeSet};

const ITEMS: Table = Table::new(
    "items",
    &[
        Field::new("id", Kind::Int8),
        Field::new("owner", Kind::Text).nullable(),
        Field::new("team", Kind::Int4).nullable(),
        Field::new("open", Kind::Bool).nullable(),
        Field::new("due", Kind::Timestamptz).nullable(),
        Field::new("note", Kind::Text).nullable(),
    ],
);

/// A role that reads the items for which a filter holds.
fn reading(role: &str, rows: Value) -> Rules {
    let rule = Rule {
        name: "some".to_owned(),
        roles: vec![role.to_owned()],
        when: BTreeMap::new(),
        effect: Effect::Allow,
        permissions: BTreeSet::from([Permission::Read]),
        resource: Resource::Table("items".to_owned()),
        columns: None,
        rows: Some(rows),
        valid_from: None,
        valid_until: None,
        line: None,
    };
    let role = Role { name: role.to_owned(), description: String::new(), includes: Vec::new(), line: None };
    Rules { roles: vec![role], rules: vec![rule] }
}

/// Applies a filter as a policy and asks for what the role sees; nothing of it stays.
async fn seen(conn: &mut PgConnection, role: &str, rows: Value, select: Select) -> Vec<Vec<Option<Vec<u8>>>> {
    run(conn, "BEGIN").await;
    let catalogue = Catalogue::read(conn, "public").await.expect("a catalogue");
    let policy = Policy::new(&reading(role, rows.clone()), catalogue).expect("sound");
    obey(conn, &policy).await.unwrap_or_else(|error| panic!("{rows}: {error:?}"));
    become_subject(conn, &Subject::new(role)).await;
    let found = conn.fetch_all(select.build().expect("sound")).await.expect("an answer");
    run(conn, "ROLLBACK").await;
    sorted(&found)
}

/// Without attributes of a subject, a rule's filter is one of db-query, and holds for the same rows.
#[tokio::test]
async fn a_policy_is_the_filter_of_db_query() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        let agent = role(&db, "a");
        let mut compared = 0;
        for seed in 0..120 {
            let rows = rules::filter(&mut StdRng::seed_from_u64(seed), 0);
            if rows.to_string().contains("$subject") {
                continue;
            }
            let filter =
                Filter::from_value(&rows, &ITEMS, FilterLimits::default()).expect("a filter of db-query");
            let select = Select::from("items").columns(["id"]).filter(filter.into_condition());
            let expected = conn.fetch_all(select.build().expect("sound")).await.expect("an answer");
            let found = seen(&mut conn, &agent, rows.clone(), Select::from("items").columns(["id"])).await;
            assert_eq!(found, sorted(&expected), "{rows}");
            compared += 1;
        }
        assert!(compared > 50, "{compared} filters");
    })
    .await;
}

/// Whatever stands in a literal, the server reads the same text back, also where backslashes escape.
#[tokio::test]
async fn literals_are_read_back_as_they_were() {
    const HOSTILE: [&str; 9] = [
        "it's",
        "''",
        "\\",
        "\\'",
        "\\'; DROP TABLE items; --",
        "E'x'",
        "$$x$$",
        "a\nb\tc",
        "ünïcode ' \u{1F980}",
    ];
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        let agent = role(&db, "a");
        run(&mut conn, "DELETE FROM items").await;
        for (at, text) in HOSTILE.into_iter().enumerate() {
            sqlx::query("INSERT INTO items (id, note) VALUES ($1, $2)")
                .bind(1000 + i64::try_from(at).expect("few"))
                .bind(text)
                .execute(&mut conn)
                .await
                .expect("inserted");
        }
        for setting in ["on", "off"] {
            run(&mut conn, &format!("SET standard_conforming_strings = {setting}")).await;
            for text in HOSTILE {
                let select = Select::from("items").columns(["note"]);
                let found = seen(&mut conn, &agent, json!({ "note": text }), select).await;
                assert_eq!(found, vec![vec![Some(text.as_bytes().to_vec())]], "{setting}: {text:?}");
            }
        }
        let catalogue = Catalogue::read(&mut conn, "public").await.expect("a catalogue");
        let nul = Policy::new(&reading(&agent, json!({ "note": "a\0b" })), catalogue).expect_err("a NUL");
        assert!(nul.to_string().contains("no NUL"), "{nul}");
    })
    .await;
}
