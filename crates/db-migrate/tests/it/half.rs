//! Migrations without a transaction that fail half way.

use crate::{NOTES, apply, done, outside, run, set, until};
use db_core::{Classify, Retry};
use db_migrate::{Embedded, Error, Event, Left, Options, Problem, Recover, Report, Way};
use db_testkit::empty_db;
use sqlx::PgConnection;
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
    assert_eq!(status.applied[1].finished_at, None);
    status.problems.into_iter().next().expect("a problem")
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
async fn one_that_cannot_be_recorded_is_under_way_and_nothing_else() {
    const UNWRITABLE: Embedded = outside(
        "0002_unwritable",
        "INSERT INTO notes VALUES (1); ALTER TABLE db_migrations ADD CHECK (statements_done < 2);",
    );
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let error = apply(&mut conn, &[NOTES, UNWRITABLE]).await.expect_err("its record breaks the check");
        assert!(matches!(error, Error::Database { .. }), "{error}");
        let rows: Vec<(String, i32)> =
            sqlx::query_as("SELECT outcome, statements_done FROM db_migrations WHERE id = '0002'")
                .fetch_all(&mut conn)
                .await
                .expect("the history");
        assert_eq!(rows, [("running".to_owned(), 1)]);
    })
    .await;
}

async fn mend(conn: &mut PgConnection, items: &[Embedded], way: Way) -> Result<Report, Error> {
    let how = Recover { way, ..Recover::default() };
    db_migrate::recover(conn, &set(items), how, &Options::default(), &mut |_| {}).await
}

async fn indexes(conn: &mut PgConnection) -> Vec<(String, bool)> {
    sqlx::query_as(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'notes'::regclass ORDER BY 1",
    )
    .fetch_all(conn)
    .await
    .expect("the catalogue can be read")
}

#[tokio::test]
async fn recover_finishes_what_is_left_once_the_cause_is_gone() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        half_apply(&mut conn).await;
        assert_eq!(indexes(&mut conn).await, [], "what could not be built is not left there");
        let again =
            mend(&mut conn, &[NOTES, INDEX], Way::Finish).await.expect_err("the rows are still equal");
        assert!(matches!(again, Error::Statement(_)), "{again}");

        run(&mut conn, "DELETE FROM notes").await;
        assert_eq!(done(&mend(&mut conn, &[NOTES, INDEX], Way::Finish).await.expect("mended")), [2]);
        assert_eq!(indexes(&mut conn).await, [("notes_id_idx".to_owned(), true)]);
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(&mut conn).await.expect("a count");
        assert_eq!(rows, 0, "what was done is not done again");
        assert!(apply(&mut conn, &[NOTES, INDEX]).await.expect("nothing to do").done.is_empty());
    })
    .await;
}

#[tokio::test]
async fn recover_goes_on_with_what_was_mended_in_the_file() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        half_apply(&mut conn).await;
        let other = Embedded { up: "CREATE INDEX CONCURRENTLY other_idx ON notes (id);", ..INDEX };
        let refused =
            mend(&mut conn, &[NOTES, other], Way::Finish).await.expect_err("what is done was changed");
        assert!(matches!(refused, Error::Unrecoverable { .. }), "{refused}");
        let mended = Embedded {
            up: "INSERT INTO notes VALUES (1), (1);\nCREATE INDEX CONCURRENTLY notes_id_idx ON notes (id);",
            ..INDEX
        };
        assert_eq!(done(&mend(&mut conn, &[NOTES, mended], Way::Finish).await.expect("mended")), [2]);
        assert!(
            apply(&mut conn, &[NOTES, mended]).await.expect("its text is the one applied").done.is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn recover_undoes_by_the_way_back() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        half_apply(&mut conn).await;
        let refused =
            mend(&mut conn, &[NOTES, INDEX], Way::Undo).await.expect_err("nothing undoes an INSERT");
        assert!(matches!(refused, Error::Unrecoverable { undo: true, .. }), "{refused}");

        let down = Some("DROP INDEX notes_id_idx; DELETE FROM notes;");
        let with_down = Embedded { down, ..INDEX };
        assert_eq!(done(&mend(&mut conn, &[NOTES, with_down], Way::Undo).await.expect("undone")), [2]);
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(&mut conn).await.expect("a count");
        assert_eq!(rows, 0);
        let status = db_migrate::status(&mut conn, &set(&[NOTES, with_down])).await.expect("a status");
        assert_eq!((status.pending.len(), status.problems.len()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn recover_rebuilds_any_invalid_index() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        run(&mut conn, "INSERT INTO notes VALUES (1), (1)").await;
        let broken = "CREATE UNIQUE INDEX CONCURRENTLY left_idx ON notes (id)";
        sqlx::raw_sql(broken).execute(&mut conn).await.expect_err("two rows are equal");
        run(&mut conn, "DELETE FROM notes").await;
        assert_eq!(indexes(&mut conn).await, [("left_idx".to_owned(), false)]);
        mend(&mut conn, &[NOTES], Way::Finish).await.expect("rebuilt");
        assert_eq!(indexes(&mut conn).await, [("left_idx".to_owned(), true)]);
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
