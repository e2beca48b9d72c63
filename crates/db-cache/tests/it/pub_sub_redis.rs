//! Channels over Redis Streams: who was away hears what was kept, and of what was not.

use crate::pub_sub::{Listener, listen, narrow, publish, said};
use crate::redis_server::{Server, options, store};
use db_cache::{RedisStore, RedisStreams};
use db_core::{Heard, PubSub, PubSubError};
use db_testkit::{Proxy, eventually, pub_sub_conforms};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const NEVER: Duration = Duration::from_secs(3_600);
pub(crate) const SOON: Duration = Duration::from_millis(200);
/// Of the channel `c`: the lane is its slot by CLUSTER KEYSLOT, 7365, modulo 16.
const KEY: &str = "cairn-channel{5}:c";

pub(crate) fn streams(server: &Server) -> RedisStreams {
    RedisStreams::new(Arc::new(store(server)))
}

/// Streams by way of a proxy, so that they can be cut off.
pub(crate) async fn behind_proxy(server: &Server) -> (Proxy, RedisStreams) {
    let proxy = Proxy::start(("127.0.0.1", server.port())).await;
    let store = RedisStore::new(&options(&format!("redis://{}", proxy.address()))).expect("a store");
    (proxy, RedisStreams::new(Arc::new(store)))
}

/// While others of this thread go on.
async fn until(server: &Server, state: &str, reached: impl Fn(&str) -> bool, command: &[&str]) {
    eventually(state, || async { reached(&server.cli(command)) }).await;
}

async fn publish_all(store: &RedisStreams, numbers: std::ops::Range<u32>) {
    for number in numbers {
        publish(store, "c", &number.to_string()).await;
    }
}

