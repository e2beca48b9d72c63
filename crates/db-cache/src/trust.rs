//! Whether this process may give out what it keeps without asking: only while it hears of changes.

use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
#[cfg(feature = "postgres")]
use std::time::Duration;
use tokio::time::Instant;

/// Nobody tells of changes, so values have a time of their own here.
const NOBODY_TELLS: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Trust {
    /// Milliseconds since 1970.
    until: AtomicU64,
}

impl Default for Trust {
    fn default() -> Self {
        Self { until: AtomicU64::new(NOBODY_TELLS) }
    }
}

impl Trust {
    /// Until when a value may be given out that nobody has asked the shared store for since `ask_after`.
    pub(crate) fn is_good(&self, ask_after: Instant, now: Instant) -> bool {
        match self.until.load(SeqCst) {
            NOBODY_TELLS => now < ask_after,
            until => clock::millis(now).0 < until,
        }
    }

    /// Whether somebody tells of changes, and has told of all until lately.
    #[cfg(feature = "postgres")]
    pub(crate) fn hears(&self, now: Instant) -> bool {
        let until = self.until.load(SeqCst);
        until != NOBODY_TELLS && clock::millis(now).0 < until
    }

    /// All changes up to `now` are known, and the next ones will be within this time.
    #[cfg(feature = "postgres")]
    pub(crate) fn extend(&self, now: Instant, time: Duration) {
        self.until.store(clock::millis(now).after(time).0, SeqCst);
    }

    /// Changes are told from now on, and none are known yet.
    #[cfg(feature = "postgres")]
    pub(crate) fn end(&self) {
        self.until.store(0, SeqCst);
    }

    /// Changes are not told any more.
    #[cfg(feature = "postgres")]
    pub(crate) fn forget(&self) {
        self.until.store(NOBODY_TELLS, SeqCst);
    }
}
