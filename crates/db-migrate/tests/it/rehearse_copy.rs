//! What cannot be rolled back is rehearsed on a copy.

use crate::rehearse::{dry, everything};
use crate::{NOTES, apply, outside, run, set};
use db_migrate::{Certainty, Course, Embedded, Error, LockMode, On, Place, Rehearsal, Rows};
use db_testkit::{FreshDb, empty_db};
use sqlx::{Connection, PgConnection};

const INDEX: Embedded = outside("0002_index", "CREATE INDEX CONCURRENTLY notes_id ON notes (id);");

/// Scratch databases of this process, which other tests have as well; so this is asked of one by its copy's content.
async fn scratch_databases(conn: &mut PgConnection) -> Vec<String> {
    let own = format!("cairn_scratch_{}_%", std::process::id());
    sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
        .bind(own)
        .fetch_all(conn)
        .await
        .expect("the server lists its databases")
}

/// A session that was closed is gone a moment later, so a copy with rows may take a second attempt.
async fn with_rows(db: &FreshDb, all: &db_migrate::Migrations) -> Rehearsal {
    let tried = async {
        loop {
            let rehearsal = dry(db, all, &Course::Up, On::Auto).await.expect("it runs");
            if rehearsal.place == Place::Copy(Rows::Copied) {
                return rehearsal;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), tried).await.expect("nobody is connected")
}

#[tokio::test]
async fn with_all_rows_where_nobody_is_connected() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        run(&mut conn, "INSERT INTO notes VALUES (1), (1)").await;
        let before = everything(&mut conn).await;
        conn.close().await.expect("closed");

        let unique = outside("0003_unique", "CREATE UNIQUE INDEX CONCURRENTLY notes_key ON notes (id);");
        let rehearsal = with_rows(&db, &set(&[NOTES, INDEX, unique])).await;
        let because = rehearsal.because.as_deref().expect("a reason");
        assert_eq!(
            because,
            "0002_index/up.sql:1: CREATE INDEX CONCURRENTLY notes_id ON runs in no transaction"
        );
        let lock = &rehearsal.migrations[0].statements[0].locks[0];
        assert_eq!(lock.relation, "public.notes");
        assert_eq!((lock.mode, lock.certainty), (LockMode::ShareUpdateExclusive, Certainty::Assumed));
        let Some(Error::Statement(error)) = &rehearsal.failed else { panic!("{rehearsal:?}") };
        assert_eq!((error.sqlstate.as_str(), error.file.as_str()), ("23505", "0003_unique/up.sql"));

        let mut conn = db.connect().await;
        assert_eq!(everything(&mut conn).await, before);
        assert_eq!(scratch_databases(&mut conn).await, Vec::<String>::new());
    })
    .await;
}

#[cfg(feature = "backup")]
#[tokio::test]
async fn without_rows_where_somebody_is() {
    const FILL: Embedded = crate::item("0003_fill", "UPDATE notes SET text = 'x';", "SELECT 1");
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        run(&mut conn, "INSERT INTO notes VALUES (1), (2); CREATE VIEW v AS SELECT id FROM notes").await;
        let rehearsal = dry(&db, &set(&[NOTES, INDEX, FILL]), &Course::Up, On::Copy).await.expect("it runs");
        assert_eq!(rehearsal.place, Place::Copy(Rows::None));
        assert!(rehearsal.failed.is_none() && rehearsal.because.is_none(), "{rehearsal:?}");
        // The history came along: the first migration is not run again.
        assert_eq!(rehearsal.migrations.len(), 2);
        assert_eq!(rehearsal.migrations[1].statements[0].rows, Some(0));
        assert_eq!(rehearsal.migrations[1].statements[0].locks[0].mode, LockMode::RowExclusive);
    })
    .await;
}

#[cfg(feature = "backup")]
#[tokio::test]
async fn what_only_the_server_knows_goes_to_a_copy_by_itself() {
    // In a real run the new value is committed before it is used.
    const VALUE: Embedded = crate::item("0003_value", "ALTER TYPE mood ADD VALUE 'fine';", "SELECT 1");
    const USED: Embedded = crate::item("0004_used", "SELECT 'fine'::mood;", "SELECT 1");
    const COMMITS: Embedded = crate::item(
        "0002_commits",
        "CREATE TYPE mood AS ENUM ('sad');\n\
         CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';\nCALL p();",
        "SELECT 1",
    );
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        let check = async |items: &[Embedded], reason: &str| {
            let here = dry(&db, &set(items), &Course::Up, On::Here).await.expect("a report");
            assert!(here.failed.is_some(), "{here:?}");
            let rehearsal = dry(&db, &set(items), &Course::Up, On::Auto).await.expect("it runs");
            assert!(rehearsal.failed.is_none(), "{rehearsal:?}");
            assert_eq!(rehearsal.because.as_deref(), Some(reason));
        };
        check(&[NOTES, COMMITS], "0002_commits/up.sql:3: CALL p: the server refuses it in a transaction")
            .await;
        apply(&mut conn, &[NOTES, COMMITS]).await.expect("applied");
        let reason =
            "0004_used/up.sql:1: SELECT mood: a value of an enum is used in the transaction that adds it";
        check(&[NOTES, COMMITS, VALUE, USED], reason).await;
    })
    .await;
}

#[tokio::test]
async fn on_the_database_itself_it_is_refused() {
    empty_db(|db| async move {
        let error = dry(&db, &set(&[NOTES, INDEX]), &Course::Up, On::Here).await.expect_err("it cannot be");
        assert!(matches!(error, Error::NeedsCopy { .. }), "{error}");
        assert!(error.to_string().contains("0002_index/up.sql:1: CREATE INDEX CONCURRENTLY"), "{error}");
    })
    .await;
}
