//! The place of one shared connection.

use super::{dial::Link, wire::Wire};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// How soon a place is tried again when its connection did not come about, while others serve.
const PUT_OFF: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Lane {
    slot: Mutex<Slot>,
    /// Commands without an answer yet.
    under_way: AtomicUsize,
    answers: AtomicU64,
}

#[derive(Default)]
struct Slot {
    link: Option<Link>,
    /// Tells one connection from the next at the same place.
    number: u64,
    not_before: Option<Instant>,
}

impl Lane {
    pub(crate) fn connection(&self) -> Option<(u64, Arc<Wire>)> {
        let slot = self.slot.lock();
        slot.link.as_ref().map(|link| (slot.number, Arc::clone(&link.wire)))
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.slot.lock().link.is_some()
    }

    /// Whether a connection may be made for it.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let slot = self.slot.lock();
        slot.link.is_none() && slot.not_before.is_none_or(|at| now >= at)
    }

    pub(crate) fn fill(&self, link: Link) {
        let mut slot = self.slot.lock();
        slot.number += 1;
        slot.not_before = None;
        let before = slot.link.replace(link);
        drop(slot);
        drop(before);
    }

    pub(crate) fn put_off(&self, now: Instant) {
        // Half of it is chance: the clients of a server that is full do not come all at once.
        self.slot.lock().not_before = Some(now + PUT_OFF.mul_f64(0.5 + rand::random::<f64>() / 2.0));
    }

    /// Closes that connection, and tells whether it was there still; one that has come after it stays.
    pub(crate) fn remove(&self, number: u64) -> bool {
        let mut slot = self.slot.lock();
        let gone = if slot.number == number { slot.link.take() } else { None };
        drop(slot);
        gone.is_some()
    }

    pub(crate) fn clear(&self) {
        let gone = self.slot.lock().link.take();
        drop(gone);
    }

    /// A command is sent; tells how many answers there have been.
    pub(crate) fn begin(&self) -> u64 {
        self.under_way.fetch_add(1, Relaxed);
        self.answers()
    }

    pub(crate) fn end(&self) {
        self.under_way.fetch_sub(1, Relaxed);
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Relaxed)
    }

    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Relaxed);
    }

    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Relaxed)
    }
}
