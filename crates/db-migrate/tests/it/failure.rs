//! Migrations that the server refuses.

use crate::{NOTES, apply, item, run, set, tables};
use db_core::{Classify, Retry};
use db_migrate::{Embedded, Error, Event, Left, Options, Server};
use db_testkit::empty_db;
use sqlx::PgConnection;
use std::time::Duration;

async fn history(conn: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar("SELECT id || ' ' || outcome FROM public.db_migrations ORDER BY seq")
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
        "0002_broken/up.sql:5:3: statement 2 (SELECT nonsense FROM notes) failed: column \"nonsense\" does not exist (SQLSTATE 42703); nothing of \
         this migration was kept"
    );
    assert_eq!(tables(&mut conn).await, ["notes"]);
    assert_eq!(history(&mut conn).await, ["0001 applied", "0002 failed"]);

    let mended = Embedded { up: "CREATE TABLE tags (id int);", ..BROKEN };
    apply(&mut conn, &[NOTES, mended]).await.expect("what was never applied may be edited");
    })
.await;
}

#[tokio::test]
async fn what_only_the_server_knows_to_need_no_transaction_is_sent_again_by_itself() {
    const COMMITS: Embedded = item(
        "0001_commits",
        "CREATE TABLE made (id int);\n\
         CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN INSERT INTO made VALUES (1); COMMIT; END';\n\
         CALL p(); SELECT 1;",
        "SELECT 1",
    );
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[COMMITS]).await.expect("the procedure may commit");
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM made").fetch_one(&mut conn).await.expect("a count");
        assert_eq!(rows, 1);
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
        let (lock_timeout, lock_deadline) = (Duration::from_millis(20), Duration::from_millis(500));
        let server = Some(Server::from_url(db.url()).expect("the kit's URL is one"));
        let options = Options { lock_timeout, lock_deadline, server, ..Options::default() };
        let all = set(&[NOTES, alter]);
        let mut ignore = |_: &Event<'_>| {};
        let refused = db_migrate::apply(&mut conn, &all, &options, &mut ignore);
        let refused =
            tokio::time::timeout(Duration::from_secs(20), refused).await.expect("it does not wait for long");
        let error = refused.expect_err("the reader is in the way");
        assert_eq!(error.retry(), Retry::Safe, "{error}");
        assert!(error.to_string().contains("blocked by: pid "), "{error}");
        assert!(error.to_string().contains("idle in transaction"), "{error}");
        assert!(error.to_string().contains("SELECT * FROM notes"), "{error}");
        assert_eq!(history(&mut conn).await, ["0001 applied", "0002 failed"]);

        run(&mut reader, "ROLLBACK").await;
        apply(&mut conn, &[NOTES, alter]).await.expect("the way is free");
    })
    .await;
}
