//! What has come of commands and connections so far.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of one store since it was made, all its servers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisStatistics {
    /// Times that something was sent: several commands in one go count once.
    pub round_trips: u64,
    /// Commands refused at once, without a word to the server.
    pub refused: u64,
    /// Commands whose time was over before there was an answer or a connection.
    pub timeouts: u64,
    /// Connections tried.
    pub connects: u64,
    /// Of those, the ones that did not come about.
    pub failed_connects: u64,
    /// Times that a server was given up.
    pub openings: u64,
    /// Commands sent again, to where a cluster said that their slot is.
    pub redirects: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) round_trips: Count,
    pub(crate) refused: Count,
    pub(crate) timeouts: Count,
    pub(crate) connects: Count,
    pub(crate) failed_connects: Count,
    pub(crate) openings: Count,
    pub(crate) redirects: Count,
}

impl Counts {
    pub(crate) fn read(&self) -> RedisStatistics {
        let read = |count: &Count| count.0.load(Relaxed);
        RedisStatistics {
            round_trips: read(&self.round_trips),
            refused: read(&self.refused),
            timeouts: read(&self.timeouts),
            connects: read(&self.connects),
            failed_connects: read(&self.failed_connects),
            openings: read(&self.openings),
            redirects: read(&self.redirects),
        }
    }
}
