//! Three masters on one machine: one answer of many, slots that move, nodes that go.

use crate::redis_server::{LONG, Server, get, is_unavailable, options, put, refusal};
use db_cache::{RedisOptions, RedisStore};
use db_core::{KeyValue, Put, Version};
use db_testkit::{eventually, key_value_conforms};

/// The masters; the first has the first third of the slots, and so on.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

const RANGES: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

impl Cluster {
    pub(crate) fn start() -> Self {
        Self::with_timeout("60000")
    }

    /// A master that is away for so many milliseconds has failed.
    pub(crate) fn with_timeout(millis: &str) -> Self {
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", millis];
        let more = ["--cluster-require-full-coverage", "no"];
        let nodes: Vec<_> = RANGES
            .iter()
            .map(|_| Server::start(&[arguments, [more[0], more[1], "--maxclients", "1000"]].concat()))
            .collect();
        for ((node, (first, last)), epoch) in nodes.iter().zip(RANGES).zip(["1", "2", "3"]) {
            // As redis-cli makes clusters: nodes of one epoch would settle some time later which of them is right about a slot,
            // and that may be the one from which it has just moved.
            assert_eq!(node.cli(&["CLUSTER", "SET-CONFIG-EPOCH", epoch]), "OK");
            assert_eq!(node.cli(&["CLUSTER", "ADDSLOTSRANGE", first, last]), "OK");
            node.cli(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port().to_string()]);
        }
        for node in &nodes {
            let whole = |text: &str| {
                text.contains("cluster_state:ok")
                    && text.contains("cluster_slots_ok:16384")
                    && text.contains("cluster_size:3")
            };
            node.until("the cluster is whole", whole, &["CLUSTER", "INFO"]);
        }
        Self { nodes }
    }

    /// A replica of one of the masters, in step with it.
    pub(crate) fn replica(&self, of: usize, timeout_millis: &str) -> Server {
        let replica = Server::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", timeout_millis]);
        replica.cli(&["CLUSTER", "MEET", "127.0.0.1", &self.nodes[0].port().to_string()]);
        replica.until("it is one of them", |text| text == "OK", &["CLUSTER", "REPLICATE", &self.id(of)]);
        let in_step = |text: &str| text.contains("master_link_status:up");
        replica.until("it is in step", in_step, &["INFO", "replication"]);
        let known = format!(":{}@", replica.port());
        for node in &self.nodes {
            let is_known =
                |text: &str| text.lines().any(|line| line.contains(&known) && line.contains("slave"));
            node.until("it knows the replica", is_known, &["CLUSTER", "NODES"]);
        }
        replica
    }

    pub(crate) fn options(&self) -> RedisOptions {
        let url = format!("redis://127.0.0.1:{}", self.nodes[0].port());
        options(&url).cluster(self.nodes[1..].iter().map(Server::address))
    }

    pub(crate) fn store(&self) -> RedisStore {
        RedisStore::new(&self.options()).expect("a store")
    }

    pub(crate) fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["CLUSTER", "MYID"])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let cluster = Cluster::start();
    let store = cluster.store();
    key_value_conforms(&store).await;
    assert_eq!(store.statistics().redirects, 0, "each key is asked for where it is");
}

