//! Batches: all or nothing, or each by itself, in as many round trips as promised.

use super::relay::counted;
use crate::pool;
use db_pool::{Batch, BatchMode, BatchReport, Error, Outcome, Pool, Reset};
use db_testkit::{FreshDb, eventually, fresh_db};
use sqlx::{Executor, Row};
use std::time::Duration;

const TABLE: &str = "CREATE TABLE rows (id int8 PRIMARY KEY)";

async fn prepared(db: &FreshDb, size: u32) -> Pool {
    let pool = pool(db, size).await;
    pool.acquire().await.expect("a lease").execute(TABLE).await.expect("a table");
    pool
}

async fn ids(pool: &Pool) -> Vec<i64> {
    let mut lease = pool.acquire().await.expect("a lease");
    sqlx::query_scalar("SELECT id FROM rows ORDER BY id").fetch_all(&mut *lease).await.expect("read")
}

async fn run(pool: &Pool, batch: Batch, mode: BatchMode) -> Result<BatchReport, Error> {
    batch.run(&mut pool.acquire().await.expect("a lease"), mode).await
}

fn kinds(report: &BatchReport) -> String {
    report
        .outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Done(_) => 'D',
            Outcome::Failed(_) => 'F',
            Outcome::RolledBack => 'R',
            Outcome::NotRun => 'N',
            _ => '?',
        })
        .collect()
}

fn insert(id: i64) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query("INSERT INTO rows VALUES ($1)").bind(id)
}

#[tokio::test]
async fn each_result_is_in_its_place() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        for mode in [BatchMode::Atomic, BatchMode::Independent] {
            let mut batch = Batch::new();
            batch.push(sqlx::query("INSERT INTO rows SELECT generate_series(1, 3)")).expect("room");
            batch.push(sqlx::query("SELECT id FROM rows ORDER BY id")).expect("room");
            batch.push(sqlx::raw_sql("UPDATE rows SET id = id + 10; DELETE FROM rows")).expect("room");
            batch.push(insert(7)).expect("room");
            batch.push(sqlx::raw_sql("DELETE FROM rows RETURNING id -- the last")).expect("room");
            let done = run(&pool, batch, mode).await.expect("run").into_done().expect("all");
            let affected: Vec<_> = done.iter().map(|done| done.rows_affected).collect();
            assert_eq!(affected, [3, 3, 6, 1, 1], "{mode:?}");
            let read: Vec<i64> = done[1].rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(read, [1, 2, 3]);
            assert_eq!(done[4].rows[0].get::<i64, _>("id"), 7);
        }
        assert_eq!(ids(&pool).await, [0_i64; 0]);
    })
    .await;
}

#[tokio::test]
async fn the_first_error_of_an_atomic_batch_undoes_the_others() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let mut batch = Batch::new();
        for id in [1, 2, 2, 3] {
            batch.push(insert(id)).expect("room");
        }
        let report = run(&pool, batch, BatchMode::Atomic).await.expect("run");
        assert_eq!(kinds(&report), "RRFN");
        let error = report.into_done().expect_err("a duplicate");
        assert!(matches!(error, Error::Batch { index: 2, .. }), "{error}");
        assert_eq!(ids(&pool).await, [0_i64; 0]);
        assert_eq!(pool.stats().discards, 0);
    })
    .await;
}

#[tokio::test]
async fn so_does_one_in_a_joined_message() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        for (third, ends) in [
            ("INSERT INTO rows VALUES (2)", "RRFN"),
            ("INSERT INTO nowhere VALUES (2)", "RRFN"),
            // Refused before anything is run.
            ("INSERT INTO INTO rows VALUES (3)", "RRFN"),
        ] {
            let mut batch = Batch::new();
            for sql in ["INSERT INTO rows VALUES (1) -- ü", "INSERT INTO rows VALUES (2);", third, "SELECT 1"]
            {
                batch.push(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).expect("room");
            }
            let report = run(&pool, batch, BatchMode::Atomic).await.expect("run");
            assert_eq!(kinds(&report), ends, "{third}");
            assert_eq!(ids(&pool).await, [0_i64; 0], "{third}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_independent_statement_commits_by_itself() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let mut batch = Batch::new();
        batch.push(insert(1)).expect("room");
        batch.push(sqlx::query("INSERT INTO rows VALUES (1)")).expect("room");
        batch.push(sqlx::query("INSERT INTO rows VALUES (2)")).expect("room");
        let report = run(&pool, batch, BatchMode::Independent).await.expect("run");
        assert_eq!(kinds(&report), "DFD");
        assert_eq!(ids(&pool).await, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_failing_commit_is_an_error() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let ddl = "CREATE TABLE refs (id int8 REFERENCES rows DEFERRABLE INITIALLY DEFERRED)";
        pool.acquire().await.expect("a lease").execute(ddl).await.expect("a table");
        let mut batch = Batch::new();
        batch.push(sqlx::query("INSERT INTO refs VALUES ($1)").bind(9_i64)).expect("room");
        batch.push(insert(1)).expect("room");
        let error = run(&pool, batch, BatchMode::Atomic).await.expect_err("no such row");
        assert!(
            matches!(&error, Error::Statement { sqlstate: Some(code), .. } if code == "23503"),
            "{error:?}"
        );
        assert_eq!(ids(&pool).await, [0_i64; 0]);
    })
    .await;
}

