//! What changes in Redis, heard of by every process, and what a process hears of its own writes.

use crate::common::{Source, ms, plain, read};
use crate::redis_server::{LONG, Server, options};
use db_cache::{Cache, Namespace, Policy, RedisOptions, RedisStore, Track, Tracking};
use db_testkit::eventually;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The key that tests read, as Redis has it.
pub(crate) const KEY: &str = "app:number:k";

/// A process with a store of its own, that tracks.
pub(crate) struct Process {
    pub(crate) cache: Cache,
    pub(crate) numbers: Namespace<u64>,
    pub(crate) store: Arc<RedisStore>,
    pub(crate) tracking: Tracking,
}

impl Process {
    pub(crate) async fn start(options: &RedisOptions, policy: Policy, how: Track) -> Self {
        let process = Self::begin(options, policy, how);
        assert!(process.tracking.is_tracking(SOON).await, "{:?}", process.tracking);
        process
    }

    /// One that may not track yet.
    pub(crate) fn begin(options: &RedisOptions, policy: Policy, how: Track) -> Self {
        let store = Arc::new(RedisStore::new(options).expect("a store"));
        let cache = Cache::builder("app").shared(Arc::clone(&store) as _).build().expect("a name");
        let numbers = cache.namespace("number", policy).expect("a policy");
        let tracking = cache.track(&store, how);
        Self { cache, numbers, store, tracking }
    }

    pub(crate) async fn hears_all(&self) {
        assert!(self.tracking.has_heard_all(SOON).await, "{:?}", self.tracking);
    }

    /// The value is in this process, and is given out of it: one fetch is enough after what was heard last.
    pub(crate) async fn keeps(&self, source: &Arc<Source>, value: u64) {
        self.hears_all().await;
        let asked = source.asked();
        assert_eq!(read(&self.numbers, source).await, Some(value));
        let (hits, trips) = (self.numbers.stats().local_hits, self.store.statistics().round_trips);
        for _ in 0..10 {
            assert_eq!(read(&self.numbers, source).await, Some(value));
        }
        assert_eq!(self.numbers.stats().local_hits, hits + 10, "{:?}", self.numbers.stats());
        assert_eq!((self.store.statistics().round_trips, source.asked()), (trips, asked));
    }
}

/// A policy by which nothing is given out of a process unasked, but for tracking.
pub(crate) fn untold() -> Policy {
    let mut policy = plain(LONG);
    policy.local_ttl = Duration::ZERO;
    policy
}

/// Asks so often that a test need not wait.
pub(crate) fn often() -> Track {
    let mut how = Track::default();
    (how.ask_every, how.trust_for) = (ms(20), ms(500));
    how
}

async fn two(server: &Server) -> (Process, Process) {
    let options = options(&server.url());
    (
        Process::start(&options, untold(), Track::default()).await,
        Process::start(&options, untold(), Track::default()).await,
    )
}

#[tokio::test]
async fn what_another_process_changes_is_heard_of() {
    let server = Server::start(&[]);
    let (one, other) = two(&server).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    for value in [1, 2, 3] {
        one.keeps(&source, value).await;
        other.keeps(&source, value).await;
        one.numbers.delete("k").await.expect("the store is there");
        other.hears_all().await;
        assert_eq!(read(&other.numbers, &source).await, Some(value + 1));
    }
    other.keeps(&source, 4).await;
    one.numbers.set("k", 50).await.expect("the store is there");
    other.keeps(&source, 50).await;
    assert_eq!(one.numbers.clear().await.expect("the store is there"), 1);
    other.hears_all().await;
    assert_eq!(read(&other.numbers, &source).await, Some(5));
    let tracked = other.tracking.tracked();
    assert!(tracked.heard >= 6 && tracked.gaps == 0 && tracked.losses == 0, "{tracked:?}");
}

#[tokio::test]
async fn what_anybody_does_to_redis_is_heard_of() {
    let server = Server::start(&[]);
    let (one, _) = two(&server).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    let removals: [&[&str]; 4] =
        [&["DEL", KEY], &["FLUSHALL"], &["FLUSHDB", "ASYNC"], &["RENAME", KEY, "else"]];
    for (removal, value) in removals.iter().zip(1..) {
        one.keeps(&source, value).await;
        server.cli(removal);
        one.hears_all().await;
        assert_eq!(read(&one.numbers, &source).await, Some(value + 1), "{removal:?}");
    }
    one.keeps(&source, 5).await;
    assert_eq!(server.cli(&["PEXPIRE", KEY, "300"]), "1");
    eventually("it has expired", async || read(&one.numbers, &source).await == Some(6)).await;
}

#[tokio::test]
async fn what_somebody_else_puts_under_a_key_of_ours_holds_nobody_up() {
    let server = Server::start(&[]);
    let (one, _) = two(&server).await;
    let source = Source::new();
    let foreign: [&[&str]; 3] = [&["SET", KEY, "text"], &["LPUSH", KEY, "x"], &["SET", KEY, "7"]];
    for (put, value) in foreign.iter().zip(1..) {
        server.cli(&["DEL", KEY]);
        server.cli(put);
        one.hears_all().await;
        let trips = one.store.statistics().round_trips;
        assert_eq!(read(&one.numbers, &source).await, Some(value), "{put:?}");
        assert!(one.store.statistics().round_trips < trips + 30, "it is not asked again and again");
    }
    server.cli(&["DEL", KEY]);
    one.hears_all().await;
    assert_eq!(read(&one.numbers, &source).await, Some(4));
    one.keeps(&source, 4).await;
}

