//! What is known to be wrong with mobc 0.9.0 (anchors, "confirmed by test") does not show through the pool. Each test has the
//! name of the defect's opposite, and each is held to with the own store as well.

use crate::{config, eventually_idle};
use db_pool::{DirectStore, Lease, MobcStore, Pool, PoolConfig, Store};
use db_testkit::{FreshDb, eventually, fresh_db};
use futures_util::{FutureExt, future::join_all};
use std::{
    future::Future,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

async fn pools<F: Future<Output = ()>>(
    change: fn(PoolConfig) -> PoolConfig,
    test: impl Fn(Pool) -> F + Copy,
) {
    type Make = fn(&PoolConfig) -> Arc<dyn Store>;
    let stores: [Make; 2] =
        [|config| Arc::new(MobcStore::new(config)), |config| Arc::new(DirectStore::new(config))];
    for store in stores {
        fresh_db(|db: FreshDb| async move {
            let config = change(config(&db, 10));
            test(Pool::with_store(&config, store(&config)).await.expect("connected")).await;
        })
        .await;
    }
}

/// Holds `number` connections at once.
async fn hold(pool: &Pool, number: usize) -> Vec<Lease> {
    join_all((0..number).map(|_| pool.acquire()))
        .await
        .into_iter()
        .map(|lease| lease.expect("room"))
        .collect()
}

#[tokio::test]
async fn the_size_changes_while_in_use() {
    pools(
        |config| config,
        |pool| async move {
            pool.resize(NonZeroU32::new(2).expect("two"));
            let _two = hold(&pool, 2).await;
            assert!(pool.acquire().now_or_never().is_none(), "there is no third");
            pool.resize(NonZeroU32::new(3).expect("three"));
            drop(hold(&pool, 1).await);
        },
    )
    .await;
}

#[tokio::test]
async fn the_idle_timeout_is_idleness_not_age() {
    pools(
        |config| config.idle_timeout(Duration::from_millis(100)),
        |pool| async move {
            let first = crate::backend(&mut pool.acquire().await.expect("a lease")).await;
            let old = Instant::now() + Duration::from_millis(400);
            while Instant::now() < old {
                assert_eq!(crate::backend(&mut pool.acquire().await.expect("a lease")).await, first);
            }
            eventually("it goes once it idles", || async { pool.stats().idle == 0 }).await;
        },
    )
    .await;
}

#[tokio::test]
async fn the_lifetime_ends_a_connection_that_only_idles() {
    pools(
        |config| config.max_lifetime(Duration::from_millis(200)).min_size(1),
        |pool| async move {
            eventually("another is in its place", || async {
                pool.stats().opens >= 2 && pool.stats().closes >= 1
            })
            .await;
        },
    )
    .await;
}

#[tokio::test]
async fn ten_connections_are_ten_connects() {
    pools(
        |config| config,
        |pool| async move {
            for _ in 0..10 {
                drop(hold(&pool, 10).await);
            }
            assert_eq!((pool.stats().opens, pool.stats().closes), (10, 0));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_may_be_dropped_outside_a_runtime() {
    pools(
        |config| config,
        |pool| async move {
            let lease = pool.acquire().await.expect("a lease");
            assert!(std::thread::spawn(move || drop(lease)).join().is_ok(), "it panicked");
            eventually_idle("afterwards", &pool).await;
        },
    )
    .await;
}

#[tokio::test]
async fn the_waiting_and_the_used_are_counted_right_whatever_is_cut() {
    pools(
        |config| config,
        |pool| async move {
            pool.resize(NonZeroU32::new(1).expect("one"));
            let lease = pool.acquire().await.expect("the only one");
            for _ in 0..20 {
                assert!(pool.acquire().now_or_never().is_none());
            }
            assert_eq!((pool.stats().waiting, pool.stats().in_use), (0, 1));
            drop(lease);
            for _ in 0..20 {
                drop(pool.acquire().await);
            }
            assert_eq!((pool.stats().waiting, pool.stats().in_use), (0, 0));
        },
    )
    .await;
}

#[tokio::test]
async fn a_close_waits_for_what_is_lent() {
    pools(
        |config| config,
        |pool| async move {
            let lease = pool.acquire().await.expect("a lease");
            let closing = tokio::spawn({
                let pool = pool.clone();
                async move { pool.close_within(Duration::from_secs(20)).await }
            });
            eventually("it is closing", || async { pool.is_closed() }).await;
            assert!(!closing.is_finished(), "somebody still holds a connection");
            drop(lease);
            assert!(closing.await.expect("no panic").abandoned.is_empty());
            assert_eq!(pool.stats().idle, 0);
        },
    )
    .await;
}

/// A runtime without a clock panics when a timer is set.
#[test]
fn an_idle_connection_is_lent_without_a_timer() {
    let with_clock = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let with_clock = with_clock.expect("a runtime");
    with_clock.block_on(pools(
        |config| config,
        |pool| async move {
            let without_clock = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let thread = std::thread::spawn(move || {
                without_clock.block_on(async { drop(pool.acquire().await.expect("it idles")) });
            });
            assert!(thread.join().is_ok(), "a timer was set");
        },
    ));
}

#[tokio::test]
async fn a_return_spawns_no_task() {
    pools(
        |config| config,
        |pool| async move {
            let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let lease = pool.acquire().await.expect("a lease");
            let before = tasks();
            drop(lease);
            assert_eq!((tasks(), pool.stats().idle), (before, 1));
        },
    )
    .await;
}
