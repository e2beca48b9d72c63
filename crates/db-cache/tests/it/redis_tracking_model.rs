//! Readers and writers of several processes at once, whose connections that are told of changes end at random: whoever has
//! heard of a change is never given what was before it.

use crate::common::{ms, slow};
use crate::redis_server::{Server, options};
use crate::redis_tracking::{Process, SOON, often, untold};
use crate::redis_tracking_loss::kill_trackers;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio::sync::Mutex;

const PROCESSES: usize = 3;
const KEYS: usize = 4;
const READERS: usize = 8;
const WRITERS: usize = 2;
const CHANGES: usize = 150;

struct Model {
    fleet: Vec<Process>,
    /// What the source has under each key: the number of its last change. Written by one at a time.
    source: Vec<AtomicU64>,
    writing: Vec<Mutex<()>>,
    /// The last change of each key whose writer knows that it is done.
    done: Vec<AtomicU64>,
    is_over: AtomicBool,
}

impl Model {
    async fn change(&self) {
        let (process, key) = (self.any_process(), rand::random_range(0..KEYS));
        let writing = self.writing[key].lock().await;
        let number = self.source[key].fetch_add(1, SeqCst) + 1;
        let changed = match rand::random_range(0..4) {
            0 => process.numbers.set(key as u64, number).await,
            _ => process.numbers.delete(key as u64).await,
        };
        changed.expect("the store is there");
        self.done[key].fetch_max(number, SeqCst);
        drop(writing);
        slow(ms(rand::random_range(0..6))).await;
    }

    /// What is read is no older than what was done when all was heard.
    async fn read(self: &Arc<Self>) {
        let (process, key) = (self.any_process(), rand::random_range(0..KEYS));
        let known = self.done[key].load(SeqCst);
        process.hears_all().await;
        for _ in 0..rand::random_range(1..20) {
            let read = match rand::random_range(0..4) {
                0 => process.numbers.get(key as u64).await.expect("a key").map(|number| *number),
                _ => Some(self.load(process, key).await),
            };
            assert!(read.is_none_or(|read| read >= known), "{read:?} was read where {known} was heard of");
            tokio::task::yield_now().await;
        }
    }

    async fn load(self: &Arc<Self>, process: &Process, key: usize) -> u64 {
        let model = Arc::clone(self);
        let load = move || async move {
            let number = model.source[key].load(SeqCst);
            // What is read may be old before it arrives.
            slow(ms(rand::random_range(0..4))).await;
            Ok::<_, io::Error>(Some(number))
        };
        *process
            .numbers
            .get_or_load(key as u64, load)
            .await
            .expect("the source is there")
            .expect("and has it")
    }

    fn any_process(&self) -> &Process {
        &self.fleet[rand::random_range(0..PROCESSES)]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_reads_what_was_before_a_change_that_they_have_heard_of() {
    let server = Server::start(&[]);
    let mut fleet = Vec::new();
    for _ in 0..PROCESSES {
        fleet.push(Process::start(&options(&server.url()), untold(), often()).await);
    }
    let numbers = || (0..KEYS).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
    let model = Arc::new(Model {
        fleet,
        source: numbers(),
        writing: (0..KEYS).map(|_| Mutex::default()).collect(),
        done: numbers(),
        is_over: AtomicBool::new(false),
    });
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let model = Arc::clone(&model);
            tokio::spawn(async move {
                while !model.is_over.load(SeqCst) {
                    model.read().await;
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let model = Arc::clone(&model);
            tokio::spawn(async move {
                for _ in 0..CHANGES {
                    model.change().await;
                }
            })
        })
        .collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        slow(ms(rand::random_range(100..400))).await;
        tokio::task::block_in_place(|| kill_trackers(&server));
    }
    model.is_over.store(true, SeqCst);
    for task in readers.into_iter().chain(writers) {
        tokio::time::timeout(SOON, task).await.expect("it ends").expect("nothing old was read");
    }
    let hits: u64 = model.fleet.iter().map(|process| process.numbers.stats().local_hits).sum();
    let gaps: u64 = model.fleet.iter().map(|process| process.tracking.tracked().gaps).sum();
    assert!(hits > 100 && gaps > 0, "it is a cache still, and was killed: {hits} hits, {gaps} gaps");
}
