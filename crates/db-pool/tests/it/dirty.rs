//! What the last user left behind never meets the next.

use crate::{backend, config, pool};
use db_pool::Pool;
use db_testkit::{eventually, fresh_db};
use sqlx::Connection;
use std::time::Duration;

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
async fn an_abandoned_query_is_waited_for_or_given_up() {
    fresh_db(|db| async move {
        let pool =
            Pool::connect(config(&db, 1).reset_timeout(Duration::from_millis(100))).await.expect("connected");
        let mut lease = pool.acquire().await.expect("a lease");
        let first = backend(&mut lease).await;
        {
            let slow = sqlx::query("SELECT pg_sleep(60)").execute(&mut *lease);
            let cut = tokio::time::timeout(Duration::from_millis(50), slow).await;
            assert!(cut.is_err(), "the query must still run");
        }
        drop(lease);
        // The permit is not lost: the connection is discarded, and another takes its place.
        let mut lease = pool.acquire().await.expect("another");
        assert_ne!(backend(&mut lease).await, first);
        drop(lease);
        eventually("gauges are exact", || async {
            let stats = pool.stats();
            (stats.in_use, stats.waiting, stats.discards, stats.idle) == (0, 0, 1, 1)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_abandoned_quick_query_costs_no_connection() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let first = backend(&mut lease).await;
        {
            let slow = sqlx::query("SELECT pg_sleep(0.1)").execute(&mut *lease);
            let cut = tokio::time::timeout(Duration::from_millis(5), slow).await;
            assert!(cut.is_err(), "the query must still run");
        }
        drop(lease);
        let mut lease = pool.acquire().await.expect("the same");
        assert_eq!(backend(&mut lease).await, first);
        assert_eq!(pool.stats().discards, 0);
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
        {
            let slow = sqlx::query("SELECT pg_sleep(0.1)").execute(&mut *lease);
            let cut = tokio::time::timeout(Duration::from_millis(5), slow).await;
            assert!(cut.is_err(), "the query must still run");
        }
        drop(lease);
        let mut lease = pool.acquire().await.expect("another");
        assert_ne!(backend(&mut lease).await, first);
        assert_eq!(pool.stats().discards, 1);
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

/// Keeps a transaction's guard from rolling it back.
fn leak<T>(guard: T) {
    let _ = std::mem::ManuallyDrop::new(guard);
}
