//! Redis fails under load, in every way that it has: readers get values, nothing that is old, and it is used again by
//! itself.

use crate::common::{ms, plain, slow};
use crate::redis_cluster::Cluster;
use crate::redis_sentinel::{sentinel, with_replica};
use crate::redis_server::{LONG, Server, options};
use db_cache::{Cache, Error, Namespace, RedisOptions, RedisStore};
use db_testkit::eventually;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio::sync::Mutex;
use tokio::task::block_in_place;

const TASKS: usize = 32;
const KEYS: usize = 16;
/// As long as a fault lasts at least: longer than a command may take.
const A_WHILE: std::time::Duration = ms(600);

fn process(options: &RedisOptions) -> Namespace<u64> {
    let store = Arc::new(RedisStore::new(options).expect("a store"));
    let cache = Cache::builder("app").shared(store).build().expect("a name");
    let mut policy = plain(LONG);
    // Often enough asked for what it has.
    policy.local_ttl = ms(20);
    cache.namespace("number", policy).expect("a policy")
}

struct Load {
    numbers: Namespace<u64>,
    /// What the source has under each key: the number of its last change. Written by one at a time.
    source: Vec<AtomicU64>,
    writing: Vec<Mutex<()>>,
    /// The last change that this process has made, whether the shared store answered or not.
    made: Vec<AtomicU64>,
    is_over: AtomicBool,
    reads: AtomicU64,
    not_removed: AtomicU64,
}

impl Load {
    async fn one(self: &Arc<Self>) {
        let key = rand::random_range(0..KEYS);
        let made = self.made[key].load(SeqCst);
        let read = match rand::random_range(0..10) {
            0..4 => self.numbers.get(key as u64).await.expect("readers get no error").map(|number| *number),
            4..8 => Some(self.load(key).await),
            change => return self.change(key, change == 8).await,
        };
        self.reads.fetch_add(1, SeqCst);
        assert!(read.is_none_or(|read| read >= made), "{read:?} was read where {made} was made");
    }

    async fn load(self: &Arc<Self>, key: usize) -> u64 {
        let load = Arc::clone(self);
        let load = move || async move {
            let number = load.source[key].load(SeqCst);
            // What is read may be old before it arrives.
            slow(ms(rand::random_range(0..3))).await;
            Ok::<_, io::Error>(Some(number))
        };
        let loaded = self.numbers.get_or_load(key as u64, load).await;
        *loaded.expect("readers get no error").expect("the source has it")
    }

    async fn change(&self, key: usize, put: bool) {
        let writing = self.writing[key].lock().await;
        let number = self.source[key].fetch_add(1, SeqCst) + 1;
        let changed = match put {
            true => self.numbers.set(key as u64, number).await,
            false => self.numbers.delete(key as u64).await,
        };
        match changed {
            Ok(()) => {}
            Err(Error::NotRemoved { .. }) => {
                self.not_removed.fetch_add(1, SeqCst);
            }
            Err(error) => panic!("{error:?}"),
        }
        self.made[key].fetch_max(number, SeqCst);
        drop(writing);
    }
}