#[tokio::test]
async fn statements_are_spread_over_the_pool() {
    fresh_db(|db| async move {
        // A reset between two leases would take the locks away under those that still wait.
        let config = crate::config(&db, 3).reset(Reset::Never);
        let pool = Pool::connect(&config).await.expect("connected");
        sqlx::raw_sql(TABLE).execute(&pool).await.expect("a table");
        // Each waits for the other two, so that all must be under way at once.
        let meet = "DO $$ BEGIN PERFORM pg_advisory_lock_shared(77);
            WHILE (SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
                WHERE datname = current_database() AND locktype = 'advisory' AND objid = 77) < 3 LOOP
                PERFORM pg_sleep(0.001);
            END LOOP; END $$";
        let mut batch = Batch::new();
        for _ in 0..3 {
            batch.push(sqlx::raw_sql(meet)).expect("room");
        }
        batch.push(sqlx::query("SELECT 1 / 0")).expect("room");
        let report =
            tokio::time::timeout(Duration::from_secs(20), batch.spread(&pool, 3.try_into().expect("3")))
                .await
                .expect("they meet")
                .expect("run");
        assert_eq!(kinds(&report), "DDDF");
        // The one that failed still owes the end of its answer, which is read in the background.
        eventually("every lease is back", || async { pool.stats().in_use == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_fails_its_statement_only() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let mut batch = Batch::new();
        batch.push(sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())")).expect("room");
        batch.push(insert(1)).expect("room");
        let report = batch.spread(&pool, 1.try_into().expect("1")).await.expect("run");
        assert_eq!(kinds(&report), "FD");
    })
    .await;
}

#[tokio::test]
async fn without_a_lease_nothing_is_run() {
    fresh_db(|db| async move {
        let pool = Pool::connect(&crate::config(&db, 1).acquire_timeout(Duration::from_millis(500)))
            .await
            .expect("connected");
        let _lease = pool.acquire().await.expect("the only one");
        let mut batch = Batch::new();
        batch.push(sqlx::query("SELECT 1")).expect("room");
        let spread = async move { batch.spread(&pool, 2.try_into().expect("2")).await };
        let error = tokio::spawn(spread).await.expect("no panic").expect_err("no lease");
        assert!(matches!(error, Error::Exhausted { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_dropped_batch_is_rolled_back() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let mut batch = Batch::new();
        batch.push(insert(1)).expect("room");
        batch.push(sqlx::query("SELECT pg_sleep($1)").bind(0.2)).expect("room");
        let mut lease = pool.acquire().await.expect("a lease");
        let cut =
            tokio::time::timeout(Duration::from_millis(50), batch.run(&mut lease, BatchMode::Atomic)).await;
        assert!(cut.is_err(), "it must still run");
        drop(lease);
        assert_eq!(ids(&pool).await, [0_i64; 0]);
    })
    .await;
}

#[test]
fn a_batch_has_a_limit_and_refuses_what_would_break_it() {
    let mut batch = Batch::with_max(2.try_into().expect("2"));
    for sql in ["COMMIT", "begin", "SELECT 1; ROLLBACK", "COPY t FROM STDIN", "/* x */ END"] {
        let error = batch.push(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).expect_err("refused");
        assert!(matches!(error, Error::BatchStatement { .. }), "{sql}: {error}");
    }
    batch.push(sqlx::query("SELECT 1")).expect("room");
    batch.push(sqlx::query("SELECT 1")).expect("room");
    let error = batch.push(sqlx::query("SELECT 1")).expect_err("full");
    assert!(matches!(error, Error::BatchFull { max: 2 }), "{error}");
    assert_eq!(batch.len(), 2);
}

#[tokio::test]
async fn round_trips_are_as_promised() {
    fresh_db(|db| async move {
        let (config, flights) = counted(&db).await;
        let pool = Pool::connect(&config).await.expect("connected through the relay");
        let mut lease = pool.acquire().await.expect("a lease");
        (&mut *lease).execute("CREATE TEMP TABLE rows (id int8)").await.expect("a table");
        insert(0).execute(&mut *lease).await.expect("prepared");
        flights.take();

        let mut batch = Batch::new();
        for _ in 0..50 {
            batch.push(sqlx::query("INSERT INTO rows VALUES (1)")).expect("room");
        }
        batch.run(&mut lease, BatchMode::Atomic).await.expect("run").into_done().expect("all");
        assert_eq!(flights.take(), 1, "a single run");

        let mut batch = Batch::new();
        for id in 0..3 {
            batch.push(insert(id)).expect("room");
        }
        batch.push(sqlx::query("INSERT INTO rows VALUES (1)")).expect("room");
        batch.push(sqlx::query("INSERT INTO rows VALUES (2)")).expect("room");
        batch.run(&mut lease, BatchMode::Atomic).await.expect("run").into_done().expect("all");
        assert_eq!(flights.take(), 2 + 1 + 3, "a transaction, one run, three with arguments");

        let mut batch = Batch::new();
        batch.push(sqlx::raw_sql("SELECT 1")).expect("room");
        batch.push(sqlx::raw_sql("SELECT 2")).expect("room");
        batch.push(insert(1)).expect("room");
        batch.run(&mut lease, BatchMode::Independent).await.expect("run").into_done().expect("all");
        assert_eq!(flights.take(), 3, "one for each");
    })
    .await;
}
