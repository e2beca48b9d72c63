//! How many, how long, and in which order.

use crate::{backend, config, pool};
use db_core::Status;
use db_pool::{AcquireOptions, Error, Pool, PoolProbe};
use db_testkit::{Recorded, eventually, fresh_db};
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn never_more_than_the_maximum() {
    fresh_db(|db| async move {
        let pool = Pool::connect(&config(&db, 2).acquire_timeout(Duration::from_millis(50)))
            .await
            .expect("connected");
        let (one, two) = (pool.acquire().await.expect("one"), pool.acquire().await.expect("two"));
        // By another task: the one that holds them would be accused of a deadlock.
        let third = tokio::spawn(pool.acquire()).await.expect("no panic");
        let error = third.expect_err("there is no third");
        assert!(matches!(error, Error::Exhausted { in_use: 2, max: 2, .. }), "{error}");
        drop((one, two));
        pool.acquire().await.expect("room again");
        let stats = pool.stats();
        assert_eq!((stats.opens, stats.timeouts, stats.waiting, stats.in_use), (2, 1, 0, 0), "{stats:?}");
    })
    .await;
}

#[tokio::test]
async fn the_last_returned_leaves_first() {
    fresh_db(|db| async move {
        let pool = pool(&db, 3).await;
        let mut one = pool.acquire().await.expect("one");
        let mut two = pool.acquire().await.expect("two");
        let (_, last) = (backend(&mut one).await, backend(&mut two).await);
        drop(one);
        drop(two);
        for _ in 0..3 {
            let mut lease = pool.acquire().await.expect("idle");
            assert_eq!(backend(&mut lease).await, last);
        }
    })
    .await;
}

#[tokio::test]
async fn a_waiter_gets_what_comes_back() {
    fresh_db(|db| async move {
        let recorded = Arc::new(Recorded::default());
        let recorder = Arc::clone(&recorded);
        let pool = Pool::connect(&config(&db, 1).recorder(recorder)).await.expect("connected");
        let mut lease = pool.acquire().await.expect("the only one");
        let first = backend(&mut lease).await;
        let waiter = tokio::spawn({
            let pool = pool.clone();
            async move { backend(&mut pool.acquire().await.expect("in time")).await }
        });
        eventually("somebody waits", || async { pool.stats().waiting == 1 }).await;
        drop(lease);
        assert_eq!(waiter.await.expect("no panic"), first);
        let stats = pool.stats();
        // The first wait was for the first connection to open.
        assert_eq!((stats.waits, stats.waiting, stats.in_use), (2, 0, 0));
        assert_eq!(recorded.times("db.client.connection.wait_time"), 2);
        assert_eq!(recorded.times("db.client.connection.create_time"), 1);
    })
    .await;
}

#[tokio::test]
async fn min_size_is_opened_at_the_start() {
    fresh_db(|db| async move {
        let pool = Pool::connect(&config(&db, 4).min_size(3)).await.expect("connected");
        assert_eq!((pool.stats().opens, pool.stats().idle), (3, 3));
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_is_checked_and_a_dead_one_replaced() {
    fresh_db(|db| async move {
        let pool = Pool::connect(&config(&db, 1).check_after(Duration::ZERO)).await.expect("connected");
        let first = backend(&mut pool.acquire().await.expect("a lease")).await;
        let again = backend(&mut pool.acquire().await.expect("a lease")).await;
        assert_eq!(first, again, "a live one is kept");
        let mut admin = db.connect().await;
        sqlx::query("SELECT pg_terminate_backend($1, 5000)")
            .bind(first)
            .execute(&mut admin)
            .await
            .expect("ended");
        let other = backend(&mut pool.acquire().await.expect("replaced")).await;
        assert_ne!(first, other);
        assert_eq!((pool.stats().opens, pool.stats().closes), (2, 1));
    })
    .await;
}

#[tokio::test]
async fn an_old_connection_is_replaced() {
    fresh_db(|db| async move {
        let pool =
            Pool::connect(&config(&db, 1).max_lifetime(Duration::from_millis(50))).await.expect("connected");
        let first = backend(&mut pool.acquire().await.expect("a lease")).await;
        eventually("another is lent", || async {
            backend(&mut pool.acquire().await.expect("a lease")).await != first
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_closed_pool_lends_nothing_and_holds_nothing() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        let lease = pool.acquire().await.expect("a lease");
        pool.close_within(Duration::from_millis(10)).await;
        assert!(matches!(pool.acquire().await, Err(Error::Closed)));
        assert!(pool.is_closed());
        // What was out is closed when it comes back.
        drop(lease);
        eventually("all are closed", || async { pool.stats().closes == 1 && pool.stats().idle == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn the_probe_tells_a_busy_pool_from_a_dead_one() {
    fresh_db(|db| async move {
        use db_core::Probe;
        let pool = Pool::connect(&config(&db, 1).acquire_timeout(Duration::from_millis(50)))
            .await
            .expect("connected");
        let probe = PoolProbe::new("postgres", pool.clone());
        assert_eq!(probe.probe().await.status, Status::Healthy);
        let lease = pool.acquire().await.expect("the only one");
        let busy = probe.clone();
        let finding = tokio::spawn(async move { busy.probe().await }).await.expect("no panic");
        assert_eq!(finding.status, Status::Unhealthy);
        assert!(finding.summary.contains("1 of 1 in use"), "{}", finding.summary);
        drop(lease);
        assert_eq!(probe.probe().await.status, Status::Healthy);
    })
    .await;
}

#[tokio::test]
async fn each_waiter_has_its_own_deadline() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let lease = pool.acquire().await.expect("the only one");
        let patient =
            tokio::spawn(pool.acquire_with(AcquireOptions::new().timeout(Duration::from_secs(600))));
        // Long enough not to be worth a timer of its own, and one that is.
        for patience in [Duration::from_millis(1100), Duration::from_millis(50)] {
            let hasty = tokio::spawn(pool.acquire_with(AcquireOptions::new().timeout(patience)));
            let error = hasty.await.expect("no panic").expect_err("nothing comes back");
            assert!(matches!(error, Error::Exhausted { waited, .. } if waited >= patience), "{error}");
        }
        assert_eq!((pool.stats().waiting, pool.stats().timeouts), (1, 2));
        drop(lease);
        patient.await.expect("no panic").expect("served");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_pool_whose_runtime_has_ended() {
    fresh_db(|db| async move {
        let config = config(&db, 1).acquire_timeout(Duration::from_secs(600));
        let (ends, end) = std::sync::mpsc::sync_channel::<()>(1);
        let (gives, given) = tokio::sync::oneshot::channel();
        let runtime = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.expect("a runtime");
            let pool = runtime.block_on(Pool::connect(&config)).expect("connected");
            let lease = runtime.block_on(pool.acquire()).expect("the only one");
            gives.send((pool, lease)).expect("taken");
            end.recv().expect("told");
        });
        let (pool, _lease) = given.await.expect("given");
        let waiter = tokio::spawn(pool.acquire());
        eventually("it waits", || async { pool.stats().waiting == 1 }).await;
        ends.send(()).expect("listens");
        runtime.join().expect("no panic");
        waiter.await.expect("no panic").expect_err("nobody would serve it");
    })
    .await;
}
