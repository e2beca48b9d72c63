//! When a caller that waited is refused instead of served, so that a queue which stands does not stay. Pure: the clock
//! comes in as an argument.
//!
//! This is `CoDel` (Nichols & Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012; RFC 8289, section 5). A queue
//! that empties now and then is a burst, and bursts are what a queue is for; one whose shortest wait stays above a
//! target for a whole interval only adds waiting to everyone, so some callers are refused, at a rate that rises with the
//! square root of how many were refused already, until the queue is gone.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// From when on a queue of waiting callers is a standing queue, and is shortened.
///
/// For services whose callers would rather hear a quick "no" than wait: a request that waits a second for its
/// connection is often one whose user has gone. Work that may wait, such as a batch, is better off without it, with a
/// long `acquire_timeout` alone. Callers do not slow down when refused as TCP does, so under a heavy overload it is the
/// deadline of each acquire that bounds the wait; this brings the queue back once the overload is moderate.
///
/// The default is a target of 50 ms over an interval of 1 s. `DBConnection` (Elixir), the only other client pool with such
/// a queue, has 50 ms over 1 s to 2 s. RFC 8289 asks for an interval of about the longest usual round trip, here of the
/// caller that comes back, and a target of 5 to 10 % of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoDel {
    target: Duration,
    interval: Duration,
}

impl CoDel {
    /// A wait of up to `target` is fine for ever, a longer one for up to `interval`.
    ///
    /// # Errors
    /// [`InvalidCoDel`] when the target is zero or not shorter than the interval.
    pub fn new(target: Duration, interval: Duration) -> Result<Self, InvalidCoDel> {
        if target.is_zero() || target >= interval {
            return Err(InvalidCoDel { target, interval });
        }
        // A century is for ever, and can be added to a time.
        Ok(Self { target, interval: interval.min(Duration::from_secs(100 * 365 * 24 * 3600)) })
    }
}

impl Default for CoDel {
    fn default() -> Self {
        Self { target: Duration::from_millis(50), interval: Duration::from_secs(1) }
    }
}

/// A target that is zero or not shorter than its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCoDel {
    /// The refused target.
    pub target: Duration,
    /// The interval it came with.
    pub interval: Duration,
}

impl fmt::Display for InvalidCoDel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, interval } = self;
        write!(
            f,
            "CoDel needs a target above zero and below its interval: target {target:?}, interval {interval:?}"
        )
    }
}

impl std::error::Error for InvalidCoDel {}

/// After this many intervals without refusing, what the last cycle had learned is forgotten.
const MEMORY_INTERVALS: u32 = 16;

/// The control loop over one queue; the names of its fields are the RFC's.
#[derive(Debug)]
pub(crate) struct Controller {
    config: CoDel,
    /// When the queue will have stood for an interval; `None` while its waits are below the target.
    first_above: Option<Instant>,
    dropping: bool,
    /// When the next caller is refused, while dropping; when it would have been, after.
    drop_next: Option<Instant>,
    /// Refused since dropping began, counting from where the last cycle left off.
    count: u32,
    /// `count` at the beginning of this cycle.
    last_count: u32,
}

impl Controller {
    pub(crate) fn new(config: CoDel) -> Self {
        Self { config, first_above: None, dropping: false, drop_next: None, count: 0, last_count: 0 }
    }

    /// Called each time a caller reaches the head of the queue and would be served: whether to refuse it instead, and
    /// ask again for the next. `sojourn` is how long it waited, `behind` how many stand behind it.
    pub(crate) fn refuse(&mut self, sojourn: Duration, now: Instant, behind: usize) -> bool {
        if !self.stands(sojourn, now, behind) {
            self.dropping = false;
            return false;
        }
        match self.drop_next {
            Some(next) if self.dropping => {
                if now < next {
                    return false;
                }
                self.count = self.count.saturating_add(1);
                // From when it was due, not from now: a rare caller does not slow the rate down.
                self.drop_next = Some(self.control_law(next));
            }
            _ => self.begin(now),
        }
        true
    }

    /// Whether each wait was above the target for a whole interval.
    fn stands(&mut self, sojourn: Duration, now: Instant, behind: usize) -> bool {
        if sojourn < self.config.target || behind == 0 {
            self.first_above = None;
            return false;
        }
        let interval = self.config.interval;
        now >= *self.first_above.get_or_insert_with(|| now + interval)
    }

    fn begin(&mut self, now: Instant) {
        let recently = self.drop_next.is_some_and(|next| {
            now.saturating_duration_since(next) < self.config.interval * MEMORY_INTERVALS
        });
        let learned = self.count.saturating_sub(self.last_count);
        // The rate that ended the last cycle is a good start for one that follows soon.
        self.count = if recently && learned > 1 { learned } else { 1 };
        self.last_count = self.count;
        self.dropping = true;
        self.drop_next = Some(self.control_law(now));
    }

