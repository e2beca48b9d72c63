//! When a server is not asked at all: after commands without an answer, until a probe has one. Pure: the clock and
//! chance come in as arguments.
//!
//! This is the circuit breaker of Nygard, "Release It!" (2007, second edition 2018, chapter 5). Only whoever mends the
//! connection probes, so that no caller ever pays for finding out that the server is still away.

use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::Instant;

/// When a server is given up, and how soon it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// It is given up after so many commands in a row without an answer,
    pub in_a_row: NonZeroU32,
    /// or when so many of a hundred commands have none
    pub percent: u8,
    /// within this time,
    pub window: Duration,
    /// of so many at least.
    pub least: NonZeroU32,
    /// It is tried again after half to all of this time; the time doubles with each probe that fails,
    pub first_pause: Duration,
    /// up to this.
    pub longest_pause: Duration,
}

impl Default for BreakerLimits {
    /// After 5 in a row, or half of 20 and more within 10 s; tried again after 100 ms, 200 ms, 400 ms .. 5 s.
    fn default() -> Self {
        Self {
            in_a_row: NonZeroU32::new(5).expect("five is not zero"),
            percent: 50,
            window: Duration::from_secs(10),
            least: NonZeroU32::new(20).expect("twenty is not zero"),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Breaker {
    limits: BreakerLimits,
    state: State,
    /// Answers at the last failure.
    answers: u64,
    in_a_row: u32,
    window: Window,
    /// Pauses since it was last well for long.
    pauses: u32,
    closed_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// One probe is under way.
    HalfOpen,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    commands: u64,
    failed: u64,
}

impl Breaker {
    pub(crate) fn new(limits: BreakerLimits, now: Instant) -> Self {
        let window = Window { began: now, commands: 0, failed: 0 };
        Self { limits, state: State::Closed, answers: 0, in_a_row: 0, window, pauses: 0, closed_at: None }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// A command had no answer; `answers` counts those that had one, ever, so that they need not tell us. The pause
    /// until the first probe when that opens it: what comes late from before it opened says nothing new.
    pub(crate) fn failed(&mut self, answers: u64, now: Instant, chance: f64) -> Option<Duration> {
        if !self.is_closed() {
            return None;
        }
        let answered = answers.saturating_sub(self.answers);
        self.answers = answers;
        self.in_a_row = if answered == 0 { self.in_a_row + 1 } else { 1 };
        if now.saturating_duration_since(self.window.began) > self.limits.window {
            self.window = Window { began: now, commands: 0, failed: 0 };
        } else {
            self.window.commands += answered;
        }
        self.window.commands += 1;
        self.window.failed += 1;
        let window = &self.window;
        let often = window.commands >= u64::from(self.limits.least.get())
            && window.failed * 100 >= window.commands * u64::from(self.limits.percent);
        (self.in_a_row >= self.limits.in_a_row.get() || often).then(|| self.open(now, chance))
    }

    /// There is no way to it; the pause until the first probe unless it is open already.
    pub(crate) fn cut_off(&mut self, now: Instant, chance: f64) -> Option<Duration> {
        self.is_closed().then(|| self.open(now, chance))
    }

    /// Begins the probe if it is due and none is under way.
    pub(crate) fn begin_probe(&mut self, now: Instant) -> bool {
        let due = matches!(self.state, State::Open { until } if now >= until);
        if due {
            self.state = State::HalfOpen;
        }
        due
    }

    /// The probe had an answer.
    pub(crate) fn probe_answered(&mut self, now: Instant) {
        self.state = State::Closed;
        self.in_a_row = 0;
        self.window = Window { began: now, commands: 0, failed: 0 };
        self.closed_at = Some(now);
    }

    /// It had none; the pause until the next.
    pub(crate) fn probe_failed(&mut self, now: Instant, chance: f64) -> Duration {
        self.pause(now, chance)
    }

    fn open(&mut self, now: Instant, chance: f64) -> Duration {
        // One that comes and goes is not asked ten times a second.
        let well_for_long = self.closed_at.is_none_or(|at| now - at > self.limits.longest_pause);
        if well_for_long {
            self.pauses = 0;
        }
        self.pause(now, chance)
    }

    /// Half of it is chance, so that the clients of one server do not come back all at once.
    fn pause(&mut self, now: Instant, chance: f64) -> Duration {
        let span = self.limits.first_pause.saturating_mul(2_u32.saturating_pow(self.pauses));
        let span = span.min(self.limits.longest_pause);
        let pause = span.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        self.pauses = self.pauses.saturating_add(1);
        self.state = State::Open { until: now + pause };
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, BreakerLimits};
    use std::time::Duration;
    use tokio::time::Instant;

    /// `a` answered, `f` failed, `c` cut off, `s` a second passes, `p` a probe is begun, `A` and `F` end it.
    /// Tells what it is after each letter: `-` closed, `o` open.
    fn check(events: &str, expected: &str) {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(BreakerLimits::default(), now);
        let (mut answers, mut told) = (0, String::new());
        for event in events.chars() {
            match event {
                'a' => answers += 1,
                'f' => drop(breaker.failed(answers, now, 1.0)),
                'c' => drop(breaker.cut_off(now, 1.0)),
                's' => now += Duration::from_secs(1),
                'p' => assert!(breaker.begin_probe(now), "{events}: a probe is due"),
                'n' => assert!(!breaker.begin_probe(now), "{events}: no probe is due"),
                'A' => breaker.probe_answered(now),
                'F' => drop(breaker.probe_failed(now, 1.0)),
                other => panic!("{other}"),
            }
            told.push(if breaker.is_closed() { '-' } else { 'o' });
        }
        assert_eq!(told, expected, "{events}");
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        check("ffff", "----");
        check("fffff", "----o");
        check("ffffaffff", "---------");
        check("c", "o");
    }

    #[test]
    fn it_opens_when_half_of_many_fail() {
        check(&"af".repeat(9), &"-".repeat(18));
        check(&"af".repeat(10), &("-".repeat(19) + "o"));
        check(&"aaf".repeat(30), &"-".repeat(90));
        let old = "af".repeat(9) + "sssssssssss" + "af";
        check(&old, &"-".repeat(31));
    }

    #[test]
    fn one_probe_at_a_time_closes_it() {
        check("cn", "oo");
        check("csp", "ooo");
        check("cspn", "oooo");
        check("cspA", "ooo-");
        check("cspFn", "ooooo");
        check("cspFsp", "oooooo");
        check("cspAffff", "ooo-----");
    }

    #[test]
    fn what_comes_late_does_not_matter() {
        check("cfffffaaaan", "ooooooooooo");
        check("cspfaA", "ooooo-");
    }

    #[test]
    fn pauses_grow_to_a_limit_and_are_half_chance() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerLimits::default(), now);
        let mut pauses = vec![breaker.cut_off(now, 1.0).expect("closed before")];
        pauses.extend((0..7).map(|_| breaker.probe_failed(now, 1.0)));
        let millis: Vec<_> = pauses.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(breaker.probe_failed(now, 0.0), Duration::from_millis(2_500));
        assert_eq!(breaker.cut_off(now, 0.0), None, "open already");
    }

    #[test]
    fn one_that_comes_and_goes_is_left_alone_for_longer() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerLimits::default(), now);
        for expected in [100, 200, 400] {
            let pause = breaker.cut_off(now, 1.0).expect("closed");
            assert_eq!(pause, Duration::from_millis(expected));
            breaker.probe_answered(now);
        }
        let later = now + Duration::from_secs(6);
        assert_eq!(breaker.cut_off(later, 1.0), Some(Duration::from_millis(100)), "well for long");
    }
}
