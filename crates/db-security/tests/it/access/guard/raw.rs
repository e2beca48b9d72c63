//! SQL as a text: read and decided like a statement, refused where it is not understood.

use super::{Place, no_values, refused_by_rules, run, who};
use db_security::access::{GuardError, Mode, Refusal, Subject};
use db_testkit::empty_db;
use sqlx::{Arguments, postgres::PgArguments};

/// Texts that go for what no rule gives, or for the session itself.
const HOSTILE: &[&str] = &[
    "DELETE FROM links RETURNING id",
    "SELECT id FROM items; DELETE FROM items RETURNING id",
    "SELECT id FROM items UNION SELECT item FROM links",
    "WITH gone AS (DELETE FROM links RETURNING id) SELECT id FROM gone",
    "SELECT id FROM items WHERE EXISTS (SELECT 1 FROM links)",
    "RESET ROLE",
    "SET ROLE postgres",
    "SET cairn.subject.who = 'bob'",
    "SELECT 1::int8 FROM (SELECT set_config('cairn.subject.who', 'bob', false)) AS x",
    "SELECT pg_catalog.length(pg_catalog.set_config('role', 'none', false))::int8",
    "SELECT count(*) FROM query_to_xml('SELECT * FROM links', true, true, '')",
    "SELECT oid::int8 FROM pg_catalog.pg_authid",
    "DO $$ BEGIN DELETE FROM links; END $$",
    "COMMIT",
    "BEGIN; DELETE FROM links; COMMIT",
    "DROP TABLE links",
    "ALTER TABLE items RENAME TO gone",
    "TRUNCATE items",
    "COPY items TO STDOUT",
    "SELECT id FROM items; SELECT id FROM items",
    "SELECT U&\"\\0069d\" FROM items",
    "SELECT id FROM items /* ' */ WHERE note = E'\\x27'",
    "EXPLAIN ANALYZE DELETE FROM links",
    "GRANT ALL ON items TO PUBLIC",
    "CREATE TABLE mine ()",
    "EXECUTE cairn_reset",
    "",
];

#[tokio::test]
async fn what_a_text_may_not_do_is_not_sent() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        // Once more only the guard is in the way of what the rules do not give.
        run(&mut db.connect().await, &format!("GRANT ALL ON links, items TO \"{}\"", place.agent)).await;
        let ann = who(&guard, &place, "ann");
        let before = pool.stats().acquires;
        for text in HOSTILE {
            let error = ann.run_sql(text, no_values()).none().await.expect_err(text);
            assert!(
                matches!(error, GuardError::Refused(_) | GuardError::NotUnderstood(_)),
                "{text}: {error:?}"
            );
        }
        assert_eq!(pool.stats().acquires, before, "no connection was asked for");
        assert_eq!(guard.stats().refused, HOSTILE.len() as u64);
        let error = ann.run_sql("DROP TABLE items", no_values()).none().await.expect_err("its owner's");
        assert!(matches!(refused_by_rules(&error), Refusal::Definition { .. }), "{error}");

        let mut values = PgArguments::default();
        values.add(2_i64).expect("a value");
        let text = "SELECT id FROM items WHERE id >= $1 ORDER BY id";
        let found: Vec<(i64,)> = ann.run_sql(text, values).all().await.expect("hers");
        assert_eq!(found, [(4,), (8,)], "rows of others are absent");
        let changed = ann.run_sql("UPDATE items SET note = 'x'", no_values()).none().await.expect("hers");
        assert_eq!(changed, 3);
        let mut tx = ann.begin().await.expect("begun");
        let error = tx.run_sql("RESET ROLE", no_values()).none().await.expect_err("of the session");
        assert!(matches!(error, GuardError::NotUnderstood(_)), "{error:?}");
        assert_eq!(
            tx.run_sql("SELECT count(*) FROM items", no_values()).scalar::<i64>().await.expect("hers"),
            3
        );
        tx.rollback().await.expect("undone");
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn a_text_whose_rows_nobody_would_hold_back_is_refused() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.blind(&db, &pool).await;
        let ann = who(&guard, &place, "ann");
        let error =
            ann.run_sql("SELECT id FROM items", no_values()).all::<(i64,)>().await.expect_err("some rows");
        assert!(matches!(&error, GuardError::Rows { of: "a text of SQL", .. }), "{error:?}");
        assert!(error.to_string().contains("db access apply"), "{error}");
        assert_eq!(ann.run_sql("SELECT 1::int8", no_values()).scalar::<i64>().await.expect("no rows"), 1);
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn observe_lets_everything_through_and_tells() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        run(&mut db.connect().await, &format!("GRANT ALL ON links TO \"{}\"", place.login)).await;
        run(&mut db.connect().await, "ALTER TABLE links DISABLE ROW LEVEL SECURITY").await;
        let guard = place.guard(&pool, Mode::Observe).await;
        let subject = Subject::new("nobody").with("who", "hush").expect("sound");
        let nobody = guard.subject(&subject).expect("a session");
        let found: i64 =
            nobody.run_sql("SELECT count(*) FROM links", no_values()).scalar().await.expect("through");
        assert_eq!(found, 9);
        nobody.run_sql("DO $$ BEGIN END $$", no_values()).none().await.expect("through");
        let session =
            "SELECT current_setting('cairn.subject.who') || current_setting('cairn.actor') || current_user";
        let told: String = nobody.run_sql(session, no_values()).scalar().await.expect("through");
        assert_eq!(told, format!("hushnobody{}", place.login));
        let delete = db_query::Delete::from("links").all_rows().build().expect("valid");
        assert_eq!(nobody.run(delete).none().await.expect("through"), 9);
        let reader = guard.subject(&Subject::new(&place.reader)).expect("a session");
        let some = db_query::Select::from("links").columns(["id"]).build().expect("valid");
        assert!(reader.run(some).all::<(i64,)>().await.expect("through").is_empty());
        let stats = guard.stats();
        assert_eq!((stats.observed, stats.refused, stats.allowed), (5, 0, 0), "{stats:?}");
        // Of the role that no rule knows it is told once, and counted.
        assert_eq!(stats.untold, 2, "{stats:?}");
        let told = place.told();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().all(|(action, ..)| action == "access.observed"), "{told:?}");

        let off = place.guard(&pool, Mode::Off).await.subject(&Subject::new("nobody")).expect("a session");
        let actor = "SELECT coalesce(current_setting('cairn.actor', true), '')";
        let told: String = off.run_sql(actor, no_values()).scalar().await.expect("unasked");
        assert_eq!(told, "", "nothing is set");
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}
