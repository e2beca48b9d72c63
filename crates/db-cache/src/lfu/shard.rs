//! One part of the cache: who is let in and who must go. Pure; the caller brings the lock, the hash and the time.
//!
//! New entries go through a window, in order of use. What leaves it is a candidate: where there is no room for it, it is let
//! in only if it was asked for more often than all those together that would have to go for it (Einziger, Eytan,
//! Friedman, Manes: Lightweight Robust Size Aware Cache Management, 2022). So a scan flushes the window, and nothing else.
//! Those that are in and are asked for again are protected, up to four fifths of the room.
//!
//! Reading only notes in the entry that it was asked for. What follows from it, in the lists and the sketch, is done by
//! inserts when they come by, as for a clock's second hand: a hit touches no memory but the entry's own.

use super::sketch::Sketch;
use super::slab::{Entry, Region, Slab};
use super::{Change, Counters};
use hashbrown::HashTable;
use std::time::Instant;

/// Slots that an insert looks at for what has expired.
const SWEPT: u32 = 4;
/// Entries that one insert passes over because they were asked for, so that the lock is not held for long.
const CHANCES: u32 = 64;
/// More than the sketch can hold is not noted.
const MOST_ASKED: u8 = 15;

#[derive(Debug)]
pub(super) struct Shard<V> {
    table: HashTable<u32>,
    slab: Slab<V>,
    sketch: Sketch,
    capacity: usize,
    window: usize,
    protected: usize,
    swept_to: u32,
    /// What is left of [`CHANCES`] to the insert that is under way.
    chances: u32,
    counters: Counters,
}

/// What was removed: the caller drops it when the lock is free, as a value's own `drop` may take long.
pub(super) type Gone<V> = Vec<V>;

impl<V: Clone> Shard<V> {
    pub(super) fn new(capacity: usize) -> Self {
        let window = (capacity / 100).max(1);
        let protected = capacity.saturating_sub(window) / 5 * 4;
        Self {
            table: HashTable::new(),
            slab: Slab::new(),
            sketch: Sketch::new(),
            capacity,
            window,
            protected,
            swept_to: 0,
            chances: 0,
            counters: Counters::default(),
        }
    }

    pub(super) fn get(&mut self, hash: u64, key: &str, now: Instant, gone: &mut Gone<V>) -> Option<V> {
        let at = self.live(hash, key, now, gone)?;
        self.note(at);
        Some(self.slab.entry(at).value.clone())
    }

    pub(super) fn insert(&mut self, hash: u64, put: Entry<V>, now: Instant, gone: &mut Gone<V>) {
        self.chances = CHANCES;
        self.sweep(now, gone);
        let held = self.find(hash, &put.key);
        if put.weight > self.capacity || put.expires_at <= now {
            // What it would have replaced must not be seen again.
            gone.extend(held.map(|at| self.take(at)));
            if put.expires_at > now {
                self.counters.rejections += 1;
            }
            gone.push(put.value);
            return;
        }
        if let Some(at) = held {
            gone.push(self.slab.replace(at, put.value, put.weight, put.expires_at));
            self.note(at);
        } else {
            self.add(hash, put, now, gone);
        }
        self.make_room(now, gone);
    }

    /// Shows what is there and does what it is told, before anybody else sees either.
    pub(super) fn update(
        &mut self,
        hash: u64,
        key: &str,
        now: Instant,
        change: impl FnOnce(Option<&V>) -> Change<V>,
        gone: &mut Gone<V>,
    ) {
        let held = self.live(hash, key, now, gone);
        match change(held.map(|at| &self.slab.entry(at).value)) {
            Change::Keep => {}
            Change::Put { value, weight, expires_at } => {
                let put = Entry::new(hash, key, value, weight, expires_at);
                self.insert(hash, put, now, gone);
            }
            Change::Replace(value) => match held {
                Some(at) => {
                    let (weight, expires_at) = (self.slab.entry(at).weight, self.slab.entry(at).expires_at);
                    gone.push(self.slab.replace(at, value, weight, expires_at));
                    self.note(at);
                }
                None => gone.push(value),
            },
        }
    }

    /// Tells whether it was there.
    pub(super) fn remove(&mut self, hash: u64, key: &str, now: Instant, gone: &mut Gone<V>) -> bool {
        let held = self.live(hash, key, now, gone);
        gone.extend(held.map(|at| self.take(at)));
        held.is_some()
    }

    /// Looks at the slots of a range and removes what is meant; tells how many that were not expired.
    pub(super) fn remove_where(
        &mut self,
        slots: std::ops::Range<u32>,
        now: Instant,
        meant: &mut impl FnMut(&str, &V) -> bool,
        gone: &mut Gone<V>,
    ) -> u64 {
        let mut removed = 0;
        for at in slots {
            let Some(entry) = self.slab.get(at) else { continue };
            if entry.expires_at <= now {
                self.expire(at, gone);
            } else if meant(&entry.key, &entry.value) {
                gone.push(self.take(at));
                removed += 1;
            }
        }
        removed
    }

