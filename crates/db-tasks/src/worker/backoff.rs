//! How long to wait before the next attempt: twice as long each time, with jitter. Pure.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// After the attempt of this number, from 1: between half of the step and all of it, by `chance` in [0, 1).
pub(crate) fn delay(attempt: i32, chance: f64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(16);
    let step = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    step.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::delay;
    use std::time::Duration;

    #[test]
    fn doubles_up_to_a_limit() {
        for (attempt, chance, expected_ms) in [
            (1, 0.0, 500),
            (1, 1.0, 1_000),
            (2, 1.0, 2_000),
            (4, 0.0, 4_000),
            (30, 1.0, 300_000),
            (-1, 0.0, 500),
        ] {
            assert_eq!(delay(attempt, chance), Duration::from_millis(expected_ms), "attempt {attempt}");
        }
    }
}
