//! Values by text key in this process, bounded by weight, of which those stay that are asked for most.
//!
//! W-TinyLFU (Einziger, Friedman, Manes: `TinyLFU`, 2017) in shards, each under a lock of its own that is held for some tens
//! of nanoseconds. Time comes in as an argument. Values are dropped when no lock is held.

mod shard;
mod sketch;
mod slab;
#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use shard::Shard;
use slab::Entry;
use std::hash::{BuildHasher, RandomState};
use std::thread::available_parallelism;
use std::time::Instant;

/// A shard has room for so many of the heaviest at least, so that it is not the shards that decide who goes.
const HEAVIEST_IN_SHARD: usize = 8;
const MOST_SHARDS: usize = 64;
/// Slots that are looked at under one lock when everything is.
const SLOTS_AT_ONCE: u32 = 256;

/// Values of which those stay that are asked for most.
#[derive(Debug)]
pub(crate) struct Lfu<V> {
    /// Seeded, so that nobody outside can choose keys that meet.
    hasher: RandomState,
    shards: Box<[Mutex<Shard<V>>]>,
}

/// What [`Lfu::update`] is to do.
#[derive(Debug)]
pub(crate) enum Change<V> {
    /// Nothing.
    Keep,
    /// Puts it there, whatever was.
    Put { value: V, weight: usize, expires_at: Instant },
    /// Puts it in place of what is there, which has the same weight, for as long as that had left. Nothing where nothing is.
    Replace(V),
}

/// How far a walk through all entries has come.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    shard: usize,
    next: u32,
    /// Of the shard, when the walk came to it.
    end: Option<u32>,
}

/// What has happened since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Entries that went for others.
    pub(crate) evictions: u64,
    /// Entries that were not let in: worth less than those that would have had to go, or heavier than a shard.
    pub(crate) rejections: u64,
    /// Entries that were removed after their time.
    pub(crate) expirations: u64,
}

impl<V: Clone> Lfu<V> {
    /// Never more weight than `capacity`, in parts of which each can hold several of the `heaviest`.
    pub(crate) fn new(capacity: usize, heaviest: usize) -> Self {
        let wanted = available_parallelism().map_or(4, usize::from).saturating_mul(4).next_power_of_two();
        let room = capacity / heaviest.max(1).saturating_mul(HEAVIEST_IN_SHARD);
        let shards = wanted.min(MOST_SHARDS).min(largest_power_of_two(room));
        let share = |at| capacity / shards + usize::from(at < capacity % shards);
        Self {
            hasher: RandomState::new(),
            shards: (0..shards).map(|at| Mutex::new(Shard::new(share(at)))).collect(),
        }
    }

    /// What is under a key and has time left.
    pub(crate) fn get(&self, key: &str, now: Instant) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let mut gone = Vec::new();
        self.shard(hash).lock().get(hash, key, now, &mut gone)
    }

    /// Puts it under a key, whatever was there. It may be gone at once: for good where it is heavier than a shard, and
    /// where others are asked for more.
    pub(crate) fn insert(&self, key: &str, value: V, weight: usize, expires_at: Instant, now: Instant) {
        let hash = self.hasher.hash_one(key);
        let mut gone = Vec::new();
        let put = Entry::new(hash, key, value, weight, expires_at);
        self.shard(hash).lock().insert(hash, put, now, &mut gone);
    }

    /// Shows what is there and does what `change` tells, as one step. It runs under a lock: it should be short, and must not
    /// come back here.
    pub(crate) fn update(&self, key: &str, now: Instant, change: impl FnOnce(Option<&V>) -> Change<V>) {
        let hash = self.hasher.hash_one(key);
        let mut gone = Vec::new();
        self.shard(hash).lock().update(hash, key, now, change, &mut gone);
    }

    /// Tells whether it was there.
    pub(crate) fn remove(&self, key: &str, now: Instant) -> bool {
        let hash = self.hasher.hash_one(key);
        let mut gone = Vec::new();
        self.shard(hash).lock().remove(hash, key, now, &mut gone)
    }

    /// Removes all that is meant and was there when it began; tells how many. What is put meanwhile may go too. `meant` runs
    /// under a lock.
    pub(crate) fn remove_where(&self, now: Instant, mut meant: impl FnMut(&str, &V) -> bool) -> u64 {
        let mut walk = Walk::default();
        std::iter::from_fn(|| self.remove_some(&mut walk, now, &mut meant)).sum()
    }

    /// The same for some entries, where the walk is; `None` when it is at its end.
    pub(crate) fn remove_some(
        &self,
        walk: &mut Walk,
        now: Instant,
        mut meant: impl FnMut(&str, &V) -> bool,
    ) -> Option<u64> {
        let mut gone = Vec::new();
        let mut shard = self.shards.get(walk.shard)?.lock();
        // An entry keeps its slot as long as it lives, so those that were there are below the end that was.
        let end = *walk.end.get_or_insert_with(|| shard.end());
        let to = end.min(walk.next.saturating_add(SLOTS_AT_ONCE));
        let removed = shard.remove_where(walk.next..to, now, &mut meant, &mut gone);
        drop(shard);
        if to == end {
            *walk = Walk { shard: walk.shard + 1, ..Walk::default() };
        } else {
            walk.next = to;
        }
        Some(removed)
    }

    /// How many are held, those included whose time is over and that nobody has met since.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// What they weigh.
    pub(crate) fn weight(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().weight()).sum()
    }

    /// The most that they may weigh.
    pub(crate) fn capacity(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().capacity()).sum()
    }

    /// What has happened since the beginning.
    pub(crate) fn counters(&self) -> Counters {
        self.shards.iter().fold(Counters::default(), |sum, shard| {
            let of = shard.lock().counters();
            Counters {
                evictions: sum.evictions + of.evictions,
                rejections: sum.rejections + of.rejections,
                expirations: sum.expirations + of.expirations,
            }
        })
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<V>> {
        // The table takes the first bits and the last ones.
        &self.shards[(hash >> 40) as usize & (self.shards.len() - 1)]
    }
}

/// Of those that are not more; 1 where there is none.
fn largest_power_of_two(most: usize) -> usize {
    most.checked_ilog2().map_or(1, |log| 1 << log)
}
