//! The rule by which connections age. Pure: the clock comes in as an argument.

use std::time::{Duration, Instant};

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

    /// Whether an idle connection should be closed, when `left` others exist besides it and `kept` are to stay.
    pub(crate) fn surplus(self, idle_since: Instant, now: Instant, left: u32, kept: u32) -> bool {
        left >= kept && now.saturating_duration_since(idle_since) >= self.idle_timeout
    }
}

/// Whether a connection is so near the end of its life that another should take its place: in the last twentieth.
pub(crate) fn ripe(opened: Instant, expires: Instant, now: Instant) -> bool {
    expires.saturating_duration_since(now) <= expires.saturating_duration_since(opened) / 20
}

/// When a connection that is opened now must not be lent any more: connections opened together must not all expire
/// together, so up to a tenth of their life is taken off by `chance`, which is in [0, 1).
pub(crate) fn expiry(opened: Instant, max_lifetime: Duration, chance: f64) -> Instant {
    opened + (max_lifetime - max_lifetime.mul_f64(chance.clamp(0.0, 1.0) / 10.0))
}

#[cfg(test)]
mod tests {
    use super::{Ages, Fitness, expiry, ripe};
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
        assert!(AGES.surplus(start, late, 2, 2));
        assert!(!AGES.surplus(start, late, 1, 2), "it is one of those to keep");
        assert!(!AGES.surplus(start, late - Duration::from_secs(1), 2, 2));
    }

    #[test]
    fn the_last_twentieth_of_a_life_is_ripe() {
        let opened = Instant::now();
        let expires = opened + Duration::from_secs(100);
        assert!(!ripe(opened, expires, opened + Duration::from_secs(94)));
        assert!(ripe(opened, expires, opened + Duration::from_secs(95)));
        assert!(ripe(opened, expires, opened + Duration::from_secs(101)));
    }
}
