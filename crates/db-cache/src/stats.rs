//! What has happened in a namespace since it was opened.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// What has happened in a namespace since it was opened. Durations are in microseconds.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Fresh values out of this process.
    local_hits,
    /// Fresh values out of the shared store.
    shared_hits,
    /// Times that neither had a fresh one.
    misses,
    /// Old values that were given out.
    stale_hits,
    /// Times that the source was asked.
    loads,
    /// Times that it failed, took too long or panicked.
    load_failures,
    /// How long it took, all loads together.
    load_micros,
    /// Loads that were not begun, as too many were under way.
    sheds,
    /// Callers that waited for a load of another one in this process.
    joined,
    /// Times that a load of another process was waited for.
    awaited,
    /// Values that were not kept, as they were made untrue while they were on their way.
    refused_fills,
    /// Records of the shared store that were of another version or could not be read.
    unreadable,
    /// Times that the shared store failed or was not asked, being known to.
    shared_failures,
    /// Bytes read from the shared store.
    bytes_read,
    /// Bytes written to it.
    bytes_written,
    /// Keys that were made untrue.
    invalidations,
}

impl Stats {
    /// The part of all questions that were answered without waiting for the source; 0 where nobody asked.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        let hits = self.local_hits + self.shared_hits + self.stale_hits;
        let all = hits + self.misses;
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        if all == 0 { 0.0 } else { hits as f64 / all as f64 }
    }

    /// How long a load took in the mean.
    #[must_use]
    pub fn mean_load_time(&self) -> Duration {
        Duration::from_micros(self.load_micros.checked_div(self.loads).unwrap_or_default())
    }
}

/// What answered a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A fresh value of this process.
    Local,
    /// A fresh value of the shared store.
    Shared,
    /// An old value.
    Stale,
    /// Nothing: the source is to be asked.
    Miss,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Adds so many.
pub(crate) fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Relaxed);
}
