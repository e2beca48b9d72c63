//! A task in the background that runs as long as somebody listens, and when it tries again.

use parking_lot::Mutex;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whether it runs. It may end with the runtime that it was spawned on, and then whoever waits for it begins another.
#[derive(Debug, Default)]
pub(crate) struct Duty {
    running: Mutex<bool>,
}

impl Duty {
    /// Begins it unless it runs.
    pub(crate) fn keep(&self, begin: impl FnOnce()) {
        let mut running = self.running.lock();
        if !*running {
            *running = true;
            begin();
        }
    }

    /// Ends it unless it is needed; whoever comes to need it later begins another.
    pub(crate) fn end_unless(&self, needed: impl FnOnce() -> bool) -> bool {
        let mut running = self.running.lock();
        *running = needed();
        !*running
    }
}

/// The task while it runs: one that breaks off, by a panic or with its runtime, is not taken for one that runs.
pub(crate) struct Shift<'a, F: Fn()> {
    duty: &'a Duty,
    broke_off: F,
    over: bool,
}

impl<'a, F: Fn()> Shift<'a, F> {
    /// `broke_off` wakes those who wait for it.
    pub(crate) fn begin(duty: &'a Duty, broke_off: F) -> Self {
        Self { duty, broke_off, over: false }
    }

    /// Whether it has ended, as nobody needs it.
    pub(crate) fn is_over_unless(&mut self, needed: impl FnOnce() -> bool) -> bool {
        self.over = self.duty.end_unless(needed);
        self.over
    }
}

impl<F: Fn()> Drop for Shift<'_, F> {
    fn drop(&mut self) {
        if !self.over {
            *self.duty.running.lock() = false;
            (self.broke_off)();
        }
    }
}

/// The pause before it is tried again after so many failures in a row; half of it is chance, so that the clients of a
/// server that was away do not come all at once.
pub(crate) fn after(failures: u32, chance: f64) -> Duration {
    let pause = FIRST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    pause.min(LONGEST_PAUSE).mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::{Duty, Shift, after};
    use std::cell::Cell;

    #[test]
    fn pauses_grow_to_five_seconds_and_half_is_chance() {
        let millis = |failures, chance| after(failures, chance).as_millis();
        assert_eq!([1, 2, 3, 4].map(|failures| millis(failures, 1.0)), [100, 200, 400, 800]);
        assert_eq!([0, 1, 7, u32::MAX].map(|failures| millis(failures, 0.0)), [50, 50, 2_500, 2_500]);
    }

    #[test]
    fn one_runs_at_a_time_and_one_that_broke_off_is_begun_again() {
        let (duty, begun, woken) = (Duty::default(), Cell::new(0), Cell::new(0));
        let keep = || duty.keep(|| begun.set(begun.get() + 1));
        keep();
        keep();
        assert_eq!(begun.get(), 1);
        let mut shift = Shift::begin(&duty, || woken.set(woken.get() + 1));
        assert!(!shift.is_over_unless(|| true));
        drop(shift);
        keep();
        assert_eq!((begun.get(), woken.get()), (2, 1), "it broke off");
        let mut shift = Shift::begin(&duty, || woken.set(woken.get() + 1));
        assert!(shift.is_over_unless(|| false));
        keep();
        drop(shift);
        keep();
        assert_eq!((begun.get(), woken.get()), (3, 1), "one that ended takes none with it");
    }
}
