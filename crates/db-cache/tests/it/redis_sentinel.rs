//! The master is whoever the Sentinels say, also when that changes.

use crate::redis_server::{Server, get, options, put, refusal};
use db_cache::{RedisAddress, RedisStore};
use db_testkit::eventually;

pub(crate) fn sentinel(of: &Server) -> Server {
    let sentinel = Server::sentinel();
    watch(&sentinel, of);
    sentinel
}

pub(crate) fn watch(sentinel: &Server, master: &Server) {
    sentinel.cli(&["SENTINEL", "REMOVE", "main"]);
    let told = sentinel.cli(&["SENTINEL", "MONITOR", "main", "127.0.0.1", &master.port().to_string(), "1"]);
    assert_eq!(told, "OK");
    sentinel.cli(&["SENTINEL", "SET", "main", "down-after-milliseconds", "300", "failover-timeout", "2000"]);
}

pub(crate) fn store(sentinel: &Server, more: Vec<RedisAddress>) -> RedisStore {
    let options = options(&format!("redis://127.0.0.1:{}", sentinel.port())).sentinel("main", more);
    RedisStore::new(&options).expect("a store")
}

/// A master, and a replica that is in step with it.
pub(crate) fn with_replica() -> (Server, Server) {
    let master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    replica.until("it is in step", |text| text.contains("master_link_status:up"), &["INFO", "replication"]);
    (master, replica)
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left_for_the_new_one() {
    let (old, new) = (Server::start(&[]), Server::start(&[]));
    let sentinel = sentinel(&old);
    let store = store(&sentinel, vec![]);
    put(&store, "key", "old").await.expect("put");
    assert_eq!(old.cli(&["EXISTS", "key"]), "1");

    old.cli(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    watch(&sentinel, &new);
    let reason = refusal(put(&store, "key", "new").await);
    assert!(reason.starts_with("READONLY"), "{reason}");
    eventually("it finds the master", || async { put(&store, "key", "new").await.is_ok() }).await;
    assert_eq!(new.cli(&["EXISTS", "key"]), "1");
    assert_eq!(get(&store, "key").await.expect("get").as_deref(), Some("new"));
    assert_eq!(store.statistics().openings, 0, "nothing was unanswered");
}

#[tokio::test]
async fn a_killed_master_is_followed_by_its_replica() {
    let (mut master, replica) = with_replica();
    let sentinel = sentinel(&master);
    let known = |text: &str| text.contains(&replica.port().to_string());
    sentinel.until("it knows the replica", known, &["SENTINEL", "REPLICAS", "main"]);
    let store = store(&sentinel, vec![]);
    put(&store, "key", "value").await.expect("put");
    replica.until("it has the value", |text| text == "1", &["EXISTS", "key"]);

    master.kill();
    eventually("the replica is the master", || async { put(&store, "key", "after").await.is_ok() }).await;
    assert!(replica.cli(&["ROLE"]).starts_with("master"));
    assert_eq!(get(&store, "key").await.expect("get").as_deref(), Some("after"));
}

#[tokio::test]
async fn one_that_is_no_master_any_more_is_not_taken_for_one() {
    let (old, new) = (Server::start(&[]), Server::start(&[]));
    let sentinel = sentinel(&old);
    old.cli(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    let store = store(&sentinel, vec![]);
    let error = get(&store, "key").await.expect_err("what the Sentinels say is late");
    let told = db_core::with_causes(&error);
    assert!(told.contains("is a replica"), "{told}");
    watch(&sentinel, &new);
    eventually("it finds the master", || async { put(&store, "key", "new").await.is_ok() }).await;
}

#[tokio::test]
async fn a_sentinel_that_is_away_is_passed_over() {
    let master = Server::start(&[]);
    let (mut first, second) = (sentinel(&master), sentinel(&master));
    let store = store(&first, vec![second.address()]);
    first.kill();
    put(&store, "key", "value").await.expect("by the other");
    drop(second);
    drop(first);
    assert_eq!(get(&store, "key").await.expect("what is connected stays").as_deref(), Some("value"));
}

#[tokio::test]
async fn a_master_that_nobody_knows_is_told() {
    let sentinel = Server::sentinel();
    let store = store(&sentinel, vec![]);
    let error = get(&store, "key").await.expect_err("no such master");
    let told = db_core::with_causes(&error);
    assert!(told.contains("main") && told.contains("no such master"), "{told}");
}
