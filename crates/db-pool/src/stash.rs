//! The idle connections, last in first out, and the rule by which they age. Pure: the clock comes in as an argument.

use crate::Live;
use std::time::{Duration, Instant};

/// A connection with its dates.
pub(crate) struct Held {
    pub(crate) live: Box<dyn Live>,
    /// When it must not be lent any more.
    pub(crate) expires: Instant,
    /// When it last came back.
    pub(crate) idle_since: Instant,
}

/// How long a connection may idle, and what happens then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    pub(crate) check_after: Duration,
    pub(crate) idle_timeout: Duration,
}

/// What to do with a connection that is about to be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// Lend it.
    Fresh,
    /// Ask the server first.
    Check,
    /// Close it and take another.
    Expired,
}

impl Ages {
    pub(crate) fn fitness(self, expires: Instant, idle_since: Instant, now: Instant) -> Fitness {
        if now >= expires {
            Fitness::Expired
        } else if now.saturating_duration_since(idle_since) >= self.check_after {
            Fitness::Check
        } else {
            Fitness::Fresh
        }
    }

    /// Whether the longest-idle of `idle` connections should go, when `kept` are to stay.
    pub(crate) fn surplus(self, idle_since: Instant, now: Instant, idle: usize, kept: u32) -> bool {
        idle > kept as usize && now.saturating_duration_since(idle_since) >= self.idle_timeout
    }
}

/// When a connection that is opened now must not be lent any more: connections opened together must not all expire
/// together, so up to a tenth of their life is taken off by `chance`, which is in [0, 1).
pub(crate) fn expiry(opened: Instant, max_lifetime: Duration, chance: f64) -> Instant {
    opened + (max_lifetime - max_lifetime.mul_f64(chance.clamp(0.0, 1.0) / 10.0))
}

/// Idle connections; the one that came back last leaves first, so that the others can age and go.
#[derive(Default)]
pub(crate) struct Stash {
    held: std::collections::VecDeque<Held>,
}

impl Stash {
    pub(crate) fn take(&mut self) -> Option<Held> {
        self.held.pop_back()
    }

    /// Puts one back, and answers with one that has idled for too long, if there is one.
    pub(crate) fn put(&mut self, held: Held, ages: Ages, now: Instant, kept: u32) -> Option<Held> {
        self.held.push_back(held);
        let oldest = self.held.front().map(|held| held.idle_since)?;
        if ages.surplus(oldest, now, self.held.len(), kept) { self.held.pop_front() } else { None }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Ages, Fitness, expiry};
    use std::time::{Duration, Instant};

    const AGES: Ages = Ages { check_after: Duration::from_secs(30), idle_timeout: Duration::from_secs(600) };

    fn check(idle: u64, left: u64, expected: Fitness) {
        let start = Instant::now();
        let now = start + Duration::from_secs(idle);
        let expires = now + Duration::from_secs(left);
        assert_eq!(AGES.fitness(expires, start, now), expected, "idle {idle} s, {left} s to live");
    }

    #[test]
    fn fitness_follows_idleness_and_age() {
        check(0, 100, Fitness::Fresh);
        check(29, 100, Fitness::Fresh);
        check(30, 100, Fitness::Check);
        check(0, 0, Fitness::Expired);
        check(30, 0, Fitness::Expired);
    }

    #[test]
    fn a_life_is_shorter_by_up_to_a_tenth() {
        let (now, life) = (Instant::now(), Duration::from_secs(100));
        for (chance, left) in [(0.0, 100), (0.5, 95), (1.0, 90), (7.0, 90)] {
            assert_eq!(expiry(now, life, chance), now + Duration::from_secs(left), "{chance}");
        }
    }

    #[test]
    fn only_a_surplus_goes() {
        let start = Instant::now();
        let late = start + Duration::from_secs(600);
        assert!(AGES.surplus(start, late, 3, 2));
        assert!(!AGES.surplus(start, late, 2, 2));
        assert!(!AGES.surplus(start, late - Duration::from_secs(1), 3, 2));
    }
}
