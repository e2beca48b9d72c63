//! Migrations that the server refuses.

use crate::{NOTES, apply, item, run, set, tables};
use db_core::{Classify, Retry};
use db_migrate::{Embedded, Error, Event, Left, Options};
use db_testkit::empty_db;
use sqlx::PgConnection;
use std::time::Duration;

async fn history(conn: &mut PgConnection) -> Vec<i32> {
    sqlx::query_scalar("SELECT id FROM public.db_migrations ORDER BY id")
        .fetch_all(conn)
        .await
        .expect("a history")
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_half_made() {
    const BROKEN: Embedded = item(
        "0002_broken",
        "-- two statements\nCREATE TABLE tags (id int);\n\nSELECT 1,\n  nonsense FROM notes;",
        "SELECT 1",
    );
    empty_db(|db| async move {
    let mut conn = db.connect().await;
    let error = apply(&mut conn, &[NOTES, BROKEN]).await.expect_err("the second fails");

    assert_eq!(error.retry(), Retry::Never);
    let Error::Statement(error) = error else { panic!("{error}") };
    assert_eq!((error.file.as_str(), error.statement, error.line), ("0002_broken/up.sql", 2, 5));
    assert_eq!((error.sqlstate.as_str(), error.left), ("42703", Left::Nothing));
    assert_eq!(
        error.to_string(),
        "0002_broken/up.sql:5: statement 2 failed: column \"nonsense\" does not exist (SQLSTATE 42703); nothing of \
         this migration was kept"
    );
    assert_eq!(tables(&mut conn).await, ["notes"]);
    assert_eq!(history(&mut conn).await, [1]);

    let mended = Embedded { up: "CREATE TABLE tags (id int);", ..BROKEN };
    apply(&mut conn, &[NOTES, mended]).await.expect("what was never applied may be edited");
    })
.await;
}

#[tokio::test]
async fn what_only_the_server_knows_to_need_no_transaction_gets_a_hint() {
    const COMMITS: Embedded = item(
        "0001_commits",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';\n\
        DROP SUBSCRIPTION IF EXISTS s; CREATE SUBSCRIPTION s CONNECTION 'host=none' PUBLICATION p;",
        "SELECT 1",
    );
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let Err(Error::Statement(error)) = apply(&mut conn, &[COMMITS]).await else { panic!("it fails") };
        assert_eq!((error.sqlstate.as_str(), error.statement), ("25001", 3));
        assert_eq!(error.hint.as_deref(), Some("this needs transaction = false in meta.toml"));
    })
    .await;
}

#[tokio::test]
async fn waits_for_a_table_no_longer_than_told() {
    empty_db(|db| async move {
        let (mut conn, mut reader) = (db.connect().await, db.connect().await);
        apply(&mut conn, &[NOTES]).await.expect("applied");
        run(&mut reader, "BEGIN; SELECT * FROM notes;").await;

        let alter = item("0002_alter", "ALTER TABLE notes ADD COLUMN more int;", "SELECT 1");
        let options = Options { lock_timeout: Duration::from_millis(20), ..Options::default() };
        let all = set(&[NOTES, alter]);
        let mut ignore = |_: &Event<'_>| {};
        let refused = db_migrate::apply(&mut conn, &all, &options, &mut ignore);
        let refused =
            tokio::time::timeout(Duration::from_secs(20), refused).await.expect("it does not wait for long");
        let error = refused.expect_err("the reader is in the way");
        assert_eq!(error.retry(), Retry::Safe, "{error}");
        assert_eq!(history(&mut conn).await, [1]);

        run(&mut reader, "ROLLBACK").await;
        apply(&mut conn, &[NOTES, alter]).await.expect("the way is free");
    })
    .await;
}
