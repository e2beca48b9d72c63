//! What the last user left behind never meets the next.

use crate::{backend, config, pool};
use db_pool::{Pool, Reset};
use db_testkit::{eventually, fresh_db};
use futures_util::TryStreamExt;
use sqlx::Connection;
use std::{future::Future, time::Duration};

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back_before_the_next_lease() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let first = backend(&mut lease).await;
        let mut tx = lease.begin().await.expect("begun");
        sqlx::query("INSERT INTO tasks (title) VALUES ('lost')").execute(&mut *tx).await.expect("inserted");
        drop(tx);
        drop(lease);

        let mut lease = pool.acquire().await.expect("in time");
        assert_eq!(backend(&mut lease).await, first, "the connection is kept");
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM tasks").fetch_one(&mut *lease).await.expect("counted");
        assert_eq!(rows, 0);
        let state: String =
            sqlx::query_scalar("SELECT state FROM pg_stat_activity WHERE pid = pg_backend_pid()")
                .fetch_one(&mut *lease)
                .await
                .expect("read");
        assert_eq!(state, "active", "no transaction is open");
    })
    .await;
}

#[tokio::test]
async fn a_leaked_transaction_is_never_lent() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let first = backend(&mut lease).await;
        // Its guard is leaked, so nothing rolls it back.
        leak(lease.begin().await.expect("begun"));
        drop(lease);
        let mut lease = pool.acquire().await.expect("another");
        assert_ne!(backend(&mut lease).await, first);
        assert_eq!(pool.stats().discards, 1);
    })
    .await;
}

#[tokio::test]
async fn a_cut_query_is_stopped_on_the_server_and_keeps_nobody_waiting() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut lease = pool.acquire().await.expect("a lease");
        cut(sqlx::query("SELECT pg_sleep(600)").execute(&mut *lease)).await;
        drop(lease);
        // The place is free at once, whatever the server is still doing.
        let mut lease = pool.acquire().await.expect("another");
        eventually("nothing sleeps on the server", || async {
            let mut other = db.connect().await;
            let sleeping = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'";
            sqlx::query_scalar::<_, i64>(sleeping).fetch_one(&mut other).await.expect("counted") == 0
        })
        .await;
        backend(&mut lease).await;
        drop(lease);
        eventually("gauges are exact", || async {
            let stats = pool.stats();
            (stats.in_use, stats.waiting, stats.recovering, stats.idle, stats.cancels) == (0, 0, 0, 1, 1)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_cut_query_through_the_pool_is_stopped_as_well() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        cut(sqlx::query("SELECT pg_sleep(600)").execute(&pool)).await;
        eventually("it is stopped and the connection is back", || async {
            let stats = pool.stats();
            (stats.cancels, stats.recoveries, stats.recovering, stats.discards) == (1, 1, 0, 0)
        })
        .await;
        let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.expect("in step");
        assert_eq!((one, pool.stats().opens), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn an_abandoned_query_in_a_leaked_transaction_is_never_lent() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let first = backend(&mut lease).await;
        leak(lease.begin().await.expect("begun"));
        cut(sqlx::query("SELECT pg_sleep(600)").execute(&mut *lease)).await;
        drop(lease);
        let mut lease = pool.acquire().await.expect("another");
        assert_ne!(backend(&mut lease).await, first);
        eventually("it is closed", || async { pool.stats().discards == 1 }).await;
    })
    .await;
}

#[tokio::test]
async fn what_leaves_its_mark_on_the_session_can_be_kept_from_the_next() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let first = backend(&mut lease).await;
        lease.discard_on_return();
        drop(lease);
        assert_ne!(backend(&mut pool.acquire().await.expect("another")).await, first);
    })
    .await;
}

#[tokio::test]
async fn a_raw_transaction_is_rolled_back() {
    for failed in [false, true] {
        fresh_db(move |db| async move {
            let pool = pool(&db, 1).await;
            let mut lease = pool.acquire().await.expect("a lease");
            let first = backend(&mut lease).await;
            sqlx::raw_sql("BEGIN; INSERT INTO tasks (title) VALUES ('lost')")
                .execute(&mut *lease)
                .await
                .expect("inserted");
            if failed {
                sqlx::raw_sql("SELECT 1 / 0").execute(&mut *lease).await.expect_err("the transaction fails");
            }
            drop(lease);
            let mut lease = pool.acquire().await.expect("in time");
            assert_eq!(backend(&mut lease).await, first, "the connection is kept");
            let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM tasks")
                .fetch_one(&mut lease)
                .await
                .expect("counted");
            assert_eq!((rows, pool.stats().stray_transactions), (0, 1));
        })
        .await;
    }
}

