//! What the client decides and what the server answers are the same, whatever the rules and whoever asks.

use super::{
    SCHEMA, answer, become_subject, obey,
    requests::{Ask, narrow},
    role, rules, run, sorted,
};
use chrono::{DateTime, Utc};
use db_query::{Access, Select};
use db_security::access::{
    Catalogue, Decision, Policy, RawTouches, Request, Resource, Rows, Subject, TableRows, read_sql,
};
use db_testkit::empty_db;
use rand::{SeedableRng, rngs::StdRng};
use sqlx::{Executor, PgConnection, Row};
use std::collections::BTreeMap;

/// Sets of rules, and requests for each.
const POLICIES: u64 = 160;

/// The first seed is another one in each run, and said where something fails: `DB_TEST_SEED=` runs the same again.
pub(super) fn first_seed() -> u64 {
    match std::env::var("DB_TEST_SEED") {
        Ok(seed) => seed.parse().expect("DB_TEST_SEED is a number"),
        Err(_) => u64::from(rand::random::<u32>()),
    }
}
const REQUESTS: usize = 10;

#[tokio::test]
async fn client_and_server_answer_alike() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        let roles = [role(&db, "a"), role(&db, "b")];
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let first = first_seed();
        println!("DB_TEST_SEED={first}");
        for seed in first..first + POLICIES {
            let mut rng = StdRng::seed_from_u64(seed);
            run(&mut conn, "BEGIN").await;
            let now: DateTime<Utc> =
                sqlx::query_scalar("SELECT now()").fetch_one(&mut conn).await.expect("the time");
            let drawn = rules::random(&mut rng, &roles, now);
            let catalogue = Catalogue::read(&mut conn, "public").await.expect("a catalogue");
            if let Ok(policy) = Policy::new(&drawn, catalogue) {
                *seen.entry("policies").or_default() += 1;
                obey(&mut conn, &policy).await.expect("applied");
                let is_named = drawn.rules.iter().any(|rule| matches!(rule.resource, Resource::Function(_)));
                for _ in 0..REQUESTS {
                    let (ask, subject) = (Ask::random(&mut rng), rules::subject(&mut rng, &roles));
                    let case = format!("seed {seed}, {ask:?}, {:?}, {drawn:?}", subject.settings());
                    *seen
                        .entry(compare(&mut conn, &policy, &ask, &subject, now, is_named, &case).await)
                        .or_default() += 1;
                }
            }
            // Roles go with the transaction that made them.
            run(&mut conn, "ROLLBACK").await;
        }
        println!("{seen:?}");
        for (what, least) in
            [("policies", 80), ("refused", 100), ("some rows", 60), ("all rows", 60), ("bad row", 1)]
        {
            let is_enough = seen.get(what).is_some_and(|count| *count >= least);
            assert!(is_enough, "too few of {what}, from seed {first}: {seen:?}");
        }
    })
    .await;
}

/// The rows that a decision leaves; `None` for all.
pub(super) fn rows_of(rows: &[TableRows], table: &str, access: Access) -> Option<Rows> {
    let found = rows.iter().find(|rows| rows.table.table() == table && rows.access == access);
    found.map(|rows| rows.rows.clone())
}

