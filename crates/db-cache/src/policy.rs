//! How values of a namespace are kept. Pure.

use crate::{Encoding, Error};
use std::time::Duration;

/// Longer times do not fit where times are added.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How values of a namespace are kept, loaded and given out when they are old.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// For how long a value is fresh after it was loaded.
    pub ttl: Duration,
    /// By how much of it a `ttl` is shortened at random, so that values that were loaded together do not end together;
    /// 0 to 1.
    pub jitter: f64,
    /// For how long after that it is given out while it is loaded anew behind the caller's back.
    pub stale_while_revalidate: Duration,
    /// For how long after that it is given out when the source fails, is slow or is not asked. It may be older than a change
    /// that this process has not heard of, being cut off itself; never than one that it has.
    pub stale_if_error: Duration,
    /// How eagerly a fresh value is loaded anew before its time, by one caller in many: 1 is right for most, 0 is never
    /// (`XFetch`: Vattani, Chierichetti, Lowenstein 2015).
    pub early_refresh: f64,
    /// For how long it is known that there is no value; `None` asks the source each time.
    pub negative_ttl: Option<Duration>,
    /// After this a caller is given an old value where there is one, and the load goes on.
    pub soft_timeout: Option<Duration>,
    /// After this a load is given up.
    pub hard_timeout: Duration,
    /// Loads of this namespace that may be under way in this process; further ones are not begun.
    pub max_loads: usize,
    /// How values are written in the shared store.
    pub encoding: Encoding,
    /// Version of the type: raise it when the type changes, and values of before are not found.
    pub schema: u32,
    /// Values from this size on are compressed; `None` compresses none.
    pub compress_from_bytes: Option<usize>,
    /// Room in this process, in bytes; 0 keeps nothing here.
    pub local_bytes: usize,
    /// The longest that a value is given out of this process without asking the shared store, where there is one that does
    /// not tell of what changes in it: Redis does, to [`Cache::track`](crate::Cache::track).
    pub local_ttl: Duration,
}

impl Policy {
    /// Fresh for this long, and for everything else what suits most.
    #[must_use]
    pub fn fresh_for(ttl: Duration) -> Self {
        Self {
            ttl,
            jitter: 0.1,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            early_refresh: 1.0,
            negative_ttl: None,
            soft_timeout: None,
            hard_timeout: Duration::from_secs(10),
            max_loads: 64,
            encoding: Encoding::Json,
            schema: 1,
            compress_from_bytes: Some(4096),
            local_bytes: 16 << 20,
            local_ttl: Duration::from_secs(60),
        }
    }

    pub(crate) fn check(&self, namespace: &str) -> Result<(), Error> {
        let wrong = [
            (self.ttl < Duration::from_millis(1), "ttl must be a millisecond at least"),
            (!(0.0..=1.0).contains(&self.jitter), "jitter must be from 0 to 1"),
            (!self.early_refresh.is_finite() || self.early_refresh < 0.0, "early_refresh must be 0 or more"),
            (self.hard_timeout.is_zero(), "hard_timeout must be more than 0"),
            (
                self.soft_timeout.is_some_and(|soft| soft > self.hard_timeout),
                "soft_timeout must not be over hard_timeout",
            ),
            (self.max_loads == 0, "max_loads must be 1 at least"),
            (
                self.negative_ttl.is_some_and(|ttl| ttl < Duration::from_millis(1)),
                "negative_ttl must be a millisecond at least",
            ),
        ];
        let spans = [
            self.ttl,
            self.stale_while_revalidate,
            self.stale_if_error,
            self.negative_ttl.unwrap_or_default(),
            self.soft_timeout.unwrap_or_default(),
            self.hard_timeout,
            self.local_ttl,
        ];
        let is_too_long = (spans.iter().any(|span| *span > LONGEST), "no time may be over a century");
        match wrong.into_iter().chain([is_too_long]).find(|(is_wrong, _)| *is_wrong) {
            Some((_, reason)) => Err(Error::Policy { namespace: namespace.to_owned(), reason }),
            None => Ok(()),
        }
    }

    /// For how long an old value may still be of use.
    pub(crate) fn stale(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }

    /// A `ttl`, shortened by a number from 0 to 1 drawn at random.
    pub(crate) fn jittered(&self, ttl: Duration, drawn: f64) -> Duration {
        ttl.mul_f64(1.0 - self.jitter * drawn).max(Duration::from_millis(1))
    }

    /// Whether this caller is the one that loads a fresh value anew, `remaining` before its end, by a number over 0 and up
    /// to 1 drawn at random: the longer the load takes, the sooner.
    pub(crate) fn is_early(&self, remaining: Duration, load_time: Duration, drawn: f64) -> bool {
        let head_start = load_time.as_secs_f64() * self.early_refresh * -drawn.ln();
        head_start > 0.0 && head_start >= remaining.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::Policy;
    use std::time::Duration;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn early_refresh_is_likelier_the_nearer_the_end_and_the_longer_the_load() {
        let policy = Policy::fresh_for(ms(1000));
        for (remaining, load, drawn, expected) in [
            (500, 100, 0.5, false),
            (500, 100, 0.001, true),
            (10, 100, 0.5, true),
            (10, 1, 0.5, false),
            (0, 100, 1.0, false),
            (0, 0, 0.5, false),
        ] {
            assert_eq!(
                policy.is_early(ms(remaining), ms(load), drawn),
                expected,
                "{remaining} {load} {drawn}"
            );
        }
        let never = Policy { early_refresh: 0.0, ..policy };
        assert!(!never.is_early(ms(0), ms(100), 0.000_1));
    }

    #[test]
    fn jitter_only_shortens() {
        let policy = Policy { jitter: 0.5, ..Policy::fresh_for(ms(1000)) };
        assert_eq!(policy.jittered(ms(1000), 0.0), ms(1000));
        assert_eq!(policy.jittered(ms(1000), 1.0), ms(500));
        assert_eq!(policy.jittered(ms(1), 1.0), ms(1));
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        let policy = Policy::fresh_for(ms(1000));
        let check = |policy: &Policy| policy.check("user").map_err(|error| error.to_string());
        assert_eq!(check(&policy), Ok(()));
        let soft = Policy { soft_timeout: Some(ms(20_000)), ..policy };
        assert_eq!(
            check(&soft),
            Err("the policy of user cannot be kept: soft_timeout must not be over hard_timeout".to_owned())
        );
        for wrong in [
            Policy { jitter: f64::NAN, ..policy },
            Policy { ttl: ms(0), ..policy },
            Policy { max_loads: 0, ..policy },
            Policy { early_refresh: -1.0, ..policy },
            Policy { local_ttl: Duration::MAX, ..policy },
            Policy { stale_if_error: Duration::MAX, ..policy },
        ] {
            assert!(check(&wrong).is_err(), "{wrong:?}");
        }
    }
}