/// Whatever fails meanwhile; tells how many changes could not be made in the shared store.
async fn under_load(options: &RedisOptions, fault: impl AsyncFnOnce()) -> u64 {
    let numbers = || (0..KEYS).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
    let load = Arc::new(Load {
        numbers: process(options),
        source: numbers(),
        writing: (0..KEYS).map(|_| Mutex::default()).collect(),
        made: numbers(),
        is_over: AtomicBool::new(false),
        reads: AtomicU64::new(0),
        not_removed: AtomicU64::new(0),
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let load = Arc::clone(&load);
            tokio::spawn(async move {
                while !load.is_over.load(SeqCst) {
                    load.one().await;
                    slow(ms(1)).await;
                }
            })
        })
        .collect();
    eventually("the store is used", async || load.numbers.stats().shared_hits > 100).await;
    fault().await;
    // By itself, while the load goes on.
    let (other, number) = (process(options), AtomicU64::new(0));
    eventually("the store is used again", async || {
        let number = number.fetch_add(1, SeqCst);
        load.numbers.set("again", number).await.is_ok()
            && other.get("again").await.expect("readers get no error").as_deref() == Some(&number)
    })
    .await;
    let before = load.numbers.stats().shared_hits;
    eventually("it is read again", async || load.numbers.stats().shared_hits > before + 100).await;
    load.is_over.store(true, SeqCst);
    for task in tasks {
        task.await.expect("every reader had a value, and none an old one");
    }
    assert!(load.reads.load(SeqCst) > 1_000);
    load.not_removed.load(SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_killed_and_started_again() {
    let mut server = Server::start(&[]);
    let options = options(&server.url());
    let not_removed = under_load(&options, async || {
        for _ in 0..3 {
            block_in_place(|| server.kill());
            slow(A_WHILE).await;
            block_in_place(|| server.start_again());
            slow(A_WHILE).await;
        }
    })
    .await;
    assert!(not_removed > 0, "it was felt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_paused_and_goes_on() {
    let server = Server::start(&[]);
    let not_removed = under_load(&options(&server.url()), async || {
        for _ in 0..3 {
            server.pause();
            slow(A_WHILE).await;
            server.go_on();
            slow(A_WHILE).await;
        }
    })
    .await;
    assert!(not_removed > 0, "it was felt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_master_is_killed_and_sentinels_name_another() {
    let (mut master, replica) = with_replica();
    let sentinel = sentinel(&master);
    let known = |text: &str| text.contains(&replica.port().to_string());
    sentinel.until("it knows the replica", known, &["SENTINEL", "REPLICAS", "main"]);
    let options = options(&format!("redis://127.0.0.1:{}", sentinel.port())).sentinel("main", []);
    let not_removed = under_load(&options, async || {
        block_in_place(|| {
            master.kill();
            replica.until("it is the master", |text| text.starts_with("master"), &["ROLE"]);
        });
    })
    .await;
    assert!(not_removed > 0, "it was felt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_a_cluster_is_killed_and_its_replica_takes_over() {
    const TIMEOUT: &str = "1000";
    let mut cluster = Cluster::with_timeout(TIMEOUT);
    let replica = cluster.replica(2, TIMEOUT);
    let options = cluster.options();
    let not_removed = under_load(&options, async || {
        block_in_place(|| {
            cluster.nodes[2].kill();
            replica.until("it is the master", |text| text.starts_with("master"), &["ROLE"]);
        });
    })
    .await;
    assert!(not_removed > 0, "it was felt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_loads_what_it_had() {
    let mut server = Server::start(&["--loading-process-events-interval-bytes", "1024"]);
    let fill = "for i = 1, 2000 do redis.call('SET', 'filler' .. i, string.rep('x', 200)) end";
    server.cli(&["EVAL", fill, "0"]);
    server.cli(&["SAVE"]);
    let options = options(&server.url());
    let not_removed = under_load(&options, async || {
        block_in_place(|| {
            server.kill();
            server.add("--key-load-delay", "500");
            server.spawn();
            server.until("it loads", |text| text.contains("LOADING"), &["PING"]);
        });
        slow(A_WHILE).await;
    })
    .await;
    assert!(not_removed > 0, "it was felt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_no_writes_as_a_replica() {
    let server = Server::start(&[]);
    let not_removed = under_load(&options(&server.url()), async || {
        // Of nobody who is there: what it has it keeps.
        assert_eq!(server.cli(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
        slow(A_WHILE).await;
        assert_eq!(server.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    })
    .await;
    assert!(not_removed > 0, "it was felt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_has_no_memory_left() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let not_removed = under_load(&options(&server.url()), async || {
        assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
        slow(A_WHILE).await;
        assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    })
    .await;
    assert!(not_removed > 0, "it was felt");
}
