//! When not even to try: after failures in a row, a server is left alone for a while. Pure: the clock comes in as an
//! argument.
//!
//! This is the circuit breaker of Nygard, "Release It!" (2007, second edition 2018, chapter 5): callers hear at once that
//! the server is gone instead of each waiting for a connect to time out, and a server that comes back meets one probe
//! instead of everyone.

use std::{
    fmt,
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// When connecting to a server stops, and how it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    failures: NonZeroU32,
    cooldown: Duration,
    max_cooldown: Duration,
    probes: NonZeroU32,
}

const FIVE: NonZeroU32 = NonZeroU32::new(5).expect("five is not zero");

impl Default for BreakerConfig {
    /// Opens after 5 failures in a row, probes after 1 s, 2 s, 4 s ... 30 s, and closes after one probe that succeeds.
    fn default() -> Self {
        Self {
            failures: FIVE,
            cooldown: Duration::from_secs(1),
            max_cooldown: Duration::from_secs(30),
            probes: NonZeroU32::MIN,
        }
    }
}

impl BreakerConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connects must fail in a row for the breaker to open.
    #[must_use]
    pub fn failures(mut self, in_a_row: NonZeroU32) -> Self {
        self.failures = in_a_row;
        self
    }

    /// How long the server is left alone before the first probe, and at most after probes that failed: the time
    /// doubles with each of them.
    ///
    /// # Errors
    /// [`InvalidBreaker`] when the first is zero or longer than the longest.
    pub fn cooldown(mut self, first: Duration, longest: Duration) -> Result<Self, InvalidBreaker> {
        if first.is_zero() || first > longest {
            return Err(InvalidBreaker { first, longest });
        }
        (self.cooldown, self.max_cooldown) = (first, longest);
        Ok(self)
    }

    /// How many probes must succeed, one after the other, for the breaker to close.
    #[must_use]
    pub fn probes(mut self, in_a_row: NonZeroU32) -> Self {
        self.probes = in_a_row;
        self
    }
}

/// A first cooldown that is zero or longer than the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBreaker {
    /// The first cooldown.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl fmt::Display for InvalidBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, longest } = self;
        write!(
            f,
            "a cooldown must be above zero and at most its longest: first {first:?}, longest {longest:?}"
        )
    }
}

impl std::error::Error for InvalidBreaker {}

/// What a breaker does with the next connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets it through.
    Closed,
    /// Refuses it without trying.
    Open,
    /// Lets one through to see.
    HalfOpen,
}

/// An answer to [`Breaker::admit`]. It goes back into the report of how the attempt ended, so that an attempt begun
/// before the breaker opened, which may time out much later, is not taken for the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Admit {
    /// Go on.
    Yes,
    /// Go on; others wait for how it ends.
    Probe,
    /// Do not try; asking again makes sense after this time.
    No { retry_in: Duration },
}

/// The breaker of one server. Each attempt it admits ends in one of [`Breaker::succeeded`], [`Breaker::failed`] and
/// [`Breaker::abandoned`].
#[derive(Debug)]
pub(crate) struct Breaker {
    config: BreakerConfig,
    phase: Phase,
    /// Openings since it was last closed; the cooldown doubles with each.
    in_a_row: u32,
    opened: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { succeeded: u32, probing: bool },
}