#[tokio::test]
async fn of_many_keys_all_go_in_one_round_trip_to_each_node() {
    let cluster = Cluster::start();
    let store = cluster.store();
    put(&store, "first", "connects").await.expect("put");
    let keys: Vec<String> = (0..100).map(|number| format!("key{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let puts: Vec<Put<'_>> =
        keys.iter().map(|key| Put { key, value: key.as_bytes(), version: Version(1), ttl: LONG }).collect();
    let trips = || store.statistics().round_trips;
    let before = trips();
    store.set_multi(&puts).await.expect("set");
    assert_eq!(trips() - before, 3, "set");
    let found = store.get_multi(&keys).await.expect("get");
    for (key, stored) in keys.iter().zip(found) {
        assert_eq!(stored.map(|stored| stored.value), Some(key.as_bytes().to_vec()), "in their order");
    }
    assert_eq!(trips() - before, 6, "get");
    for node in &cluster.nodes {
        assert_ne!(node.cli(&["DBSIZE"]), "0", "each has its part");
    }
    assert_eq!(store.delete_multi(&keys).await.expect("delete"), 100);
    assert_eq!(trips() - before, 9, "delete");

    let together = ["{user}a", "{user}b", "{user}c"];
    store.get_multi(&together).await.expect("get");
    assert_eq!(trips() - before, 10, "what is in one slot is one command");
    store.set_multi(&puts).await.expect("set");
    assert_eq!(store.clear("key").await.expect("clear"), 100, "at every master");
}

/// The slot of `foo`, which the third has.
const SLOT: &str = "12182";

#[tokio::test]
async fn a_slot_that_moves_is_followed() {
    let cluster = Cluster::start();
    let store = cluster.store();
    put(&store, "foo", "before").await.expect("put");
    put(&store, "{foo}stays", "before").await.expect("put");
    let (from, to) = (&cluster.nodes[2], &cluster.nodes[0]);
    assert_eq!(to.cli(&["CLUSTER", "SETSLOT", SLOT, "IMPORTING", &cluster.id(2)]), "OK");
    assert_eq!(from.cli(&["CLUSTER", "SETSLOT", SLOT, "MIGRATING", &cluster.id(0)]), "OK");
    assert_eq!(from.cli(&["MIGRATE", "127.0.0.1", &to.port().to_string(), "foo", "0", "2000"]), "OK");

    assert_eq!(get(&store, "foo").await.expect("asked out of turn").as_deref(), Some("before"));
    put(&store, "foo", "while").await.expect("written out of turn");
    assert_eq!(to.cli(&["CLUSTER", "COUNTKEYSINSLOT", SLOT]), "1");
    let redirects = store.statistics().redirects;
    assert!(redirects >= 2, "each of them was sent on");
    let both = store.get_multi(&["foo", "bar"]).await.expect("some of several are sent on");
    assert_eq!(both.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    // Its keys are in two places, and no node has both.
    let reason = refusal(store.get_multi(&["foo", "{foo}stays"]).await);
    assert!(reason.starts_with("TRYAGAIN"), "{reason}");

    from.cli(&["MIGRATE", "127.0.0.1", &to.port().to_string(), "{foo}stays", "0", "2000"]);
    for node in &cluster.nodes {
        assert_eq!(node.cli(&["CLUSTER", "SETSLOT", SLOT, "NODE", &cluster.id(0)]), "OK");
    }
    // What nodes hear from each other about the time before may contradict it once more.
    to.until("it knows that it has the slot", |text| text == "1", &["EXISTS", "foo"]);
    let moved = format!("MOVED {SLOT} {}", to.address());
    from.until("it knows who has the slot", |text| text.contains(&moved), &["EXISTS", "foo"]);
    let both = store.get_multi(&["foo", "{foo}stays"]).await.expect("at its new place");
    assert!(both.iter().all(Option::is_some));
    assert_eq!(store.increment("{foo}n", 3, LONG).await.expect("increment"), 3);
    eventually("what moved is known", || async {
        let before = store.statistics().redirects;
        get(&store, "foo").await.expect("get");
        store.statistics().redirects == before
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_away_takes_its_keys_only() {
    let mut cluster = Cluster::start();
    let store = cluster.store();
    // By CLUSTER KEYSLOT: 12182, 5061.
    let (lost, served) = ("foo", "bar");
    put(&store, lost, "value").await.expect("put");
    put(&store, served, "value").await.expect("put");
    cluster.nodes[2].pause();
    for _ in 0..20 {
        assert!(is_unavailable(&get(&store, lost).await));
        assert_eq!(get(&store, served).await.expect("of another node").as_deref(), Some("value"));
    }
    let statistics = store.statistics();
    assert!(statistics.refused >= 10 && statistics.timeouts <= 10, "not waited for again: {statistics:?}");
    assert!(is_unavailable(&store.get_multi(&[lost, served]).await), "one answer for all of them");
    cluster.nodes[2].go_on();
    eventually("it is found again", || async { get(&store, lost).await.is_ok() }).await;

    cluster.nodes[2].kill();
    eventually("gone", || async { get(&store, lost).await.is_err() }).await;
    assert_eq!(get(&store, served).await.expect("of another node").as_deref(), Some("value"));
    cluster.nodes[2].start_again();
    eventually("it is found again", || async { put(&store, lost, "again").await.is_ok() }).await;
}

#[tokio::test]
async fn a_seed_that_is_away_is_passed_over() {
    let mut cluster = Cluster::start();
    cluster.nodes[0].kill();
    let store = cluster.store();
    eventually("by the others", || async { put(&store, "foo", "value").await.is_ok() }).await;
}

#[tokio::test]
async fn a_slot_that_nobody_has_is_told() {
    let cluster = Cluster::start();
    let store = cluster.store();
    put(&store, "foo", "value").await.expect("put");
    for node in &cluster.nodes {
        node.cli(&["CLUSTER", "DELSLOTS", SLOT]);
    }
    eventually("told", || async { get(&store, "foo").await.is_err() }).await;
    let reason = refusal(get(&store, "foo").await);
    assert!(reason.starts_with("CLUSTERDOWN"), "{reason}");
    put(&store, "bar", "value").await.expect("others are there");
    assert_eq!(store.statistics().openings, 0, "it answers");
}

#[tokio::test]
async fn a_single_server_is_no_cluster() {
    let server = Server::start(&[]);
    let url = format!("redis://127.0.0.1:{}", server.port());
    let store = RedisStore::new(&options(&url).cluster([])).expect("a store");
    for _ in 0..3 {
        let reason = refusal(get(&store, "key").await);
        assert!(reason.contains("cluster support disabled"), "{reason}");
    }
}
