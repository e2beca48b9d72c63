//! When a segment is tried again. Pure.

use crate::{Error, Left};
use std::time::Duration;

/// Short enough that a change is in within two seconds of the way being free.
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The pause after this attempt, from 1, before it is jittered.
pub(super) fn pause_after(attempt: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

/// Whether the same may go well the next time: no lock in time, a deadlock, a serialisation failure.
pub(super) fn is_worth_it(error: &Error) -> bool {
    let passes = |sqlstate: &str| matches!(sqlstate, "55P03" | "40P01" | "40001");
    let of_driver = |error: &sqlx::Error| {
        error.as_database_error().and_then(|error| error.code()).is_some_and(|code| passes(&code))
    };
    match error {
        Error::Statement(error) => passes(&error.sqlstate),
        Error::Commit { left: Left::Nothing, source, .. } => of_driver(source),
        Error::Code { source, .. } => source.downcast_ref::<sqlx::Error>().is_some_and(of_driver),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::pause_after;
    use std::time::Duration;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let pauses: Vec<u128> = (1..=6).map(|attempt| pause_after(attempt).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1500, 1500]);
        assert_eq!(pause_after(u32::MAX), Duration::from_millis(1500));
    }
}
