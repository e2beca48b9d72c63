//! How long to wait after a failure before trying again. Pure: chance comes in as an argument.

use std::time::Duration;

/// Exponential backoff with full jitter: a random part of a span that doubles with each failure. Clients that failed
/// together come back spread over the whole span, which of the variants compared in Marc Brooker's "Exponential Backoff
/// And Jitter" (AWS Architecture Blog, 2015) costs the server the least work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The longest wait after the first failure.
    pub(crate) first: Duration,
    /// The longest wait of all.
    pub(crate) max: Duration,
}

impl Backoff {
    /// The wait after that many failures in a row; `chance` is in [0, 1).
    pub(crate) fn delay(self, failures: u32, chance: f64) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let span = self.first.saturating_mul(2_u32.saturating_pow(doublings)).min(self.max);
        span.mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    fn check(failures: u32, chance: f64, millis: u64) {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(5) };
        let delay = backoff.delay(failures, chance);
        assert_eq!(delay, Duration::from_millis(millis), "{failures} failures, chance {chance}");
    }

    #[test]
    fn the_span_doubles_up_to_its_limit() {
        for (failures, millis) in [(0, 0), (1, 100), (2, 200), (3, 400), (6, 3200), (7, 5000), (8, 5000)] {
            check(failures, 1.0, millis);
        }
        check(u32::MAX, 1.0, 5000);
    }

    #[test]
    fn the_whole_span_is_jittered() {
        for (chance, millis) in [(0.0, 0), (0.25, 100), (0.5, 200), (7.0, 400), (-1.0, 0)] {
            check(3, chance, millis);
        }
    }
}
