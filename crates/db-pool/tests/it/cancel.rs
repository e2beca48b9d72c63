//! A future that is dropped gives everything back, at every await.

use crate::pool;
use async_trait::async_trait;
use db_pool::{ConnectError, DirectStore, Error, Live, Pool, PoolConfig, Store};
use db_testkit::{eventually, fresh_db};
use futures_util::FutureExt;
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

#[tokio::test]
async fn a_dropped_waiter_leaves_the_queue() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let lease = pool.acquire().await.expect("the only one");
        for _ in 0..10 {
            assert!(pool.acquire().now_or_never().is_none(), "it must wait");
        }
        assert_eq!(pool.stats().waiting, 0);
        drop(lease);
        drop(pool.acquire().await.expect("nobody is in the way"));
        assert_eq!(pool.stats().in_use, 0);
    })
    .await;
}

/// A store that can be told never to answer.
struct Stuck {
    inner: DirectStore,
    open: AtomicBool,
    check: AtomicBool,
}

#[async_trait]
impl Store for Stuck {
    async fn open(&self) -> Result<Box<dyn Live>, ConnectError> {
        if self.open.load(Relaxed) {
            pending::<()>().await;
        }
        self.inner.open().await
    }

    async fn check(&self, connection: Box<dyn Live>) -> Option<Box<dyn Live>> {
        if self.check.load(Relaxed) {
            pending::<()>().await;
        }
        self.inner.check(connection).await
    }

    async fn retire(&self, connection: Box<dyn Live>) {
        self.inner.retire(connection).await;
    }
}

async fn stuck(config: PoolConfig) -> (Pool, Arc<Stuck>) {
    let store = Arc::new(Stuck {
        inner: DirectStore::new(&config),
        open: AtomicBool::new(false),
        check: AtomicBool::new(false),
    });
    let pool = Pool::with_store(&config, Arc::clone(&store) as Arc<dyn Store>).await.expect("connected");
    (pool, store)
}

#[tokio::test]
async fn a_drop_while_connecting_keeps_the_permit() {
    fresh_db(|db| async move {
        let (pool, store) = stuck(crate::config(&db, 2)).await;
        let held = pool.acquire().await.expect("the idle one");
        store.open.store(true, Relaxed);
        for _ in 0..5 {
            assert!(pool.acquire().now_or_never().is_none(), "the store is stuck");
        }
        assert_eq!(pool.stats().in_use, 1);
        store.open.store(false, Relaxed);
        let other = pool.acquire().await.expect("no permit is lost");
        drop((held, other));
        assert_eq!(pool.stats().in_use, 0);
    })
    .await;
}

#[tokio::test]
async fn a_drop_while_checking_keeps_the_permit_and_closes_the_connection() {
    fresh_db(|db| async move {
        let (pool, store) = stuck(crate::config(&db, 1).check_after(Duration::ZERO)).await;
        store.check.store(true, Relaxed);
        assert!(pool.acquire().now_or_never().is_none(), "the store is stuck");
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.idle, stats.opens, stats.closes), (0, 0, 1, 1), "{stats:?}");
        store.check.store(false, Relaxed);
        drop(pool.acquire().await.expect("no permit is lost"));
    })
    .await;
}

#[tokio::test]
async fn a_store_that_never_answers_is_left_at_the_deadline() {
    fresh_db(|db| async move {
        // Long enough to connect at the start on a busy machine; the wait that is tested has all of it.
        let (pool, store) = stuck(crate::config(&db, 2).acquire_timeout(Duration::from_secs(2))).await;
        let _held = pool.acquire().await.expect("the idle one");
        store.open.store(true, Relaxed);
        let error = pool.acquire().await.expect_err("it must give up");
        assert!(matches!(error, Error::Exhausted { .. }), "{error}");
        assert_eq!((pool.stats().in_use, pool.stats().timeouts), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_drops_loses_nothing() {
    fresh_db(|db| async move {
        let pool = pool(&db, 3).await;
        let tasks: Vec<_> = (0..60_u64)
            .map(|number| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let work = async {
                        let mut lease = pool.acquire().await.expect("in time");
                        sqlx::query("SELECT pg_sleep(0.002)").execute(&mut *lease).await.expect("answers");
                    };
                    // Some are cut while they wait, some while they connect, some in the middle of the query.
                    let _ = tokio::time::timeout(Duration::from_micros(number * 400), work).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        eventually("all is back", || async { pool.stats().in_use == 0 && pool.stats().waiting == 0 }).await;
        let leases = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
        assert!(leases.iter().all(Result::is_ok), "every permit is there");
    })
    .await;
}
