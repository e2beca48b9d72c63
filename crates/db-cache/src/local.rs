//! What this process keeps of a namespace, and how nothing untrue gets into it.
//!
//! Whoever fetches a value takes a ticket first. Making a key untrue spoils the tickets that are out for it, so what was
//! read before cannot be put there after. So does hearing that the shared store has something else under it, which may be
//! what the holder of the ticket has put there: so a ticket can be renewed in that, and in that only.

use crate::lfu::{Change, Lfu};
use crate::tags::Marked;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::time::Instant;

/// Keys share marks: two of one mark cost each other a fetch now and then, and no more.
const MARKS: usize = 1024;

/// A value, or the knowledge that there is none, as it is kept here.
#[derive(Debug)]
pub(crate) struct Kept<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) tags: Marked,
    pub(crate) fresh_until: Instant,
    /// From then on the shared store is asked, although it may be fresh.
    pub(crate) ask_after: Instant,
    pub(crate) load_time: Duration,
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), tags: self.tags.clone(), ..*self }
    }
}

/// What is to be kept, and until when at the longest.
#[derive(Debug)]
pub(crate) struct Fill<V> {
    pub(crate) kept: Kept<V>,
    pub(crate) weight: usize,
    pub(crate) until: Instant,
}

impl<V> Fill<V> {
    fn into_change(self) -> Change<Kept<V>> {
        Change::Put { value: self.kept, weight: self.weight, expires_at: self.until.into_std() }
    }
}

/// Leave to keep what is fetched from now on, until the key is made untrue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    stripe: usize,
    spoils: u64,
    changes: u64,
}

impl Ticket {
    /// Whether something that was known when the other was taken came after this one.
    pub(crate) fn is_before(self, other: Self) -> bool {
        self.changes < other.changes
    }
}

/// What has come over the keys of a stripe.
#[derive(Debug, Default)]
struct Mark {
    spoils: AtomicU64,
    changes: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Local<V> {
    entries: Option<Lfu<Kept<V>>>,
    marks: Box<[Mark]>,
    hasher: RandomState,
}

impl<V> Local<V> {
    /// With room for so many bytes; with none it keeps nothing, and tells tickets apart all the same.
    pub(crate) fn new(bytes: usize) -> Self {
        // No entry may take more than an eighth of the room.
        let entries = (bytes > 0).then(|| Lfu::new(bytes, bytes / 64));
        let marks = (0..MARKS).map(|_| Mark::default()).collect();
        Self { entries, marks, hasher: RandomState::new() }
    }

    pub(crate) fn get(&self, key: &str, now: Instant) -> Option<Kept<V>> {
        self.entries.as_ref()?.get(key, now.into_std())
    }

    pub(crate) fn ticket(&self, key: &str) -> Ticket {
        let stripe = self.stripe(key);
        let Mark { spoils, changes } = &self.marks[stripe];
        Ticket { stripe, spoils: spoils.load(SeqCst), changes: changes.load(SeqCst) }
    }

    /// The same for what is fetched from now on, unless the key was made untrue since. What has merely changed is seen.
    pub(crate) fn renewed(&self, ticket: Ticket) -> Ticket {
        Ticket { changes: self.marks[ticket.stripe].changes.load(SeqCst), ..ticket }
    }

    /// Whether the key may have been made untrue since, or changed.
    pub(crate) fn is_spoiled(&self, ticket: Ticket) -> bool {
        let Mark { spoils, changes } = &self.marks[ticket.stripe];
        spoils.load(SeqCst) != ticket.spoils || changes.load(SeqCst) != ticket.changes
    }

    /// Whether the key may have been made untrue since; what has merely changed in the shared store is not.
    pub(crate) fn is_untrue(&self, ticket: Ticket) -> bool {
        self.marks[ticket.stripe].spoils.load(SeqCst) != ticket.spoils
    }

    /// Keeps what was fetched under a ticket, unless that is spoiled; tells whether it was not.
    pub(crate) fn fill(&self, ticket: Ticket, key: &str, fill: Fill<V>, now: Instant) -> bool {
        let Some(entries) = &self.entries else { return !self.is_spoiled(ticket) };
        let mut good = false;
        // Looked at under the lock that whoever makes it untrue must take after spoiling the ticket.
        entries.update(key, now.into_std(), |_| {
            good = !self.is_spoiled(ticket);
            if good { fill.into_change() } else { Change::Keep }
        });
        good
    }

    /// Puts this in the place of the value that was seen when the ticket was taken, if it is still there and the ticket is
    /// good; tells whether it did. Then other tickets are spoiled.
    pub(crate) fn replace(
        &self,
        ticket: Ticket,
        key: &str,
        seen: Option<&Arc<V>>,
        fill: Fill<V>,
        now: Instant,
    ) -> bool {
        let Some(entries) = &self.entries else { return !self.is_spoiled(ticket) };
        let mut good = false;
        entries.update(key, now.into_std(), |there| {
            let there = there.filter(|there| now < there.fresh_until).and_then(|there| there.value.as_ref());
            let is_same = match (there, seen) {
                (Some(there), Some(seen)) => Arc::ptr_eq(there, seen),
                (there, seen) => there.is_none() && seen.is_none(),
            };
            good = is_same && !self.is_spoiled(ticket);
            if !good {
                return Change::Keep;
            }
            // What is on its way was read before this.
            self.marks[ticket.stripe].spoils.fetch_add(1, SeqCst);
            fill.into_change()
        });
        good
    }

    /// Makes a key untrue: what is kept goes, and what is on its way is not kept.
    pub(crate) fn spoil(&self, key: &str, now: Instant) {
        self.marks[self.stripe(key)].spoils.fetch_add(1, SeqCst);
        self.remove(key, now);
    }

    /// The same with all keys.
    pub(crate) fn spoil_all(&self, now: Instant) {
        for mark in &self.marks {
            mark.spoils.fetch_add(1, SeqCst);
        }
        self.remove_all(now);
    }

    /// The shared store has something else under a key: the same, but that tickets can be renewed.
    #[cfg(feature = "redis")]
    pub(crate) fn changed(&self, key: &str, now: Instant) {
        self.marks[self.stripe(key)].changes.fetch_add(1, SeqCst);
        self.remove(key, now);
    }

    /// The same with all keys.
    #[cfg(feature = "redis")]
    pub(crate) fn changed_all(&self, now: Instant) {
        for mark in &self.marks {
            mark.changes.fetch_add(1, SeqCst);
        }
        self.remove_all(now);
    }

    fn remove(&self, key: &str, now: Instant) {
        if let Some(entries) = &self.entries {
            entries.remove(key, now.into_std());
        }
    }

    fn remove_all(&self, now: Instant) {
        if let Some(entries) = &self.entries {
            entries.remove_where(now.into_std(), |_, _| true);
        }
    }

    /// Entries and the bytes that they are taken to have.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.entries.as_ref().map_or((0, 0), |entries| (entries.len(), entries.weight()))
    }

    fn stripe(&self, key: &str) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "any part of a hash is one")]
        let hash = self.hasher.hash_one(key) as usize;
        hash % MARKS
    }
}
