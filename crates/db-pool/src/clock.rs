//! A clock that is cheap to read, for what happens with every lease.

use std::time::{Duration, Instant};

/// How far this clock may be behind: the kernel's tick.
const TICK: Duration = Duration::from_millis(10);

/// Reads the time of the kernel's last tick, a few milliseconds old at most, for a quarter of what the exact time costs.
/// Ages, idleness and the sum of holding times need no better; waits and deadlines are measured exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Instant,
    ticks: Duration,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        // Behind by a tick, so that it is never ahead of the exact time.
        Self { base: now.checked_sub(TICK).unwrap_or(now), ticks: ticks() }
    }

    /// How long after this clock was made that was, in nanoseconds; never zero.
    pub(crate) fn since_start(self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// A moment of the recent past; never earlier than what it said before.
    pub(crate) fn now(self) -> Instant {
        self.base + ticks().saturating_sub(self.ticks)
    }
}

#[cfg(target_os = "linux")]
fn ticks() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn ticks() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::{Clock, TICK};
    use std::time::Instant;

    #[test]
    fn it_is_behind_by_little_and_never_ahead() {
        let clock = Clock::new();
        let mut last = clock.now();
        for _ in 0..100_000 {
            let (coarse, exact) = (clock.now(), Instant::now());
            assert!(coarse >= last && coarse <= exact);
            last = coarse;
        }
        // What the scheduler takes away in between counts as behind, so only the order of magnitude is held to.
        assert!(Instant::now().duration_since(clock.now()) < TICK * 100);
    }
}
