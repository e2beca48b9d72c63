//! Whether this process may give out what it keeps without asking: only while it hears of changes.

use crate::clock;
#[cfg(any(feature = "postgres", feature = "redis"))]
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
#[cfg(any(feature = "postgres", feature = "redis"))]
use std::time::Duration;
use tokio::time::Instant;

/// Nobody tells of changes, so values have a time of their own here.
const NOBODY_TELLS: u64 = u64::MAX;

/// Who tells of changes.
#[cfg(any(feature = "postgres", feature = "redis"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    /// The database, of those that its commits make.
    #[cfg(feature = "postgres")]
    Database,
    /// The shared store, of those that it has itself.
    #[cfg(feature = "redis")]
    Store,
}

/// One for each [`Teller`]: all that tell must vouch.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    tellers: [Told; 2],
}

#[derive(Debug)]
struct Told {
    /// Milliseconds since 1970.
    until: AtomicU64,
    /// Who may write that.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    last: Mutex<u64>,
}

/// Leave to vouch, of whoever listens to a teller; void once another listens, or nobody does.
#[cfg(any(feature = "postgres", feature = "redis"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voucher {
    teller: Teller,
    number: u64,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            until: AtomicU64::new(NOBODY_TELLS),
            #[cfg(any(feature = "postgres", feature = "redis"))]
            last: Mutex::new(0),
        }
    }
}

impl Trust {
    /// Whether a value may be given out that nobody has asked the shared store for since `ask_after`.
    pub(crate) fn is_good(&self, ask_after: Instant, now: Instant) -> bool {
        let [database, store] = &self.tellers;
        let vouches = |told: &Told, or: bool| match told.until.load(SeqCst) {
            NOBODY_TELLS => or,
            until => clock::millis(now).0 < until,
        };
        // Of what is put into the store and removed from it without a commit only the store itself tells.
        vouches(database, true) && vouches(store, now < ask_after)
    }
}

#[cfg(any(feature = "postgres", feature = "redis"))]
impl Trust {
    /// Changes are told from now on, and none are known yet. Whoever listened to this teller before has no say any more.
    pub(crate) fn begin(&self, teller: Teller) -> Voucher {
        let told = &self.tellers[teller as usize];
        let mut last = told.last.lock();
        *last += 1;
        told.until.store(0, SeqCst);
        Voucher { teller, number: *last }
    }

    /// Whether this teller tells of changes, and has told of all until lately.
    #[cfg(feature = "postgres")]
    pub(crate) fn hears(&self, teller: Teller, now: Instant) -> bool {
        let until = self.tellers[teller as usize].until.load(SeqCst);
        until != NOBODY_TELLS && clock::millis(now).0 < until
    }

    /// All changes up to `now` are known, and the next ones will be within this time.
    pub(crate) fn extend(&self, voucher: Voucher, now: Instant, time: Duration) {
        self.write(voucher, clock::millis(now).after(time).0);
    }

    /// Changes may go unheard.
    #[cfg(feature = "redis")]
    pub(crate) fn end(&self, voucher: Voucher) {
        self.write(voucher, 0);
    }

    /// Changes are not told for now.
    #[cfg(feature = "redis")]
    pub(crate) fn pause(&self, voucher: Voucher) {
        self.write(voucher, NOBODY_TELLS);
    }

    /// Changes are not told any more. A task that is being aborted may run on for a moment: it has no say from here on.
    pub(crate) fn forget(&self, voucher: Voucher) {
        let told = &self.tellers[voucher.teller as usize];
        let mut last = told.last.lock();
        if *last == voucher.number {
            *last += 1;
            told.until.store(NOBODY_TELLS, SeqCst);
        }
    }

    fn write(&self, voucher: Voucher, until: u64) {
        let told = &self.tellers[voucher.teller as usize];
        let last = told.last.lock();
        if *last == voucher.number {
            told.until.store(until, SeqCst);
        }
    }
}

#[cfg(all(test, feature = "postgres", feature = "redis"))]
mod tests {
    use super::{Teller, Trust};
    use crate::clock;
    use std::time::Duration;
    use tokio::time::Instant;

    const SECOND: Duration = Duration::from_secs(1);

    /// After the clock has begun.
    fn now() -> Instant {
        clock::millis(Instant::now());
        Instant::now()
    }

    #[test]
    fn all_who_tell_must_vouch() {
        let (trust, now) = (Trust::default(), now());
        // Without anybody it is the value's own time.
        let is_good =
            |trust: &Trust| [now - SECOND, now + SECOND].map(|ask_after| trust.is_good(ask_after, now));
        assert_eq!(is_good(&trust), [false, true]);
        let database = trust.begin(Teller::Database);
        assert_eq!(is_good(&trust), [false, false]);
        trust.extend(database, now, SECOND);
        assert_eq!(is_good(&trust), [false, true], "of what is no commit's it does not tell");
        let store = trust.begin(Teller::Store);
        assert_eq!(is_good(&trust), [false, false], "the other does not know yet");
        trust.extend(store, now, 3 * SECOND);
        assert_eq!(is_good(&trust), [true, true]);
        assert!(!trust.is_good(now, now + SECOND), "the smaller time counts");
        trust.extend(database, now, 3 * SECOND);
        trust.end(store);
        assert_eq!(is_good(&trust), [false, false]);
        trust.pause(store);
        assert_eq!(is_good(&trust), [false, true]);
        trust.forget(database);
        assert_eq!(is_good(&trust), [false, true]);
    }

    #[test]
    fn whoever_was_followed_by_another_has_no_say() {
        let (trust, now) = (Trust::default(), now());
        let before = trust.begin(Teller::Store);
        let after = trust.begin(Teller::Store);
        trust.extend(before, now, SECOND);
        assert!(!trust.is_good(now + SECOND, now));
        trust.forget(before);
        assert!(!trust.is_good(now + SECOND, now));
        trust.forget(after);
        trust.end(after);
        assert!(trust.is_good(now + SECOND, now), "it was forgotten");
    }
}