    fn control_law(&self, from: Instant) -> Instant {
        from + self.config.interval.div_f64(f64::from(self.count.max(1)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::{CoDel, Controller};
    use std::time::{Duration, Instant};

    const MS: Duration = Duration::from_millis(1);

    /// Asks for one caller at each of `at` (milliseconds), all of which waited `sojourn` with `behind` behind them, and
    /// answers with those that were refused.
    fn refused(
        controller: &mut Controller,
        start: Instant,
        at: impl Iterator<Item = u32>,
        sojourn: u32,
        behind: usize,
    ) -> Vec<u32> {
        at.filter(|&at| controller.refuse(MS * sojourn, start + MS * at, behind)).collect()
    }

    fn check(at: impl Iterator<Item = u32>, sojourn: u32, behind: usize, expected: &[u32]) {
        let mut controller = Controller::new(CoDel::default());
        let refused = refused(&mut controller, Instant::now(), at, sojourn, behind);
        assert_eq!(refused, expected, "sojourn {sojourn} ms, {behind} behind");
    }

    #[test]
    fn a_wait_below_the_target_is_never_refused() {
        check((0..60_000).step_by(10), 49, 1000, &[]);
    }

    #[test]
    fn a_queue_of_one_is_never_refused() {
        check((0..60_000).step_by(10), 5000, 0, &[]);
    }

    #[test]
    fn a_burst_shorter_than_the_interval_is_never_refused() {
        check((0..1000).step_by(10), 900, 100, &[]);
    }

    #[test]
    fn a_standing_queue_is_refused_faster_and_faster() {
        // 1 s, then each a second over the square root of the count later: 1000, 707, 577, 500 ms ...
        check((0..5000).step_by(10), 50, 1, &[1000, 2000, 2710, 3290, 3790, 4240, 4640]);
    }

    #[test]
    fn a_rare_caller_does_not_slow_the_rate_down() {
        // Nobody comes between 1.0 s and 3.4 s; then the refusals that were due at 2, 2.7 and 3.3 s follow at once.
        check([0, 1000, 3400, 3401, 3402, 3403].into_iter(), 50, 9, &[1000, 3400, 3401, 3402]);
    }

    #[test]
    fn one_short_wait_ends_it() {
        let (mut controller, start) = (Controller::new(CoDel::default()), Instant::now());
        let mut run = |at: std::ops::Range<u32>, sojourn, behind| {
            refused(&mut controller, start, at.step_by(10), sojourn, behind)
        };
        assert_eq!(run(0..2500, 60, 5), [1000, 2000]);
        assert_eq!(run(2500..2510, 49, 5), [0; 0], "the queue went below its target");
        assert_eq!(run(2510..3500, 60, 5), [0; 0], "the interval begins anew");
        assert_eq!(run(3500..3520, 60, 5), [3510]);
        assert_eq!(run(4000..4010, 60, 0), [0; 0], "nobody behind ends it, too");
        assert_eq!(run(4510..5010, 60, 5), [0; 0]);
    }

    /// Refuses for 6 s, rests for `rest` ms, and answers when the next cycle refuses, counted from its first refusal.
    fn cycle_after(rest: u32) -> Vec<u32> {
        let (mut controller, start) = (Controller::new(CoDel::default()), Instant::now());
        let first = refused(&mut controller, start, (0..6000).step_by(10), 60, 5);
        assert_eq!(first.len(), 10, "{first:?}");
        refused(&mut controller, start, 6000..6001, 0, 5);
        let again = 6000 + rest;
        let second = refused(&mut controller, start, (again..again + 2500).step_by(10), 60, 5);
        second.iter().map(|at| at - second[0]).collect()
    }

    #[test]
    fn a_cycle_that_follows_soon_begins_at_the_rate_that_worked() {
        // Ten refusals, one of them the first: it begins at nine, a third of a second apart and less.
        assert_eq!(cycle_after(1000), [0, 340, 650, 960, 1240]);
        assert_eq!(cycle_after(17_000), [0, 1000], "and forgets it after sixteen intervals");
    }

    #[test]
    fn what_a_cycle_learned_is_counted_within_it() {
        let (mut controller, start) = (Controller::new(CoDel::default()), Instant::now());
        refused(&mut controller, start, (0..6000).step_by(10), 60, 5);
        refused(&mut controller, start, 6000..6001, 0, 5);
        // A second cycle with its first refusal only: nothing was learned in it.
        assert_eq!(refused(&mut controller, start, (6010..7020).step_by(10), 60, 5), [7010]);
        refused(&mut controller, start, 7020..7021, 0, 5);
        let third = refused(&mut controller, start, (7030..10_000).step_by(10), 60, 5);
        assert_eq!(third, [8030, 9030, 9740]);
    }

    #[test]
    fn the_target_is_shorter_than_the_interval() {
        for (target, interval, fine) in [(1, 2, true), (0, 2, false), (2, 2, false), (3, 2, false)] {
            let config = CoDel::new(MS * target, MS * interval);
            assert_eq!(config.is_ok(), fine, "{target} ms, {interval} ms");
            if let Err(error) = config {
                assert!(error.to_string().contains(&format!("target {:?}", MS * target)), "{error}");
            }
        }
    }
}
