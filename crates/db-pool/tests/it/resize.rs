//! The size of a pool, changed while it is in use.

use crate::{eventually_idle, pool};
use db_testkit::{eventually, fresh_db};
use futures_util::FutureExt;
use std::num::NonZeroU32;

fn size(size: u32) -> NonZeroU32 {
    NonZeroU32::new(size).expect("not zero")
}

#[tokio::test]
async fn growing_lets_those_in_who_wait() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let _first = pool.acquire().await.expect("the only one");
        let waiter = tokio::spawn(pool.acquire());
        eventually("somebody waits", || async { pool.stats().waiting == 1 }).await;
        pool.resize(size(2));
        let second = waiter.await.expect("no panic").expect("there is room now");
        assert_eq!((pool.stats().in_use, pool.stats().size), (2, 2));
        drop(second);
    })
    .await;
}

#[tokio::test]
async fn shrinking_closes_the_surplus_as_it_comes_back() {
    fresh_db(|db| async move {
        let pool = pool(&db, 4).await;
        let mut leases = Vec::new();
        for _ in 0..4 {
            leases.push(pool.acquire().await.expect("one of four"));
        }
        pool.resize(size(2));
        assert_eq!((pool.stats().in_use, pool.stats().closes), (4, 0), "nothing is taken from anybody");
        assert!(pool.acquire().now_or_never().is_none(), "there is no room for a fifth");
        leases.truncate(2);
        assert_eq!((pool.stats().in_use, pool.stats().closes, pool.stats().idle), (2, 2, 0));
        leases.clear();
        assert_eq!((pool.stats().in_use, pool.stats().closes, pool.stats().idle), (0, 2, 2));
    })
    .await;
}

#[tokio::test]
async fn shrinking_closes_what_idles_at_once() {
    fresh_db(|db| async move {
        let pool = pool(&db, 3).await;
        let leases = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
        drop(leases);
        assert_eq!(pool.stats().idle, 3);
        pool.resize(size(1));
        assert_eq!((pool.stats().idle, pool.stats().closes), (1, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resizing_under_load_loses_nobody() {
    fresh_db(|db| async move {
        let pool = pool(&db, 4).await;
        let workers: Vec<_> = (0..16)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        let one: i32 =
                            sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.expect("in time");
                        assert_eq!(one, 1);
                        let stats = pool.stats();
                        assert!(stats.idle + stats.opening <= stats.max_size, "{stats:?}");
                    }
                })
            })
            .collect();
        for round in 0..60 {
            pool.resize(size(1 + round % 4));
            tokio::task::yield_now().await;
        }
        pool.resize(size(4));
        for worker in workers {
            worker.await.expect("no panic");
        }
        eventually_idle("afterwards", &pool).await;
        let stats = pool.stats();
        assert!(stats.idle <= 4 && stats.opens == stats.closes + u64::from(stats.idle), "{stats:?}");
    })
    .await;
}