async fn hears_all(listener: &mut Listener, numbers: std::ops::Range<u32>) {
    for number in numbers {
        listener.hears(&[&number.to_string()]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let server = Server::start(&[]);
    let streams = streams(&server).look_every(NEVER);
    pub_sub_conforms(&streams).await;
    let stats = streams.stats();
    assert_eq!((stats.subscriptions, stats.reconnects), (0, 0), "{stats:?}");
    until(&server, "nothing listens any more", |text| !text.contains("cmd=xread"), &["CLIENT", "LIST"]).await;
}

#[tokio::test]
async fn a_short_outage_costs_nothing() {
    let server = Server::start(&[]);
    let ((proxy, away), here) = (behind_proxy(&server).await, streams(&server));
    let mut listener = listen(&away, "c").await;
    publish_all(&here, 0..3).await;
    hears_all(&mut listener, 0..3).await;
    proxy.refuse();
    proxy.reset();
    publish_all(&here, 3..500).await;
    eventually("it knows", || async { away.stats().reconnects > 0 }).await;
    proxy.pass();
    hears_all(&mut listener, 3..500).await;
    assert_eq!((away.stats().gaps, listener.at_once()), (0, None));
}

#[tokio::test]
async fn what_was_trimmed_away_meanwhile_is_a_gap_of_so_many() {
    let server = Server::start(&[]);
    let ((proxy, away), here) = (behind_proxy(&server).await, streams(&server));
    let mut listener = listen(&away, "c").await;
    publish_all(&here, 0..3).await;
    hears_all(&mut listener, 0..3).await;
    proxy.refuse();
    proxy.reset();
    publish_all(&here, 3..50).await;
    assert_ne!(server.cli(&["XTRIM", KEY, "MAXLEN", "=", "10"]), "0");
    proxy.pass();
    listener.hears_a_gap(Some(37)).await;
    hears_all(&mut listener, 40..50).await;
    publish_all(&here, 50..52).await;
    hears_all(&mut listener, 50..52).await;
}

#[tokio::test]
async fn no_more_is_kept_than_was_chosen() {
    let server = Server::start(&["--stream-node-max-entries", "10"]);
    let streams = streams(&server).keeps(NonZeroU32::new(50).expect("not zero"), Duration::from_secs(100));
    publish_all(&streams, 0..200).await;
    let kept: u32 = server.cli(&["XLEN", KEY]).parse().expect("a number");
    assert!((50..70).contains(&kept), "{kept}");
    let seconds: u32 = server.cli(&["TTL", KEY]).parse().expect("a number");
    assert!((90..=100).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn connections_that_are_killed_while_messages_come_cost_none() {
    let server = Server::start(&[]);
    let (away, here) = (streams(&server), streams(&server));
    let mut listener = listen(&away, "c").await;
    for round in 0..10 {
        let before = away.stats().reconnects;
        until(&server, "it waits", |text| text.contains("cmd=xread"), &["CLIENT", "LIST"]).await;
        let clients = server.cli(&["CLIENT", "LIST"]);
        let waits = clients.lines().find(|line| line.contains("cmd=xread")).expect("it waits");
        let id = waits.split_once(' ').and_then(|(id, _)| id.strip_prefix("id=")).expect("an id");
        publish_all(&here, round * 40..round * 40 + 20).await;
        server.cli(&["CLIENT", "KILL", "ID", id]);
        publish_all(&here, round * 40 + 20..round * 40 + 40).await;
        eventually("it knows", || async { away.stats().reconnects > before }).await;
    }
    hears_all(&mut listener, 0..400).await;
    assert_eq!((away.stats().gaps, listener.at_once()), (0, None));
}

#[tokio::test]
async fn what_was_flushed_is_a_gap_even_if_nothing_comes_after_it() {
    let server = Server::start(&[]);
    let streams = streams(&server).look_every(SOON);
    let mut listener = listen(&streams, "c").await;
    publish_all(&streams, 0..3).await;
    hears_all(&mut listener, 0..3).await;
    server.cli(&["FLUSHALL"]);
    listener.hears_a_gap(None).await;
    publish_all(&streams, 3..5).await;
    hears_all(&mut listener, 3..5).await;
}

#[tokio::test]
async fn what_comes_after_a_flush_comes_after_a_gap() {
    let server = Server::start(&[]);
    let streams = streams(&server).look_every(NEVER);
    let mut listener = listen(&streams, "c").await;
    // Before anything was heard, too, and then while it waits for the next message.
    for round in 0..2 {
        server.cli(&["FLUSHALL"]);
        publish_all(&streams, 2 * round..2 * round + 2).await;
        listener.hears_a_gap(None).await;
        hears_all(&mut listener, 2 * round..2 * round + 2).await;
    }
}

/// A clock that was set back makes the new stream's ids lower than those that were heard.
#[tokio::test]
async fn a_stream_that_is_lower_than_what_was_heard_is_noticed() {
    let server = Server::start(&[]);
    let streams = streams(&server).look_every(SOON);
    let mut listener = listen(&streams, "c").await;
    publish_all(&streams, 0..3).await;
    hears_all(&mut listener, 0..3).await;
    server.cli(&[
        "EVAL",
        "redis.call('DEL', KEYS[1]) redis.call('XADD', KEYS[1], '1000-1', 'm', '3')",
        "1",
        KEY,
    ]);
    publish_all(&streams, 4..5).await;
    listener.hears_a_gap(None).await;
    listener.hears(&["3", "4"]).await;
}

#[tokio::test]
async fn a_stream_that_somebody_listens_to_does_not_end() {
    let server = Server::start(&[]);
    let streams = streams(&server).look_every(SOON).keeps(NonZeroU32::MIN, Duration::from_secs(2));
    let mut listener = listen(&streams, "c").await;
    let forgotten = "cairn-channel{0}:forgotten";
    server.cli(&["SET", forgotten, "witness", "PX", "4000"]);
    until(&server, "twice the time has passed", |text| text == "0", &["EXISTS", forgotten]).await;
    publish(&streams, "c", "first").await;
    listener.hears(&["first"]).await;
    drop(listener);
    until(&server, "nobody listens, and it ends", |text| text == "0", &["EXISTS", KEY]).await;
}

#[tokio::test]
async fn one_that_is_too_slow_hears_how_many_it_missed() {
    let server = Server::start(&[]);
    let streams = streams(&server).room(narrow(5));
    let (mut slow, mut quick) = (listen(&streams, "c").await, listen(&streams, "c").await);
    for number in 0..20 {
        publish(&streams, "c", &number.to_string()).await;
        quick.hears(&[&number.to_string()]).await;
    }
    slow.hears_a_gap(Some(15)).await;
    hears_all(&mut slow, 15..20).await;
}

#[tokio::test]
async fn who_waits_asks_nothing() {
    let server = Server::start(&[]);
    let streams = streams(&server).look_every(NEVER);
    let mut listener = listen(&streams, "c").await;
    assert_eq!(listener.at_once(), None);
    let waits = |text: &str| {
        let line = text.lines().find(|line| line.contains("cmd=xread")).unwrap_or_default();
        ["idle=2 ", "idle=3 ", "idle=4 "].iter().any(|idle| line.contains(idle))
    };
    until(&server, "it has said nothing for two seconds", waits, &["CLIENT", "LIST"]).await;
    publish(&streams, "c", "wakes").await;
    listener.hears(&["wakes"]).await;
}

#[tokio::test]
async fn a_key_of_another_kind_is_told() {
    let server = Server::start(&[]);
    server.cli(&["SET", KEY, "text"]);
    let streams = streams(&server);
    let published = streams.publish("c", b"m").await;
    let subscribed = streams.subscribe("c").await.map(drop);
    for refused in [published, subscribed] {
        let told =
            matches!(&refused, Err(PubSubError::Refused { reason, .. }) if reason.starts_with("WRONGTYPE"));
        assert!(told, "{refused:?}");
    }
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let server = Server::start(&[]);
    let store = Arc::new(store(&server));
    let streams = RedisStreams::new(Arc::clone(&store)).look_every(SOON);
    let mut listener = listen(&streams, "c").await;
    for round in 0..3 {
        server.cli(&["SCRIPT", "FLUSH"]);
        let trips = || store.statistics().round_trips;
        let before = trips();
        publish_all(&streams, 2 * round..2 * round + 1).await;
        assert_eq!(trips() - before, 2, "refused by its checksum, and sent in full");
        publish_all(&streams, 2 * round + 1..2 * round + 2).await;
        assert_eq!(trips() - before, 3, "known by its checksum");
    }
    hears_all(&mut listener, 0..6).await;
    assert_eq!(streams.stats().reconnects, 0);
    drop(listener);
    server.cli(&["SCRIPT", "FLUSH"]);
    let before = store.statistics().round_trips;
    listen(&streams, "c").await;
    assert_eq!(store.statistics().round_trips - before, 2, "the same for the other script");
    listen(&streams, "c").await;
    assert_eq!(store.statistics().round_trips - before, 3);
}

#[tokio::test]
async fn a_beginning_of_somebody_else_is_no_message() {
    let server = Server::start(&[]);
    let (one, other) = (streams(&server).look_every(NEVER), streams(&server));
    let mut listener = listen(&one, "c").await;
    server.cli(&["FLUSHALL"]);
    // It finds no stream, and begins one.
    let mut second = listen(&other, "c").await;
    listener.hears_a_gap(None).await;
    publish(&other, "c", "first").await;
    assert_eq!((listener.next().await, second.next().await), (said("first"), said("first")));
    assert_eq!(second.at_once(), None::<Heard>);
}

/// As when it became a replica and a master again between two answers.
#[tokio::test]
async fn another_history_on_the_same_connection_is_a_gap() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let streams = streams(&server).look_every(NEVER);
    let mut listener = listen(&streams, "c").await;
    publish(&streams, "c", "before").await;
    listener.hears(&["before"]).await;
    assert_eq!(server.cli(&["DEBUG", "CHANGE-REPL-ID"]), "OK");
    publish(&streams, "c", "after").await;
    listener.hears_a_gap(None).await;
    listener.hears(&["after"]).await;
    assert_eq!((streams.stats().reconnects, listener.at_once()), (0, None));
}
