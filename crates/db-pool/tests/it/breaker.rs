//! A server that keeps failing is left alone for a while, and callers are told at once.

use crate::{backend, fake_server::FakeServer};
use db_core::{Classify, Retry};
use db_pool::{BreakerConfig, BreakerState, Error, Fault, Pool, PoolConfig};
use db_testkit::{empty_db, eventually};
use std::{num::NonZeroU32, time::Duration};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("not zero")
}

/// A pool that tries once at a time, and whose breaker opens after two failures.
async fn pool(server: &FakeServer, max_size: u32, cooldown: Duration) -> Pool {
    let breaker = BreakerConfig::new().failures(number(2)).cooldown(cooldown, cooldown).expect("valid");
    let config = PoolConfig::from_url(&server.url()).expect("a URL").max_size(number(max_size));
    let config = config.connect_attempts(number(1)).breaker(breaker).acquire_timeout(Duration::from_secs(30));
    Pool::connect(&config).await.expect("connected")
}

/// Leaves the pool without a connection, before a server that has none to give.
async fn starve(pool: &Pool, server: &FakeServer) {
    server.refuse("53300");
    pool.acquire().await.expect("the idle one").close().await;
}

#[tokio::test]
async fn callers_are_refused_at_once_with_the_last_failure() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        let pool = pool(&server, 1, LONG).await;
        starve(&pool, &server).await;
        for _ in 0..2 {
            let error = pool.acquire().await.expect_err("no connection");
            assert!(matches!(error, Error::Connect(_)), "{error:?}");
        }
        let asked = server.asked();
        for _ in 0..3 {
            let error = pool.acquire().await.expect_err("the server is left alone");
            assert!(
                matches!(&error, Error::BreakerOpen { retry_in, last_failure: Some(last) }
                    if *retry_in <= LONG && last.fault == Fault::TooManyConnections),
                "{error:?}"
            );
            assert_eq!(error.retry(), Retry::Safe);
        }
        let stats = pool.stats();
        assert_eq!((stats.breaker, stats.breaker_opens), (BreakerState::Open, 1), "{stats:?}");
        assert_eq!((server.asked(), stats.open_failures), (asked, 2), "nobody asks the server");
        assert_eq!((stats.waiting, stats.opening, stats.in_use), (0, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_probe_that_succeeds_closes_it() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        let pool = pool(&server, 1, Duration::from_millis(1)).await;
        starve(&pool, &server).await;
        let opened_again = || async {
            drop(pool.acquire().await.expect_err("no connection"));
            // The first time by failures in a row, then by probes that fail.
            pool.stats().breaker_opens >= 3
        };
        eventually("probes have failed", opened_again).await;
        assert_ne!(pool.stats().breaker, BreakerState::Closed);
        server.pass();
        eventually("a lease", || async { pool.acquire().await.is_ok() }).await;
        assert_eq!(pool.stats().breaker, BreakerState::Closed);
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_what_is_lent_is_not_told_that_opening_failed() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        let pool = pool(&server, 2, LONG).await;
        server.refuse("53300");
        let mut lease = pool.acquire().await.expect("the idle one");
        let lent = backend(&mut lease).await;
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(
                    async move { backend(&mut pool.acquire().await.expect("what comes back")).await },
                )
            })
            .collect();
        eventually("the breaker is open and all still wait", || async {
            let stats = pool.stats();
            (stats.breaker, stats.opening, stats.waiting) == (BreakerState::Open, 0, 3)
        })
        .await;
        drop(lease);
        for waiter in waiters {
            assert_eq!(waiter.await.expect("served"), lent);
        }
    })
    .await;
}
