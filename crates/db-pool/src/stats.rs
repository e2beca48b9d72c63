//! The pool's gauges and counters at one moment.

use crate::{BreakerState, gate::Census};
use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A pool's figures. Those about connections and callers are of one and the same moment and exact, whatever was
/// cancelled: `in_use + idle + opening` never exceeds `size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The most connections that may ever exist.
    pub max_size: u32,
    /// The most that may exist now; below `max_size` only where the size follows the load.
    pub size: u32,
    /// Connections lent out, or being reset after they came back.
    pub in_use: u32,
    /// Connections ready to be lent.
    pub idle: u32,
    /// Connections being opened.
    pub opening: u32,
    /// Connections outside the limit whose cut query is being stopped.
    pub recovering: u32,
    /// Callers waiting for a connection.
    pub waiting: u32,
    /// Leases given since the start.
    pub acquires: u64,
    /// Of these, the ones that had to wait: for another's return, or for a connection to be opened.
    pub waits: u64,
    /// Time spent in those waits, in all.
    pub wait_time: Duration,
    /// Time that leases were held, in all, the present ones included.
    pub use_time: Duration,
    /// Callers that gave up at their deadline.
    pub timeouts: u64,
    /// Callers turned away at once: the queue was full, or too slow for their deadline.
    pub refusals: u64,
    /// Callers shed from a standing queue.
    pub shed: u64,
    /// Connections opened.
    pub opens: u64,
    /// Attempts to open one that failed.
    pub open_failures: u64,
    /// Connections closed or given away, for whatever reason.
    pub closes: u64,
    /// Connections closed because their last user left them unusable.
    pub discards: u64,
    /// Connections whose session state was reset.
    pub resets: u64,
    /// Open transactions that a reset found and rolled back.
    pub stray_transactions: u64,
    /// Queries that were stopped on the server after their future was dropped.
    pub cancels: u64,
    /// Connections that came back into use after a query on them was cut.
    pub recoveries: u64,
    /// Leases that were reported as held for too long.
    pub leaks: u64,
    /// Statements that took longer than the slow threshold.
    pub slow_statements: u64,
    /// Whether new connections are tried.
    pub breaker: BreakerState,
    /// How often the breaker has opened.
    pub breaker_opens: u64,
    /// Transactions that were run again after a conflict.
    pub transaction_retries: u64,
}

/// What is counted outside the gate; none of it on the hot path.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) recovering: AtomicU32,
    pub(crate) timeouts: AtomicU64,
    pub(crate) opens: AtomicU64,
    pub(crate) open_failures: AtomicU64,
    pub(crate) closes: AtomicU64,
    pub(crate) discards: AtomicU64,
    pub(crate) resets: AtomicU64,
    pub(crate) stray_transactions: AtomicU64,
    pub(crate) cancels: AtomicU64,
    pub(crate) recoveries: AtomicU64,
    pub(crate) leaks: AtomicU64,
    pub(crate) slow_statements: AtomicU64,
    pub(crate) transaction_retries: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self, max_size: u32, census: Census, breaker: (BreakerState, u64)) -> Stats {
        Stats {
            max_size,
            size: census.limit,
            in_use: census.lent,
            idle: census.idle,
            opening: census.opening,
            recovering: self.recovering.load(Relaxed),
            waiting: census.waiting,
            acquires: census.acquires,
            waits: census.waits,
            wait_time: census.waited,
            use_time: census.busy,
            timeouts: self.timeouts.load(Relaxed),
            refusals: census.refused,
            shed: census.shed,
            opens: self.opens.load(Relaxed),
            open_failures: self.open_failures.load(Relaxed),
            closes: self.closes.load(Relaxed),
            discards: self.discards.load(Relaxed),
            resets: self.resets.load(Relaxed),
            stray_transactions: self.stray_transactions.load(Relaxed),
            cancels: self.cancels.load(Relaxed),
            recoveries: self.recoveries.load(Relaxed),
            leaks: self.leaks.load(Relaxed),
            slow_statements: self.slow_statements.load(Relaxed),
            breaker: breaker.0,
            breaker_opens: breaker.1,
            transaction_retries: self.transaction_retries.load(Relaxed),
        }
    }
}

/// Adds one to a counter.
pub(crate) fn tally(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
