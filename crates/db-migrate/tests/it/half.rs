//! Migrations without a transaction that fail half way.

use crate::{NOTES, apply, outside, run, set, until};
use db_core::{Classify, Retry};
use db_migrate::{Embedded, Error, Event, Left, Options, Problem};
use db_testkit::empty_db;
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;

/// Its unique index fails on two equal rows, and leaves an invalid index.
const INDEX: Embedded = outside(
    "0002_index",
    "INSERT INTO notes VALUES (1), (1);\nCREATE UNIQUE INDEX CONCURRENTLY notes_id_idx ON notes (id);",
);

async fn half_apply(conn: &mut PgConnection) -> Problem {
    let error = apply(conn, &[NOTES, INDEX]).await.expect_err("the index fails");
    assert_eq!(error.retry(), Retry::Never, "not even with a SQLSTATE that could be");
    let Error::Statement(error) = error else { panic!("{error}") };
    assert_eq!((error.statement, error.line, error.left), (2, 2, Left::Half));

    let status = db_migrate::status(conn, &set(&[NOTES, INDEX])).await.expect("a status");
    assert_eq!(status.applied[1].applied_at, None);
    status.problems.into_iter().next().expect("a problem")
}

/// The command in the problem's text that begins with this word.
fn command(problem: &Problem, word: &str) -> String {
    let text = problem.to_string();
    let found = text.split('`').find(|part| part.starts_with(word)).expect("the text names a command");
    found.to_owned()
}

#[tokio::test]
async fn half_applied_is_seen_and_refused() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, "SET lock_timeout = '7s'").await;
        let problem = half_apply(&mut conn).await;
        let Problem::HalfApplied { finished: 1, statements: 2, .. } = problem else { panic!("{problem}") };

        let Err(Error::Plan(again)) = apply(&mut conn, &[NOTES, INDEX]).await else {
            panic!("it is refused")
        };
        assert_eq!(again.problems, [problem]);
        let timeout: String =
            sqlx::query_scalar("SHOW lock_timeout").fetch_one(&mut conn).await.expect("a setting");
        assert_eq!(timeout, "7s", "the session is as it was");
    })
    .await;
}

#[tokio::test]
async fn the_named_command_records_what_was_finished_by_hand() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let problem = half_apply(&mut conn).await;
        run(&mut conn, "DELETE FROM notes; REINDEX INDEX notes_id_idx").await;
        let mend = command(&problem, "UPDATE");
        sqlx::raw_sql(AssertSqlSafe(mend)).execute(&mut conn).await.expect("the command works");
        assert!(apply(&mut conn, &[NOTES, INDEX]).await.expect("mended").done.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_named_command_forgets_what_was_undone_by_hand() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let problem = half_apply(&mut conn).await;
        run(&mut conn, "DROP INDEX notes_id_idx; DELETE FROM notes").await;
        let mend = command(&problem, "DELETE");
        sqlx::raw_sql(AssertSqlSafe(mend)).execute(&mut conn).await.expect("the command works");
        let other = Embedded { up: "CREATE INDEX CONCURRENTLY notes_id_idx ON notes (id);", ..INDEX };
        assert_eq!(apply(&mut conn, &[NOTES, other]).await.expect("mended").done.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_concurrent_build_waits_for_longer_than_the_lock_timeout() {
    empty_db(|db| async move {
    let (mut first, mut second, mut writer) = (db.connect().await, db.connect().await, db.connect().await);
    apply(&mut first, &[NOTES]).await.expect("applied");
    run(&mut writer, "BEGIN; INSERT INTO notes VALUES (1)").await;

    let index = Embedded { up: "CREATE INDEX CONCURRENTLY notes_id_idx ON notes (id);", ..INDEX };
    let all = set(&[NOTES, index]);
    let options = Options { lock_timeout: Duration::from_millis(20), ..Options::default() };
    let mut ignore = |_: &Event<'_>| {};
    let build = db_migrate::apply(&mut first, &all, &options, &mut ignore);
    tokio::pin!(build);
    tokio::select! {
        ended = &mut build => panic!("the writer is in the way: {ended:?}"),
        () = until(&mut second, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
            AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '100 ms')") => {}
    }
    run(&mut writer, "COMMIT").await;
    assert_eq!(build.await.expect("the way is free").done.len(), 1);
    })
.await;
}