#[tokio::test]
async fn keys_of_others_are_none_of_ours() {
    let server = Server::start(&[]);
    let (one, _) = two(&server).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    one.keeps(&source, 1).await;
    let heard = one.tracking.tracked().heard;
    for key in ["other:number:k", "application:number:k", "k"] {
        assert_eq!(server.cli(&["SET", key, "x"]), "OK");
    }
    one.keeps(&source, 1).await;
    assert_eq!(one.tracking.tracked().heard, heard);
    for key in ["app:other:k", "app:number:other", "app:"] {
        assert_eq!(server.cli(&["SET", key, "x"]), "OK");
    }
    one.keeps(&source, 1).await;
    assert_eq!(one.tracking.tracked().heard, heard + 3);
}

fn reads(process: &Process, source: &Arc<Source>, count: usize) -> Vec<JoinHandle<Option<u64>>> {
    let one = || {
        let (numbers, source) = (process.numbers.clone(), Arc::clone(source));
        tokio::spawn(async move { read(&numbers, &source).await })
    };
    (0..count).map(|_| one()).collect()
}

#[tokio::test]
async fn a_load_does_not_defeat_itself() {
    let server = Server::start(&[]);
    let (one, other) = two(&server).await;
    let source = Source::new();
    source.hold();
    let mut callers = reads(&one, &source, 50);
    source.was_asked(1).await;
    // Its lease has been told of, and once more as it was renewed.
    eventually("the lease is renewed", async || one.tracking.tracked().heard >= 2).await;
    callers.extend(reads(&one, &source, 50));
    callers.extend(reads(&other, &source, 50));
    eventually("all wait", async || one.numbers.stats().joined + other.numbers.stats().joined == 148).await;
    source.let_go();
    for value in join_all(callers).await {
        assert_eq!(value.expect("no panic"), Some(1));
    }
    one.keeps(&source, 1).await;
    other.keeps(&source, 1).await;
    assert_eq!((source.asked(), one.numbers.stats().loads + other.numbers.stats().loads), (1, 1));
}

#[tokio::test]
async fn whoever_has_heard_of_a_change_gets_nothing_of_a_load_from_before() {
    let server = Server::start(&[]);
    let (one, other) = two(&server).await;
    let source = Source::new();
    source.hold();
    let before = reads(&one, &source, 1);
    source.was_asked(1).await;
    other.numbers.delete("k").await.expect("the store is there");
    one.hears_all().await;
    let after = reads(&one, &source, 3);
    eventually("they wait", async || one.numbers.stats().joined == 3).await;
    source.let_go();
    assert_eq!(join_all(before).await[0].as_ref().expect("no panic"), &Some(1), "it asked before");
    for value in join_all(after).await {
        assert_eq!(value.expect("no panic"), Some(2));
    }
    one.keeps(&source, 2).await;
}

#[tokio::test]
async fn what_a_source_does_not_have_is_loaded_once_for_all_who_wait() {
    let server = Server::start(&[]);
    let (one, _) = two(&server).await;
    let (source, none) = (Source::new(), async |source: Arc<Source>| source.ask().await.map(|_| None::<u64>));
    source.hold();
    let callers = async |count| {
        let reads = (0..count).map(|_| {
            let source = Arc::clone(&source);
            one.numbers.get_or_load("k", move || none(source))
        });
        join_all(reads).await
    };
    let late = async {
        source.was_asked(1).await;
        eventually("its lease is told of", async || one.tracking.tracked().heard >= 1).await;
        let late = callers(10);
        let freed = async {
            eventually("all wait", async || one.numbers.stats().joined == 19).await;
            source.let_go();
        };
        tokio::join!(late, freed).0
    };
    let (early, late) = tokio::join!(callers(10), late);
    for value in early.into_iter().chain(late) {
        assert_eq!(value.expect("loaded"), None);
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn without_the_guard_values_have_a_time_of_their_own_again() {
    let server = Server::start(&[]);
    let (one, _) = two(&server).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    one.keeps(&source, 1).await;
    let Process { numbers, store, tracking, cache, .. } = one;
    drop(tracking);
    for _ in 0..3 {
        let before = store.statistics().round_trips;
        assert_eq!(read(&numbers, &source).await, Some(1));
        assert!(store.statistics().round_trips > before, "it asks each time");
    }
    server.until("its connection is closed", |text| !text.contains("cmd=ping"), &["CLIENT", "LIST"]);

    let tracking = cache.track(&store, Track::default());
    let again = Process { numbers, store, tracking, cache };
    again.keeps(&source, 1).await;
    server.cli(&["DEL", KEY]);
    again.hears_all().await;
    assert_eq!(read(&again.numbers, &source).await, Some(2));
}

#[tokio::test]
async fn whoever_tracks_once_more_takes_over() {
    let server = Server::start(&[]);
    let (one, _) = two(&server).await;
    let source = Source::new();
    let Process { numbers, store, tracking: first, cache } = one;
    let second = cache.track(&store, Track::default());
    assert!(second.is_tracking(SOON).await);
    drop(first);
    let one = Process { numbers, store, tracking: second, cache };
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    one.keeps(&source, 1).await;
    server.cli(&["DEL", KEY]);
    one.hears_all().await;
    assert_eq!(read(&one.numbers, &source).await, Some(2));
}
