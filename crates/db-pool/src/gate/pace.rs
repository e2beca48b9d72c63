//! How fast a queue moves: what a new waiter can expect, from the hand-overs of the present busy spell.

use std::time::{Duration, Instant};

/// Hand-overs that must have been seen before the pace says anything.
const ENOUGH: u32 = 8;
/// The share of a new sample in the mean, as a divisor: the last dozen hand-overs matter.
const WEIGHT: i64 = 8;

/// The mean time between two hand-overs while somebody waited all along. An idle gate forgets it: the pace of an hour
/// ago says nothing, and neither does one lease that was held for long.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    samples: u32,
    mean_nanos: i64,
}

impl Pace {
    /// A waiter was served; `behind` others still wait.
    pub(crate) fn handed_over(&mut self, now: Instant, behind: usize) {
        if let Some(last) = self.last {
            let gap = i64::try_from(now.saturating_duration_since(last).as_nanos()).unwrap_or(i64::MAX);
            self.mean_nanos =
                if self.samples == 0 { gap } else { self.mean_nanos + (gap - self.mean_nanos) / WEIGHT };
            self.samples = self.samples.saturating_add(1);
        }
        if behind == 0 { *self = Self::default() } else { self.last = Some(now) }
    }

    /// How long a waiter with `ahead` others before it can expect to wait; `None` while too little is known.
    pub(crate) fn expected(&self, ahead: usize) -> Option<Duration> {
        if self.samples < ENOUGH {
            return None;
        }
        let mean = Duration::from_nanos(u64::try_from(self.mean_nanos).unwrap_or(0));
        Some(mean.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX).saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::{Duration, Instant};

    fn moving(hand_overs: u32, gap: Duration) -> Pace {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for number in 0..hand_overs {
            pace.handed_over(start + gap * number, 5);
        }
        pace
    }

    #[test]
    fn says_nothing_before_it_has_seen_enough() {
        assert_eq!(moving(8, Duration::from_millis(10)).expected(0), None);
        assert!(moving(9, Duration::from_millis(10)).expected(0).is_some());
    }

    #[test]
    fn grows_with_those_ahead() {
        let pace = moving(20, Duration::from_millis(10));
        assert_eq!(pace.expected(0), Some(Duration::from_millis(10)));
        assert_eq!(pace.expected(9), Some(Duration::from_millis(100)));
    }

    #[test]
    fn an_empty_queue_forgets() {
        let mut pace = moving(20, Duration::from_millis(10));
        pace.handed_over(Instant::now() + Duration::from_secs(1), 0);
        assert_eq!(pace.expected(9), None);
    }

    #[test]
    fn follows_a_change() {
        let (mut pace, start) =
            (moving(20, Duration::from_secs(1)), Instant::now() + Duration::from_secs(20));
        for number in 0..60 {
            pace.handed_over(start + Duration::from_millis(number), 5);
        }
        assert!(pace.expected(0) < Some(Duration::from_millis(50)), "{pace:?}");
    }
}
