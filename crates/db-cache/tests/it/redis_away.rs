//! A Redis that is paused, killed, or never was: nobody waits for it twice, and it is found again.

use crate::redis_server::{Server, get, is_unavailable, options, put, store};
use db_cache::RedisStore;
use db_testkit::{Proxy, eventually};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Calls until one is refused without a word to the server; tells how many it took.
async fn refused_at_last(store: &RedisStore) -> u32 {
    for call in 0..50 {
        let refused = store.statistics().refused;
        let began = Instant::now();
        let result = get(store, "key").await;
        assert!(is_unavailable(&result), "{result:?}");
        // The timeout is 250 ms; the rest is for a slow machine.
        assert!(began.elapsed() < Duration::from_secs(2), "call {call} took {:?}", began.elapsed());
        if store.statistics().refused > refused {
            return call;
        }
    }
    panic!("never refused at once: {:?}", store.statistics());
}

/// Whatever is asked now, the server hears nothing of it.
async fn asks_nothing(store: &RedisStore) {
    let before = store.statistics();
    for _ in 0..100 {
        let result = get(store, "key").await;
        assert!(is_unavailable(&result), "{result:?}");
        assert!(is_unavailable(&put(store, "key", "x").await));
    }
    let after = store.statistics();
    assert_eq!(after.round_trips, before.round_trips, "nothing is sent");
    assert_eq!(after.timeouts, before.timeouts, "nothing is waited for");
    assert_eq!(after.refused, before.refused + 200);
}

async fn serves_again(store: &RedisStore) {
    eventually("it serves again, by itself", || async { put(store, "key", "again").await.is_ok() }).await;
    assert_eq!(get(store, "key").await.expect("get").as_deref(), Some("again"));
}

#[tokio::test]
async fn a_paused_one_is_not_waited_for_and_found_again() {
    let server = Server::start(&[]);
    let store = store(&server);
    for _ in 0..3 {
        serves_again(&store).await;
        server.pause();
        assert!(refused_at_last(&store).await <= 5, "five in a row are enough");
        asks_nothing(&store).await;
        server.go_on();
    }
    serves_again(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_callers_each_waits_once() {
    let server = Server::start(&[]);
    let store = store(&server);
    serves_again(&store).await;
    server.pause();
    let calls = futures_util::future::join_all((0..64).map(|_| get(&store, "key"))).await;
    assert!(calls.iter().all(is_unavailable));
    asks_nothing(&store).await;
    server.go_on();
    serves_again(&store).await;
}

#[tokio::test]
async fn a_killed_one_is_found_when_it_is_back() {
    let mut server = Server::start(&[]);
    let store = store(&server);
    serves_again(&store).await;
    server.kill();
    refused_at_last(&store).await;
    asks_nothing(&store).await;
    server.start_again();
    serves_again(&store).await;
}

#[tokio::test]
async fn one_that_restarts_between_two_calls_costs_one_failure_at_most() {
    let mut server = Server::start(&[]);
    let store = store(&server);
    serves_again(&store).await;
    server.kill();
    server.start_again();
    let failed =
        [put(&store, "a", "1").await, put(&store, "b", "1").await].iter().filter(|it| it.is_err()).count();
    assert!(failed <= 1, "{:?}", store.statistics());
    assert_eq!(store.statistics().openings, 0, "one connection that breaks is no reason to give it up");
}

#[tokio::test]
async fn one_that_never_was_is_found_when_it_comes() {
    let mut server = Server::stopped(&[]);
    let store = store(&server);
    assert!(refused_at_last(&store).await <= 1, "there is nothing to connect to");
    asks_nothing(&store).await;
    server.start_again();
    serves_again(&store).await;
}

#[tokio::test]
async fn callers_that_give_up_sooner_are_spared_too() {
    let server = Server::start(&[]);
    let store = store(&server);
    serves_again(&store).await;
    server.pause();
    for _ in 0..20 {
        let _ = timeout(Duration::from_millis(100), get(&store, "key")).await;
    }
    assert!(store.statistics().refused > 0, "{:?}", store.statistics());
    server.go_on();
    serves_again(&store).await;
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_replaced() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(("127.0.0.1", server.port())).await;
    let store = RedisStore::new(&options(&format!("redis://{}", proxy.address()))).expect("a store");
    serves_again(&store).await;
    proxy.silence();
    assert!(is_unavailable(&get(&store, "key").await), "no answer comes");
    proxy.pass();
    // What was silenced stays so, as behind a router that has forgotten a connection.
    serves_again(&store).await;
    let statistics = store.statistics();
    assert!(statistics.connects > 1, "by another connection");
    assert_eq!(statistics.openings, 0, "one that is silent is no reason to give the server up");
}

#[tokio::test]
async fn what_breaks_with_a_connection_is_one_failure() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(("127.0.0.1", server.port())).await;
    let patient = options(&format!("redis://{}", proxy.address())).command_timeout(Duration::from_secs(20));
    let store =
        Arc::new(RedisStore::new(&patient.connect_timeout(Duration::from_secs(20))).expect("a store"));
    serves_again(&store).await;
    let sent = store.statistics().round_trips;
    server.pause();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { get(&store, "key").await })
        })
        .collect();
    eventually("all are under way", || async { store.statistics().round_trips == sent + 64 }).await;
    proxy.reset();
    for call in calls {
        assert!(is_unavailable(&call.await.expect("no panic")));
    }
    server.go_on();
    get(&store, "key").await.expect("over the next connection, at once");
    assert_eq!(store.statistics().openings, 0, "the server was never away");
}

#[test]
fn a_runtime_that_ended_takes_nothing_with_it() {
    let mut server = Server::start(&[]);
    let store = store(&server);
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    runtime().block_on(serves_again(&store));
    runtime().block_on(serves_again(&store));
    server.kill();
    runtime().block_on(async { refused_at_last(&store).await });
    server.start_again();
    runtime().block_on(serves_again(&store));
}