/// What a statement leaves behind in the session, and how a later user would see it.
const MARKS: [(&str, &str); 6] = [
    ("SET statement_timeout = '7s'", "SELECT current_setting('statement_timeout') <> '7s'"),
    (
        "SELECT set_config('search_path', 'nowhere', false)",
        "SELECT current_setting('search_path') <> 'nowhere'",
    ),
    (
        "SELECT pg_advisory_lock(7)",
        "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    ),
    ("CREATE TEMP TABLE mine (id int)", "SELECT to_regclass('pg_temp.mine') IS NULL"),
    ("LISTEN news", "SELECT count(*) = 0 FROM pg_listening_channels()"),
    ("SET ROLE pg_read_all_data", "SELECT current_user = session_user"),
];

#[tokio::test]
async fn what_a_statement_left_in_the_session_is_gone_for_the_next() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        for (mark, gone) in MARKS {
            // Seen by its text, through the pool; unseen, on the connection itself.
            sqlx::query(mark).execute(&pool).await.expect(mark);
            let clean: bool = sqlx::query_scalar(gone).fetch_one(&pool).await.expect(gone);
            assert!(clean, "{mark}, through the pool");
            let mut lease = pool.acquire().await.expect("a lease");
            sqlx::query(mark).execute(&mut *lease).await.expect(mark);
            drop(lease);
            let clean: bool = sqlx::query_scalar(gone).fetch_one(&pool).await.expect(gone);
            assert!(clean, "{mark}, on the connection");
        }
        assert_eq!((pool.stats().opens, pool.stats().resets), (1, 12));
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_leaves_no_mark_costs_no_reset() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        sqlx::query("INSERT INTO tasks (title) VALUES ($1)")
            .bind("one")
            .execute(&pool)
            .await
            .expect("inserted");
        let mut lease = pool.acquire().await.expect("a lease");
        sqlx::query("SELECT count(*) FROM tasks").fetch_one(&mut lease).await.expect("counted");
        sqlx::query("SELECT 1").execute(lease.vouched()).await.expect("vouched for");
        drop(lease);
        let stats = pool.stats();
        assert_eq!((stats.resets, stats.in_use, stats.idle), (0, 0, 1), "{stats:?}");
    })
    .await;
}

#[tokio::test]
async fn the_policy_says_when_to_reset() {
    for (policy, resets) in [(Reset::Always, 2), (Reset::Never, 0), (Reset::Smart, 1)] {
        fresh_db(move |db| async move {
            let pool = Pool::connect(&config(&db, 1).reset(policy)).await.expect("connected");
            eventually("the first lease is back", || async { pool.stats().idle == 1 }).await;
            let before = pool.stats().resets;
            sqlx::query("SELECT 1").execute(&pool).await.expect("unmarked");
            sqlx::query("SET work_mem = '1MB'").execute(&pool).await.expect("marked");
            drop(pool.acquire().await.expect("all is back"));
            eventually("all is back", || async { pool.stats().idle == 1 }).await;
            // `Always` counts the lease that looked as well.
            let more = u64::from(policy == Reset::Always);
            assert_eq!(pool.stats().resets - before, resets + more, "{policy:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_copy_that_was_left_half_way_on_the_bare_connection_is_never_lent() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut lease = pool.acquire().await.expect("a lease");
        {
            // sqlx does not count what the server still owes here.
            let copy = lease.copy_out_raw("COPY (SELECT generate_series(1, 100000)) TO STDOUT");
            let mut rows = copy.await.expect("begun");
            rows.try_next().await.expect("a first chunk");
        }
        drop(lease);
        let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.expect("in step");
        assert_eq!((one, pool.stats().discards), (1, 1));
    })
    .await;
}

/// Starts a query and drops its future while the server is at it.
async fn cut<T>(query: impl Future<Output = T>) {
    assert!(
        tokio::time::timeout(Duration::from_millis(50), query).await.is_err(),
        "the query must still run"
    );
}

/// Keeps a transaction's guard from rolling it back.
fn leak<T>(guard: T) {
    let _ = std::mem::ManuallyDrop::new(guard);
}
