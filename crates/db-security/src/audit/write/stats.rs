//! What a writer has done.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) stored: AtomicU64,
    pub(super) spooled: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) refused_of_spool: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Gauges of the spool.
    pub(super) spool_bytes: AtomicU64,
    pub(super) unreadable_files: AtomicU64,
}

impl Counters {
    /// Events that wait no more, however it ended.
    pub(super) fn settled(&self) -> u64 {
        self.stored.load(Relaxed) + self.spooled.load(Relaxed) + self.refused.load(Relaxed)
    }
}

/// What a writer has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterStats {
    /// Events that were taken.
    pub taken: u64,
    /// Events that the database has taken, those from the spool not among them.
    pub stored: u64,
    /// Events that went to the spool.
    pub spooled: u64,
    /// Events that came from the spool into the database.
    pub replayed: u64,
    /// Events that the server refused; their callers were told.
    pub refused: u64,
    /// Events of the spool that the server refused; they are kept in files there that end in `.refused`.
    pub refused_of_spool: u64,
    /// Events that were not taken, as there was no room; their callers were told.
    pub dropped: u64,
    /// Events that were not taken, as they are too large, not valid, or personal without a key, or as the writer has ended; their callers
    /// were told.
    pub rejected: u64,
    /// Attempts to store a batch that failed.
    pub failures: u64,
    /// Events that wait in memory.
    pub waiting: u64,
    /// Bytes of the spool's folder, with the files that are kept for people to look at.
    pub spool_bytes: u64,
    /// Files of the spool that this writer cannot read, such as those for a former master key.
    pub unreadable_files: u64,
}

/// How a writer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Events that were taken and are neither in the database nor in the spool, as there was no time.
    pub lost: u64,
}