impl Breaker {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Self { config, phase: Phase::Closed { failures: 0 }, in_a_row: 0, opened: 0 }
    }

    /// Asks before an attempt to connect.
    pub(crate) fn admit(&mut self, now: Instant) -> Admit {
        let succeeded = match self.phase {
            Phase::Closed { .. } => return Admit::Yes,
            Phase::Open { until } if now < until => return Admit::No { retry_in: until - now },
            // When the probe will end is not known; nobody needs to ask more often than this.
            Phase::HalfOpen { probing: true, .. } => return Admit::No { retry_in: self.config.cooldown },
            Phase::Open { .. } => 0,
            Phase::HalfOpen { succeeded, probing: false } => succeeded,
        };
        self.phase = Phase::HalfOpen { succeeded, probing: true };
        Admit::Probe
    }

    /// Reports that an admitted attempt succeeded.
    pub(crate) fn succeeded(&mut self, admitted: Admit) {
        match (&mut self.phase, admitted) {
            (Phase::Closed { failures }, Admit::Yes) => *failures = 0,
            (Phase::HalfOpen { succeeded, probing }, Admit::Probe) => {
                *succeeded += 1;
                *probing = false;
                if *succeeded >= self.config.probes.get() {
                    self.phase = Phase::Closed { failures: 0 };
                    self.in_a_row = 0;
                }
            }
            _ => {}
        }
    }

    /// Reports that an admitted attempt failed.
    pub(crate) fn failed(&mut self, admitted: Admit, now: Instant) {
        match (&mut self.phase, admitted) {
            (Phase::Closed { failures }, Admit::Yes) => {
                *failures += 1;
                if *failures >= self.config.failures.get() {
                    self.open(now);
                }
            }
            (Phase::HalfOpen { .. }, Admit::Probe) => self.open(now),
            _ => {}
        }
    }

    /// Reports that an admitted attempt was dropped before it ended: a probe gives its place back.
    pub(crate) fn abandoned(&mut self, admitted: Admit) {
        if let (Phase::HalfOpen { probing, .. }, Admit::Probe) = (&mut self.phase, admitted) {
            *probing = false;
        }
    }

    /// What it would do with a connect now.
    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { until } if now < until => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// How often it opened, a probe's failure included.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    fn open(&mut self, now: Instant) {
        let doubled = self.config.cooldown.saturating_mul(2_u32.saturating_pow(self.in_a_row));
        self.phase = Phase::Open { until: now + doubled.min(self.config.max_cooldown) };
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.opened += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Admit, Breaker, BreakerConfig, BreakerState};
    use std::{
        num::NonZeroU32,
        time::{Duration, Instant},
    };

    const MS: Duration = Duration::from_millis(1);

    /// What happens to a breaker, at a time in milliseconds.
    enum Do {
        Admit(Admit),
        Succeed(Admit),
        Fail(Admit),
        Abandon(Admit),
        See(BreakerState),
    }
    use Admit::{Probe, Yes};
    use BreakerState::{Closed, HalfOpen, Open};
    use Do::{Abandon, Fail, See, Succeed};

    fn no(millis: u32) -> Do {
        Do::Admit(Admit::No { retry_in: MS * millis })
    }

    /// Opens after two failures, cools down for 1 s to 3 s, closes after `probes`.
    fn check(probes: u32, script: &[(u32, Do)], opened: u64) {
        let number = |n| NonZeroU32::new(n).expect("not zero");
        let config = BreakerConfig::new().failures(number(2)).probes(number(probes));
        let config = config.cooldown(MS * 1000, MS * 3000).expect("valid");
        let (mut breaker, start) = (Breaker::new(config), Instant::now());
        for (step, (at, event)) in script.iter().enumerate() {
            let now = start + MS * *at;
            match event {
                Do::Admit(expected) => assert_eq!(breaker.admit(now), *expected, "step {step}, {at} ms"),
                See(expected) => assert_eq!(breaker.state(now), *expected, "step {step}, {at} ms"),
                Succeed(admitted) => breaker.succeeded(*admitted),
                Fail(admitted) => breaker.failed(*admitted, now),
                Abandon(admitted) => breaker.abandoned(*admitted),
            }
        }
        assert_eq!(breaker.opened(), opened);
    }

    #[test]
    fn failures_in_a_row_open_it() {
        check(
            1,
            &[
                (0, Fail(Yes)),
                (0, See(Closed)),
                (0, Do::Admit(Yes)),
                (0, Fail(Yes)),
                (0, See(Open)),
                (1, no(999)),
            ],
            1,
        );
        check(
            1,
            &[(0, Fail(Yes)), (0, Succeed(Yes)), (0, Fail(Yes)), (0, See(Closed)), (0, Do::Admit(Yes))],
            0,
        );
        check(1, &[(0, Abandon(Yes)), (0, Abandon(Yes)), (0, See(Closed))], 0);
    }

    #[test]
    fn one_probe_at_a_time_follows_the_cooldown_and_closes_it() {
        check(
            1,
            &[
                (0, Fail(Yes)),
                (0, Fail(Yes)),
                (999, no(1)),
                (999, See(Open)),
                (1000, See(HalfOpen)),
                (1000, Do::Admit(Probe)),
                (1100, no(1000)),
                (1100, See(HalfOpen)),
                (1200, Succeed(Probe)),
                (1200, See(Closed)),
                (1200, Do::Admit(Yes)),
                // One failure is one failure again.
                (1200, Fail(Yes)),
                (1200, Do::Admit(Yes)),
            ],
            1,
        );
    }

    #[test]
    fn the_cooldown_doubles_to_its_longest_and_begins_anew_once_closed() {
        check(
            1,
            &[
                (0, Fail(Yes)),
                (0, Fail(Yes)),
                (1000, Do::Admit(Probe)),
                (1500, Fail(Probe)),
                (1500, no(2000)),
                (3500, Do::Admit(Probe)),
                (4000, Fail(Probe)),
                (4000, no(3000)),
                (7000, Do::Admit(Probe)),
                (7000, Succeed(Probe)),
                (8000, Fail(Yes)),
                (8000, Fail(Yes)),
                (8000, no(1000)),
            ],
            4,
        );
    }

    #[test]
    fn as_many_probes_as_asked_for_must_succeed_in_a_row() {
        check(
            2,
            &[
                (0, Fail(Yes)),
                (0, Fail(Yes)),
                (1000, Do::Admit(Probe)),
                (1000, Succeed(Probe)),
                (1000, See(HalfOpen)),
                (1000, Do::Admit(Probe)),
                (1000, Fail(Probe)),
                (1000, no(2000)),
                (3000, Do::Admit(Probe)),
                (3000, Succeed(Probe)),
                (3000, See(HalfOpen)),
                (3000, Do::Admit(Probe)),
                (3000, no(1000)),
                (3000, Succeed(Probe)),
                (3000, See(Closed)),
            ],
            2,
        );
    }

    #[test]
    fn a_probe_that_is_dropped_gives_its_place_back() {
        let open = || [(0, Fail(Yes)), (0, Fail(Yes)), (1000, Do::Admit(Probe))];
        let script: Vec<_> =
            open().into_iter().chain([(1100, Abandon(Probe)), (1100, Do::Admit(Probe))]).collect();
        check(1, &script, 1);
        let script: Vec<_> = open().into_iter().chain([(1100, Abandon(Yes)), (1100, no(1000))]).collect();
        check(1, &script, 1);
    }

    #[test]
    fn an_attempt_from_before_it_opened_is_not_the_probe() {
        check(
            1,
            &[
                (0, Fail(Yes)),
                (0, Fail(Yes)),
                // Late ones neither open it again nor close it.
                (500, Fail(Yes)),
                (500, Succeed(Yes)),
                (500, no(500)),
                (1000, Do::Admit(Probe)),
                (1100, Fail(Yes)),
                (1100, Succeed(Yes)),
                (1100, See(HalfOpen)),
                (1100, no(1000)),
                (1200, Succeed(Probe)),
                (1200, See(Closed)),
            ],
            1,
        );
    }

    #[test]
    fn a_cooldown_has_a_length_and_an_order() {
        for (first, longest, fine) in [(1, 1, true), (1, 2, true), (0, 1, false), (2, 1, false)] {
            let config = BreakerConfig::new().cooldown(MS * first, MS * longest);
            assert_eq!(config.is_ok(), fine, "{first} ms, {longest} ms");
            if let Err(error) = config {
                assert!(error.to_string().contains(&format!("first {:?}", MS * first)), "{error}");
            }
        }
    }

    #[test]
    fn the_defaults_are_those_of_their_documentation() {
        let (mut breaker, now) = (Breaker::new(BreakerConfig::default()), Instant::now());
        (0..4).for_each(|_| breaker.failed(Yes, now));
        assert_eq!(breaker.admit(now), Yes);
        breaker.failed(Yes, now);
        let mut at = now;
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(breaker.admit(at), Admit::No { retry_in: Duration::from_secs(seconds) });
            at += Duration::from_secs(seconds);
            assert_eq!(breaker.admit(at), Probe);
            breaker.failed(Probe, at);
        }
    }
}
