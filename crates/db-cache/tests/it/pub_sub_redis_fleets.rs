//! Channels over a cluster, and over the master behind Sentinels: each is found where it is, also after it moved.

use crate::pub_sub::{Listener, listen, publish, said};
use crate::pub_sub_redis::{NEVER, SOON};
use crate::redis_cluster::Cluster;
use crate::redis_sentinel::{sentinel, store, watch};
use crate::redis_server::Server;
use db_cache::RedisStreams;
use db_core::{Heard, PubSub};
use db_testkit::{eventually, pub_sub_conforms};
use std::sync::Arc;

fn on(cluster: &Cluster) -> RedisStreams {
    RedisStreams::new(Arc::new(cluster.store()))
}

async fn publish_at_last(streams: &RedisStreams, channel: &str, message: &str) {
    let publish = async || streams.publish(channel, message.as_bytes()).await.is_ok();
    eventually("it is published", publish).await;
}

/// Goes on until this is heard; tells whether there was a gap before.
async fn until(listener: &mut Listener, text: &str) -> bool {
    let mut is_gap = false;
    loop {
        let heard = listener.next().await;
        if heard == said(text) {
            return is_gap;
        }
        is_gap |= matches!(heard, Heard::Gap { .. });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_conforms() {
    let cluster = Cluster::start();
    let streams = on(&cluster).look_every(NEVER);
    pub_sub_conforms(&streams).await;
    assert_eq!(streams.stats().reconnects, 0);
}

#[tokio::test]
async fn channels_are_on_all_nodes_and_few_connections_listen() {
    let cluster = Cluster::start();
    let streams = on(&cluster);
    let mut listeners = Vec::new();
    for number in 0..100 {
        listeners.push(listen(&streams, &format!("channel {number}")).await);
    }
    for number in 0..100 {
        publish(&streams, &format!("channel {number}"), &number.to_string()).await;
    }
    for (number, listener) in listeners.iter_mut().enumerate() {
        listener.hears(&[&number.to_string()]).await;
    }
    assert_eq!(streams.stats().gaps, 0);
    let waits = |text: &str| text.lines().filter(|line| line.contains("cmd=xread")).count();
    let counts =
        || cluster.nodes.iter().map(|node| waits(&node.cli(&["CLIENT", "LIST"]))).collect::<Vec<_>>();
    eventually("all wait", || async { counts().iter().sum::<usize>() == 16 }).await;
    assert!(counts().iter().all(|count| *count > 0), "{:?}", counts());
}

#[tokio::test]
async fn a_channel_whose_node_was_away_is_heard_again() {
    let mut cluster = Cluster::start();
    let streams = on(&cluster).look_every(SOON);
    let mut listeners = Vec::new();
    for number in 0..30 {
        listeners.push(listen(&streams, &format!("channel {number}")).await);
    }
    cluster.nodes[1].kill();
    eventually("it knows", || async { streams.stats().reconnects > 0 }).await;
    cluster.nodes[1].start_again();
    let mut gaps = 0;
    for (number, listener) in listeners.iter_mut().enumerate() {
        publish_at_last(&streams, &format!("channel {number}"), "after").await;
        gaps += usize::from(until(listener, "after").await);
    }
    assert!(gaps > 0 && gaps < 30, "those of one node: {gaps}");
}

/// Its entries go with it, its history does not.
#[tokio::test]
async fn a_channel_that_moved_is_found() {
    let cluster = Cluster::start();
    let streams = on(&cluster).look_every(SOON);
    let mut listener = listen(&streams, "c").await;
    publish(&streams, "c", "before").await;
    listener.hears(&["before"]).await;
    let key = "cairn-channel{5}:c";
    let slot = cluster.nodes[0].cli(&["CLUSTER", "KEYSLOT", key]);
    let has = |node: &Server| node.cli(&["EXISTS", key]) == "1";
    let from = cluster.nodes.iter().position(has).expect("one has it");
    let to = (from + 1) % 3;
    let port = cluster.nodes[to].port().to_string();
    cluster.nodes[to].cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &cluster.id(from)]);
    cluster.nodes[from].cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &cluster.id(to)]);
    assert_eq!(cluster.nodes[from].cli(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]), "OK");
    // First the one that has it now, so that it is believed.
    for node in [to, from, (from + 2) % 3] {
        cluster.nodes[node].cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &cluster.id(to)]);
    }
    publish_at_last(&streams, "c", "after").await;
    assert!(until(&mut listener, "after").await, "another server cannot tell that it has all of them");
    assert_eq!(listener.at_once(), None);
}

#[tokio::test]
async fn a_master_that_was_killed_is_a_gap_and_its_replica_is_listened_to() {
    let mut master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    replica.until("it is in step", |text| text.contains("master_link_status:up"), &["INFO", "replication"]);
    let sentinel = sentinel(&master);
    let known = |text: &str| text.contains(&replica.port().to_string());
    sentinel.until("it knows the replica", known, &["SENTINEL", "REPLICAS", "main"]);
    let streams = RedisStreams::new(Arc::new(store(&sentinel, vec![])));
    let mut listener = listen(&streams, "c").await;
    publish(&streams, "c", "before").await;
    listener.hears(&["before"]).await;
    master.kill();
    publish_at_last(&streams, "c", "after").await;
    assert!(until(&mut listener, "after").await, "it may have taken messages that its replica never saw");
}

/// The numbers of what it lost are given out again, so they tell nothing.
#[tokio::test]
async fn a_replica_that_lagged_is_a_gap() {
    let mut master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    replica.until("it is in step", |text| text.contains("master_link_status:up"), &["INFO", "replication"]);
    let sentinel = sentinel(&master);
    let streams = RedisStreams::new(Arc::new(store(&sentinel, vec![]))).look_every(NEVER);
    let mut listener = listen(&streams, "c").await;
    publish(&streams, "c", "1").await;
    replica.until("it has the first", |text| text == "2", &["XLEN", "cairn-channel{5}:c"]);
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    for lost in ["2", "3"] {
        publish(&streams, "c", lost).await;
    }
    listener.hears(&["1", "2", "3"]).await;
    master.kill();
    watch(&sentinel, &replica);
    for again in ["other 2", "other 3", "other 4"] {
        publish_at_last(&streams, "c", again).await;
    }
    assert!(until(&mut listener, "other 4").await);
}
