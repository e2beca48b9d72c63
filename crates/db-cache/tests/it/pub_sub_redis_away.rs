//! A Redis that is paused, killed or lost: what may have been lost with it is a gap.

use crate::pub_sub::{Listener, listen, publish, said};
use crate::pub_sub_redis::{SOON, behind_proxy, streams};
use crate::redis_server::{Server, options};
use db_cache::{RedisStore, RedisStreams};
use db_core::{Heard, PubSub, PubSubError};
use db_testkit::eventually;
use std::sync::Arc;

/// Tries until it is taken; the message may go out more than once.
async fn publish_at_last(store: &dyn PubSub, message: &str) {
    eventually("it is published", || async { store.publish("c", message.as_bytes()).await.is_ok() }).await;
}

/// Goes on until this is heard; tells what came before it.
async fn until(listener: &mut Listener, text: &str) -> Vec<Heard> {
    let mut before = Vec::new();
    loop {
        let heard = listener.next().await;
        if heard == said(text) {
            return before;
        }
        before.push(heard);
    }
}

#[tokio::test]
async fn one_that_comes_back_without_its_data_is_a_gap() {
    let mut server = Server::start(&[]);
    let streams = streams(&server);
    let mut listener = listen(&streams, "c").await;
    publish(&streams, "c", "before").await;
    listener.hears(&["before"]).await;
    server.kill();
    server.start_again();
    publish_at_last(&streams, "after").await;
    listener.hears_a_gap(None).await;
    listener.hears(&["after"]).await;
}

/// Nobody knows whether it has all that it took.
#[tokio::test]
async fn one_that_comes_back_with_its_data_is_a_gap_after_which_what_it_kept_is_heard() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (proxy, away) = behind_proxy(&server).await;
    let here = streams(&server);
    let mut listener = listen(&away, "c").await;
    publish(&here, "c", "before").await;
    listener.hears(&["before"]).await;
    proxy.refuse();
    proxy.reset();
    publish(&here, "c", "while it was away").await;
    server.kill();
    server.start_again();
    proxy.pass();
    listener.hears_a_gap(None).await;
    listener.hears(&["while it was away"]).await;
    publish_at_last(&here, "after").await;
    assert_eq!(until(&mut listener, "after").await, [], "one gap is enough");
}

#[tokio::test]
async fn one_that_is_paused_is_noticed_and_costs_nothing() {
    let server = Server::start(&[]);
    let streams = streams(&server).look_every(SOON);
    let mut listener = listen(&streams, "c").await;
    for round in 0..2 {
        let first = format!("first {round}");
        publish(&streams, "c", &first).await;
        listener.hears(&[&first]).await;
        let before = streams.stats().reconnects;
        server.pause();
        eventually("it knows", || async { streams.stats().reconnects > before }).await;
        server.go_on();
        publish_at_last(&streams, "after").await;
        assert_eq!(until(&mut listener, "after").await, []);
        let last = format!("last {round}");
        publish_at_last(&streams, &last).await;
        assert!(until(&mut listener, &last).await.iter().all(|heard| *heard == said("after")));
    }
    assert_eq!(streams.stats().gaps, 0);
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_replaced() {
    let server = Server::start(&[]);
    let (proxy, away) = behind_proxy(&server).await;
    let (away, here) = (away.look_every(SOON), streams(&server));
    let mut listener = listen(&away, "c").await;
    publish(&here, "c", "before").await;
    listener.hears(&["before"]).await;
    proxy.silence();
    publish(&here, "c", "into silence").await;
    proxy.pass();
    listener.hears(&["into silence"]).await;
    assert_eq!(away.stats().gaps, 0);
}

#[tokio::test]
async fn one_that_is_away_is_told_at_once_and_nothing_listens() {
    let mut server = Server::start(&[]);
    let streams = streams(&server);
    server.kill();
    let subscribed = streams.subscribe("c").await.map(drop);
    assert!(matches!(&subscribed, Err(PubSubError::Unavailable { .. })), "{subscribed:?}");
    let published = streams.publish("c", b"m").await;
    assert!(matches!(&published, Err(PubSubError::Unavailable { .. })), "{published:?}");
    assert_eq!((streams.stats().subscriptions, streams.stats().published), (0, 0));
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::start(&["--requirepass", "hunter2-right"]);
    let url = format!("redis://:hunter2-wrong@127.0.0.1:{}", server.port());
    let streams = RedisStreams::new(Arc::new(RedisStore::new(&options(&url)).expect("a store")));
    let subscribed = streams.subscribe("c").await.map(drop);
    let error = subscribed.expect_err("the wrong password");
    let shown = format!("{streams:?} {error:?} {}", db_core::with_causes(&error));
    assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_runtime_that_ended_takes_nothing_with_it() {
    let server = Server::start(&[]);
    let streams = streams(&server);
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let mut listener = runtime().block_on(async {
        let mut listener = listen(&streams, "c").await;
        publish(&streams, "c", "first").await;
        listener.hears(&["first"]).await;
        listener
    });
    runtime().block_on(async {
        publish_at_last(&streams, "second").await;
        assert_eq!(until(&mut listener, "second").await, []);
    });
}