async fn compare(
    conn: &mut PgConnection,
    policy: &Policy,
    ask: &Ask,
    subject: &Subject,
    now: DateTime<Utc>,
    is_named: bool,
    case: &str,
) -> &'static str {
    let statement = ask.statement();
    let ((touches, qualified), functions) = (statement.touches_and_qualified(), statement.functions());
    let request = Request::new(&touches).functions(&functions).qualified(&qualified);
    let decision = policy.decide(subject, &request, now);
    // The same as a text comes to the same.
    let read = read_sql(statement.sql()).and_then(RawTouches::alone);
    let read = read.unwrap_or_else(|error| panic!("{error}: {}: {case}", statement.sql()));
    let raw = Request::new(&read.touches).functions(&read.functions).qualified(&read.qualified);
    assert_eq!(policy.decide(subject, &raw, now), decision, "{}: {case}", statement.sql());

    run(conn, "SAVEPOINT asked").await;
    become_subject(conn, subject).await;
    let answered = answer(conn, statement).await;
    if answered.is_ok() {
        run(conn, "SELECT set_config('role', 'none', true)").await;
    }
    let left = if answered.is_ok() { content(conn).await } else { Vec::new() };
    run(conn, "ROLLBACK TO asked").await;

    let rows = match decision {
        // Everybody may call a function until a rule is about it; the client is stricter, see docs/access.md.
        Decision::Refused(_) if matches!(ask, Ask::Call) && !is_named => return "unnamed function",
        Decision::Refused(refusal) => {
            assert_eq!(answered, Err("42501".to_owned()), "{refusal}: {case}");
            return "refused";
        }
        Decision::Allowed(rows) => rows,
    };
    let read = |table| rows_of(&rows, table, Access::Read);
    let changed = match ask {
        Ask::Delete { .. } => rows_of(&rows, "items", Access::Delete),
        Ask::Insert { .. } | Ask::Upsert | Ask::InsertLink => rows_of(&rows, "items", Access::Insert),
        _ => rows_of(&rows, "items", Access::Update),
    };
    let links = match ask {
        Ask::InsertLink => rows_of(&rows, "links", Access::Insert),
        _ => read("links"),
    };
    run(conn, "SAVEPOINT expected").await;
    let expected = answer(conn, ask.narrowed(read("items"), links.clone(), changed.clone()))
        .await
        .expect("the owner may");
    let new_rows_fit = match ask {
        Ask::Update { .. } => {
            // A row that was changed holds what it was set to; others are as they were and fit, or were not seen.
            let fits = fitting(conn, "items", &[changed.clone(), read("items")]).await;
            let all = touched(conn).await;
            all.iter().all(|id| fits.contains(id))
        }
        Ask::Insert { .. } | Ask::Upsert => {
            fitting(conn, "items", &[changed.clone(), read("items")]).await.contains(&99)
        }
        Ask::InsertLink => {
            let newest: i64 = sqlx::query_scalar("SELECT max(id) FROM links")
                .fetch_one(&mut *conn)
                .await
                .expect("the owner reads");
            fitting(conn, "links", std::slice::from_ref(&links)).await.contains(&newest)
        }
        _ => true,
    };
    let expected_left = content(conn).await;
    run(conn, "ROLLBACK TO expected").await;
    if !new_rows_fit {
        assert_eq!(answered, Err("42501".to_owned()), "a row that no rule allows: {case}");
        return "bad row";
    }
    assert_eq!(answered.as_ref(), Ok(&expected), "{case}");
    assert_eq!(left, expected_left, "{case}");
    if rows.is_empty() { "all rows" } else { "some rows" }
}

/// All that both tables hold.
async fn content(conn: &mut PgConnection) -> Vec<Vec<Option<Vec<u8>>>> {
    let rows =
        conn.fetch_all("SELECT items::text FROM items UNION ALL SELECT concat(item, kind) FROM links").await;
    sorted(&rows.expect("the owner reads"))
}

/// The rows of a table for which all the conditions hold.
async fn fitting(conn: &mut PgConnection, table: &'static str, conditions: &[Option<Rows>]) -> Vec<i64> {
    let mut select = Select::from(table).columns(["id"]);
    for rows in conditions {
        select = select.filter(narrow(rows.clone(), table));
    }
    let rows = conn.fetch_all(select.build().expect("sound")).await.expect("the owner reads");
    rows.iter().map(|row| row.get("id")).collect()
}

/// The items that the savepoint's statement changed: their version is of this command, not of the one that filled the table.
async fn touched(conn: &mut PgConnection) -> Vec<i64> {
    let rows = conn
        .fetch_all("SELECT id FROM items WHERE pg_xact_status(xmin::text::xid8) = 'in progress'")
        .await
        .expect("the owner reads");
    rows.iter().map(|row| row.get("id")).collect()
}
