//! Changes are heard of at every master, and when the master is another.

use crate::common::{Source, read};
use crate::redis_cluster::Cluster;
use crate::redis_sentinel::{sentinel, watch, with_replica};
use crate::redis_server::{Server, options};
use crate::redis_tracking::{KEY, Process, SOON, often, untold};
use db_cache::{RedisOptions, Track};
use db_testkit::eventually;

fn by(sentinel: &Server) -> RedisOptions {
    options(&format!("redis://127.0.0.1:{}", sentinel.port())).sentinel("main", [])
}

/// Until a value that was kept is given out of the process.
async fn is_a_cache_again(one: &Process, source: &std::sync::Arc<Source>) {
    eventually("values are kept", async || {
        read(&one.numbers, source).await;
        let hits = one.numbers.stats().local_hits;
        read(&one.numbers, source).await;
        one.numbers.stats().local_hits > hits
    })
    .await;
}

#[tokio::test]
async fn the_next_master_is_heard_when_one_is_killed() {
    let (mut master, replica) = with_replica();
    let sentinel = sentinel(&master);
    let known = |text: &str| text.contains(&replica.port().to_string());
    sentinel.until("it knows the replica", known, &["SENTINEL", "REPLICAS", "main"]);
    let one = Process::start(&by(&sentinel), untold(), often()).await;
    let other = Process::start(&by(&sentinel), untold(), often()).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    one.keeps(&source, 1).await;
    master.kill();
    assert!(one.tracking.has_heard_all(SOON).await, "{:?}", one.tracking);
    assert!(replica.cli(&["ROLE"]).starts_with("master"));
    let tracked = one.tracking.tracked();
    assert!(tracked.gaps == 1 && tracked.losses > 0, "{tracked:?}");
    is_a_cache_again(&one, &source).await;
    let before = read(&one.numbers, &source).await.expect("a value");
    eventually("removed by another", async || other.numbers.delete("k").await.is_ok()).await;
    one.hears_all().await;
    assert!(read(&one.numbers, &source).await.expect("a value") > before);
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_not_believed() {
    let (old, new) = (Server::start(&[]), Server::start(&[]));
    let sentinel = sentinel(&old);
    let one = Process::start(&by(&sentinel), untold(), often()).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    one.keeps(&source, 1).await;
    // It answers still, and tells of nothing.
    old.cli(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    eventually("it is lost", async || one.tracking.tracked().losses > 0).await;
    watch(&sentinel, &new);
    one.hears_all().await;
    assert_eq!(one.tracking.tracked().gaps, 1);
    is_a_cache_again(&one, &source).await;
    let before = source.asked();
    new.cli(&["DEL", KEY]);
    one.hears_all().await;
    assert_eq!(read(&one.numbers, &source).await, Some(before + 1));
}

#[tokio::test]
async fn a_master_that_the_sentinels_left_is_not_believed() {
    let (old, new) = (Server::start(&[]), Server::start(&[]));
    let sentinel = sentinel(&old);
    let one = Process::start(&by(&sentinel), untold(), often()).await;
    // Nobody told the old one.
    watch(&sentinel, &new);
    eventually("it is lost", async || one.tracking.tracked().losses > 0).await;
    one.hears_all().await;
    new.until("it is heard", |text| text.contains("flags=tB"), &["CLIENT", "LIST"]);
    drop(sentinel);
    one.hears_all().await;
    assert_eq!(one.tracking.tracked().losses, 1, "Sentinels that are gone name no other");
}

#[tokio::test]
async fn every_master_of_a_cluster_is_heard() {
    let mut cluster = Cluster::start();
    let one = Process::start(&cluster.options(), untold(), often()).await;
    let other = Process::start(&cluster.options(), untold(), Track::default()).await;
    for key in 0..30_u64 {
        one.numbers.set(key, key).await.expect("the cluster is there");
    }
    for node in &cluster.nodes {
        assert_ne!(node.cli(&["DBSIZE"]), "0", "each has its part");
    }
    let kept = async || {
        let mut kept = Vec::new();
        for key in 0..30_u64 {
            kept.push(one.numbers.get(key).await.expect("a key").map(|value| *value));
        }
        kept
    };
    one.hears_all().await;
    let all: Vec<_> = (0..30).map(Some).collect();
    assert_eq!(kept().await, all);
    let trips = one.store.statistics().round_trips;
    assert_eq!((kept().await, one.store.statistics().round_trips), (all, trips));
    for key in (0..30_u64).step_by(2) {
        other.numbers.delete(key).await.expect("the cluster is there");
    }
    one.hears_all().await;
    let half: Vec<_> = (0..30).map(|key| (key % 2 == 1).then_some(key)).collect();
    assert_eq!(kept().await, half);

    // Of one that is away nobody knows what changes there.
    cluster.nodes[1].kill();
    eventually("nothing is given out unasked", async || {
        let before = one.store.statistics();
        kept().await;
        let after = one.store.statistics();
        after.round_trips + after.refused >= before.round_trips + before.refused + 30
    })
    .await;
    cluster.nodes[1].start_again();
    one.hears_all().await;
    assert_eq!(one.tracking.tracked().gaps, 1);
    eventually("values are kept", async || {
        kept().await;
        let before = one.numbers.stats().local_hits;
        kept().await;
        one.numbers.stats().local_hits > before
    })
    .await;
}