    /// Every slot has a lower number.
    pub(super) fn end(&self) -> u32 {
        self.slab.end()
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn weight(&self) -> usize {
        self.slab.weight()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    fn find(&self, hash: u64, key: &str) -> Option<u32> {
        let slab = &self.slab;
        self.table.find(hash, |at| *slab.entry(*at).key == *key).copied()
    }

    /// The same, where it has not expired; if it has, it is removed.
    fn live(&mut self, hash: u64, key: &str, now: Instant, gone: &mut Gone<V>) -> Option<u32> {
        let at = self.find(hash, key)?;
        if self.slab.entry(at).expires_at <= now {
            self.expire(at, gone);
            return None;
        }
        Some(at)
    }

    fn note(&mut self, at: u32) {
        let asked = &mut self.slab.entry_mut(at).asked;
        *asked = MOST_ASKED.min(*asked + 1);
    }

    /// Tells whether it was asked for since somebody looked; then it is put where entries of its worth are.
    fn spare(&mut self, at: u32) -> bool {
        if !self.was_asked(at) {
            return false;
        }
        if self.slab.region(at) == Region::Window {
            self.slab.move_to(at, Region::Window);
            return true;
        }
        self.slab.move_to(at, Region::Protected);
        while self.slab.weight_of(Region::Protected) > self.protected {
            let Some(oldest) = self.slab.oldest(Region::Protected) else { break };
            let to = if self.was_asked(oldest) { Region::Protected } else { Region::Probation };
            self.slab.move_to(oldest, to);
        }
        true
    }

    /// Brings what was noted into the sketch; tells whether there was anything, while there are chances.
    fn was_asked(&mut self, at: u32) -> bool {
        let entry = self.slab.entry_mut(at);
        let asked = std::mem::take(&mut entry.asked);
        if asked == 0 {
            return false;
        }
        self.sketch.add(entry.hash, asked);
        let chance = self.chances > 0;
        self.chances -= u32::from(chance);
        chance
    }

    fn add(&mut self, hash: u64, put: Entry<V>, now: Instant, gone: &mut Gone<V>) {
        self.sketch.grow_to(self.slab.len() + 1);
        self.sketch.add(hash, 1);
        let fits_the_window = put.weight <= self.window;
        let at = match self.slab.insert(put, Region::Window) {
            Ok(at) => at,
            Err(put) => {
                self.counters.rejections += 1;
                return gone.push(put.value);
            }
        };
        let slab = &self.slab;
        self.table.insert_unique(hash, at, |at| slab.entry(*at).hash);
        if !fits_the_window {
            self.admit(at, now, gone);
        }
    }

    /// What is too much for the window is let in or not; what is too much at all goes.
    fn make_room(&mut self, now: Instant, gone: &mut Gone<V>) {
        while self.slab.weight_of(Region::Window) > self.window {
            let Some(candidate) = self.slab.oldest(Region::Window) else { break };
            if !self.spare(candidate) {
                self.admit(candidate, now, gone);
            }
        }
        self.evict_down(None, gone);
    }

    /// Lets a candidate in if those that must go for it are worth less together; otherwise it goes itself.
    fn admit(&mut self, candidate: u32, now: Instant, gone: &mut Gone<V>) {
        self.slab.move_to(candidate, Region::Probation);
        let worth = self.sketch.estimate(self.slab.entry(candidate).hash);
        let (mut freed, mut cost, mut spared) = (0, 0, false);
        let mut next = self.next_victim(None, candidate);
        while self.slab.weight() > self.capacity + freed {
            let Some(victim) = next else {
                if !spared {
                    break;
                }
                // Those that were spared are at the end now; chances run out, so this ends too.
                (freed, cost, spared) = (0, 0, false);
                next = self.next_victim(None, candidate);
                continue;
            };
            next = self.next_victim(Some(victim), candidate);
            if self.slab.entry(victim).expires_at <= now {
                self.expire(victim, gone);
                continue;
            }
            if self.spare(victim) {
                spared = true;
                continue;
            }
            let entry = self.slab.entry(victim);
            let asked = self.sketch.estimate(entry.hash);
            if asked == 0 {
                // Nobody wants it, whatever becomes of the candidate; so no walk passes it twice.
                self.evict(victim, gone);
            } else {
                freed += entry.weight;
                cost += asked;
                if cost >= worth {
                    self.counters.rejections += 1;
                    return gone.push(self.take(candidate));
                }
            }
        }
        self.evict_down(Some(candidate), gone);
    }

    fn evict_down(&mut self, but: Option<u32>, gone: &mut Gone<V>) {
        while self.slab.weight() > self.capacity {
            let first = self.next_victim(None, but.unwrap_or(u32::MAX));
            let Some(victim) = first.or_else(|| self.slab.oldest(Region::Window)) else { break };
            self.evict(victim, gone);
        }
    }

    /// In the order in which they would have to go: those on probation, then the protected ones, the oldest first.
    fn next_victim(&self, after: Option<u32>, but: u32) -> Option<u32> {
        let (mut region, mut next) = match after {
            None => (Region::Probation, self.slab.oldest(Region::Probation)),
            Some(at) => (self.slab.region(at), self.slab.newer(at)),
        };
        loop {
            match next {
                Some(at) if at == but => next = self.slab.newer(at),
                None if region == Region::Probation => {
                    region = Region::Protected;
                    next = self.slab.oldest(Region::Protected);
                }
                found => return found,
            }
        }
    }

    fn sweep(&mut self, now: Instant, gone: &mut Gone<V>) {
        for _ in 0..SWEPT.min(self.slab.end()) {
            self.swept_to = if self.swept_to >= self.slab.end() { 0 } else { self.swept_to };
            if self.slab.get(self.swept_to).is_some_and(|entry| entry.expires_at <= now) {
                self.expire(self.swept_to, gone);
            }
            self.swept_to += 1;
        }
    }

    fn evict(&mut self, at: u32, gone: &mut Gone<V>) {
        gone.push(self.take(at));
        self.counters.evictions += 1;
    }

    fn expire(&mut self, at: u32, gone: &mut Gone<V>) {
        gone.push(self.take(at));
        self.counters.expirations += 1;
    }

    fn take(&mut self, at: u32) -> V {
        let hash = self.slab.entry(at).hash;
        if let Ok(found) = self.table.find_entry(hash, |found| *found == at) {
            found.remove();
        }
        self.slab.remove(at).value
    }
}
