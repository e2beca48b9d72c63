//! The pool's gauges and counters, exact under cancellation: what a future raises, a guard lowers.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A pool's figures at one moment. Gauges are exact each, but read one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The most connections that may exist.
    pub max_size: u32,
    /// Connections lent out, or being made ready to be lent.
    pub in_use: u32,
    /// Connections ready to be lent.
    pub idle: u32,
    /// Callers waiting for a connection.
    pub waiting: u32,
    /// Leases given since the start.
    pub acquires: u64,
    /// Acquires that had to wait for another caller's return.
    pub waits: u64,
    /// Time spent in those waits, in all.
    pub wait_time: Duration,
    /// Acquires that gave up at their deadline.
    pub timeouts: u64,
    /// Connections opened.
    pub opens: u64,
    /// Attempts to open one that failed.
    pub open_failures: u64,
    /// Connections closed, for whatever reason.
    pub closes: u64,
    /// Connections closed because their last user left them unusable.
    pub discards: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) in_use: AtomicU32,
    pub(crate) waiting: AtomicU32,
    pub(crate) acquires: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) wait_nanos: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) opens: AtomicU64,
    pub(crate) open_failures: AtomicU64,
    pub(crate) closes: AtomicU64,
    pub(crate) discards: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self, max_size: u32, idle: usize) -> Stats {
        Stats {
            max_size,
            in_use: self.in_use.load(Relaxed),
            idle: u32::try_from(idle).unwrap_or(u32::MAX),
            waiting: self.waiting.load(Relaxed),
            acquires: self.acquires.load(Relaxed),
            waits: self.waits.load(Relaxed),
            wait_time: Duration::from_nanos(self.wait_nanos.load(Relaxed)),
            timeouts: self.timeouts.load(Relaxed),
            opens: self.opens.load(Relaxed),
            open_failures: self.open_failures.load(Relaxed),
            closes: self.closes.load(Relaxed),
            discards: self.discards.load(Relaxed),
        }
    }
}

/// Raises a gauge for as long as it lives.
pub(crate) struct Raised<'a>(&'a AtomicU32);

impl<'a> Raised<'a> {
    pub(crate) fn by_one(gauge: &'a AtomicU32) -> Self {
        gauge.fetch_add(1, Relaxed);
        Self(gauge)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
