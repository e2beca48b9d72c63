//! How many connections may be opened per second, so that a failover or a restart does not end in a thundering herd.
//! Pure: the clock comes in as an argument.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// How much of the budget may be spent at once.
const BURST: Duration = Duration::from_secs(1);

/// A token bucket that holds one second's worth. It is kept as the one moment at which it will be full again, as the
/// generic cell rate algorithm does (ITU-T I.371, annex A): nothing is counted, nothing is rounded twice.
#[derive(Debug)]
pub(crate) struct Budget {
    /// What one token costs.
    cost: Duration,
    full_at: Option<Instant>,
}

impl Budget {
    /// A full bucket.
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        Self { cost: BURST / per_second.get(), full_at: None }
    }

    /// Takes a token, or says how long to wait before asking again. A refusal costs nothing.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + self.cost;
        let excess = full_at.saturating_duration_since(now).saturating_sub(BURST);
        if !excess.is_zero() {
            return Err(excess);
        }
        self.full_at = Some(full_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use std::{
        num::NonZeroU32,
        time::{Duration, Instant},
    };

    const MS: Duration = Duration::from_millis(1);

    /// Takes at each of these times (ms) from a budget of four per second; an answer is the wait in milliseconds.
    fn check(asked: &[(u32, Result<(), u32>)]) {
        let mut budget = Budget::new(NonZeroU32::new(4).expect("four"));
        let start = Instant::now();
        for &(at, expected) in asked {
            assert_eq!(budget.take(start + MS * at), expected.map_err(|wait| MS * wait), "at {at} ms");
        }
    }

    #[test]
    fn a_second_s_worth_goes_at_once_and_then_one_by_one() {
        let all = Ok(());
        check(&[
            (0, all),
            (0, all),
            (0, all),
            (0, all),
            (0, Err(250)),
            (100, Err(150)),
            (250, all),
            (250, Err(250)),
        ]);
    }

    #[test]
    fn a_rest_fills_it_to_a_second_s_worth_and_no_further() {
        let all = Ok(());
        check(&[(0, all), (60_000, all), (60_000, all), (60_000, all), (60_000, all), (60_000, Err(250))]);
    }

    #[test]
    fn each_rate_lets_exactly_its_number_through() {
        for per_second in [1, 3, 7, 1000] {
            let mut budget = Budget::new(NonZeroU32::new(per_second).expect("not zero"));
            let start = Instant::now();
            let taken = (0..=10_000).map(|at| start + MS * at).flat_map(|now| [now; 3]);
            let taken = taken.filter(|&now| budget.take(now).is_ok()).count();
            assert_eq!(taken, per_second as usize * 11, "one second's worth, and ten seconds of refilling");
        }
    }

    #[test]
    fn waiting_as_told_is_enough() {
        let mut budget = Budget::new(NonZeroU32::new(3).expect("three"));
        let mut now = Instant::now();
        for _ in 0..100 {
            if let Err(wait) = budget.take(now) {
                now += wait;
                assert_eq!(budget.take(now), Ok(()));
            }
        }
    }
}
