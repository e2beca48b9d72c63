//! How many connections a pool should have. Pure: a window's figures and what was learned before come in, a size comes
//! out; no clock, no connection.
//!
//! By Little's law (Little 1961) the mean number of busy connections is the time they were held divided by the time that
//! passed, whatever the arrivals look like. On top of it goes the headroom of the square-root staffing rule (Halfin &
//! Whitt, "Heavy-Traffic Limits for Queues with Many Exponential Servers", Operations Research 29(3), 1981), so that a
//! caller rarely waits. Whether a larger pool is of use at all is asked of the server, as the gradient limits of
//! Netflix's concurrency-limits do: if more connections bring longer holds instead of more work, it is the server that
//! is short of something, and the pool steps back.

use std::time::Duration;

/// Halfin and Whitt's beta: connections beyond the mean, in square roots of it. At 2, three callers of a hundred wait
/// (2.7 %, their formula); at 1 it would be 22, at 3 it would be one of seven hundred, for half as many connections more.
const HEADROOM: f64 = 2.0;

/// One caller in this many may wait without the pool growing: somewhat more than the headroom leaves waiting.
const WAITING_ONE_IN: u64 = 20;

/// Connections per core of this machine that are of use. A query of 1 ms is taken to cost its client some 30 us of processor time
/// (encode, two system calls, decode), so about 32 of them keep a core busy; more of them only wait for that core.
const PER_CORE: u32 = 32;

/// So many calm windows in a row come before the pool shrinks; what the busiest of them needed is kept.
const CALM_WINDOWS: usize = 5;

/// Callers that wait at the window's end are to be gone within so many windows. To serve all of them in the next one
/// would leave the pool far too large right after it.
const DRAIN_WINDOWS: f64 = 8.0;

/// After a growth that was of no use, the pool does not grow for so many windows. Then it tries again: the server may
/// have recovered.
const HOLD_OFF_WINDOWS: u32 = 10;

/// What one window looked like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// How long it was.
    pub(crate) window: Duration,
    /// The pool's present limit.
    pub(crate) size: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// What the server's `max_connections` leaves for this pool, where that is known.
    pub(crate) server_room: Option<u32>,
    /// Cores of this machine.
    pub(crate) cores: u32,
    /// Leases given.
    pub(crate) acquires: u64,
    /// How long connections were lent in this window, in all: leases that came back and leases that are still out.
    pub(crate) busy: Duration,
    /// Acquires that had to wait.
    pub(crate) waits: u64,
    /// Callers waiting at the window's end.
    pub(crate) waiting_now: u32,
}

/// What a pool remembers from window to window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// What the last windows needed, oldest first; only `calm` of them count.
    needed: [u32; CALM_WINDOWS],
    /// Windows in a row in which nobody waited to speak of.
    calm: usize,
    /// Callers that were waiting at the end of the last window.
    waiting: u32,
    hold_off: u32,
    growth: Option<Growth>,
}

/// The last window's growth, and the figures it has to improve on.
#[derive(Clone, Copy, Debug)]
struct Growth {
    from: u32,
    to: u32,
    /// Leases per second.
    throughput: f64,
    /// Seconds for which a lease was held.
    hold: f64,
}

/// How many connections the pool may have in the next window, between `min` and the least of `max`, what the server has
/// room for and what this machine can use, but always at least one.
pub(crate) fn decide(load: &Load, memory: &mut Memory) -> u32 {
    let pressed = load.pressed();
    // A size that was changed from outside is not a growth of ours.
    let growth = memory.growth.take().filter(|growth| growth.to == load.size);
    let served = load.served(growth);
    let waiting_before = std::mem::replace(&mut memory.waiting, load.waiting_now);
    let needed = load.needed(waiting_before);
    memory.remember(pressed, needed);
    let size = if growth.is_some_and(|growth| load.in_vain(growth, served)) {
        memory.hold_off = HOLD_OFF_WINDOWS;
        growth.map_or(load.size, |growth| growth.from)
    } else if memory.hold_off > 0 {
        memory.hold_off -= 1;
        memory.shrunk(load.size)
    } else if pressed {
        load.grown(served, needed, waiting_before)
    } else {
        memory.shrunk(load.size)
    };
    let size = size.clamp(load.floor(), load.ceiling());
    if size > load.size {
        let (throughput, hold) = (load.per_second(served), load.hold(served));
        memory.growth = Some(Growth { from: load.size, to: size, throughput, hold });
    }
    size
}

impl Load {
    fn floor(&self) -> u32 {
        self.min.max(1)
    }

    fn ceiling(&self) -> u32 {
        let room = self.server_room.unwrap_or(u32::MAX);
        self.max.min(room).min(self.cores.saturating_mul(PER_CORE)).max(self.floor())
    }

    /// Whether callers wait more often than the headroom explains.
    fn pressed(&self) -> bool {
        (self.waits + u64::from(self.waiting_now)) * WAITING_ONE_IN > self.acquires
    }

    /// Connections for those who came: were they all served, more would be busy than were, in the proportion of those
    /// who came to those who were served. Then the headroom.
    fn needed(&self, waiting_before: u32) -> u32 {
        let waiting = f64::from(self.waiting_now);
        let served = float(self.acquires.max(1));
        let came = served + waiting - f64::from(waiting_before) + waiting / DRAIN_WINDOWS;
        let busy = self.busy.as_secs_f64() / self.seconds() * came / served;
        rounded_up(busy + HEADROOM * busy.max(0.0).sqrt())
    }

    /// Leases given for one that came back: the first ones of connections that were just added tell nothing about how
    /// fast the server is.
    fn served(&self, growth: Option<Growth>) -> u64 {
        let added = growth.map_or(0, |growth| growth.to - growth.from);
        self.acquires.saturating_sub(u64::from(added))
    }

    fn per_second(&self, served: u64) -> f64 {
        float(served) / self.seconds()
    }

    fn seconds(&self) -> f64 {
        self.window.as_secs_f64().max(f64::EPSILON)
    }

    fn hold(&self, served: u64) -> f64 {
        self.busy.as_secs_f64() / float(served.max(1))
    }

    /// Whether growing made leases longer rather than more: halfway between a server with room, where work grows as
    /// the pool does, and a saturated one, where only the holds do.
    fn in_vain(&self, growth: Growth, served: u64) -> bool {
        let halfway = 1.0 + (f64::from(growth.to) / f64::from(growth.from.max(1)) - 1.0) / 2.0;
        self.per_second(served) < growth.throughput * halfway && self.hold(served) > growth.hold * halfway
    }

    /// What is needed, but at most half as many and one more, and at least one more unless the queue is getting
    /// shorter. Where nothing came back at all, one: a server that hangs and callers that hold for long look the same
    /// from here, and only the second kind is helped.
    fn grown(&self, served: u64, needed: u32, waiting_before: u32) -> u32 {
        let least = if self.waiting_now < waiting_before { self.size } else { self.size + 1 };
        let most = if served == 0 { self.size + 1 } else { self.size + self.size / 2 + 1 };
        needed.clamp(least, most)
    }
}

impl Memory {
    fn remember(&mut self, pressed: bool, needed: u32) {
        self.needed.rotate_left(1);
        self.needed[CALM_WINDOWS - 1] = needed;
        self.calm = if pressed { 0 } else { CALM_WINDOWS.min(self.calm + 1) };
    }

    /// A quarter less at most, once it has been calm for long enough, and only if an eighth or more is not needed, so
    /// that a load which wavers does not make the pool waver.
    fn shrunk(&self, size: u32) -> u32 {
        let peak = self.needed.iter().copied().max().unwrap_or(0);
        if self.calm < CALM_WINDOWS || size.saturating_sub(peak) < (size / 8).max(1) {
            return size;
        }
        peak.max(size - (size / 4).max(1))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of leases in one window, far below 2^52")]
fn float(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of connections, never negative; the cast saturates"
)]
fn rounded_up(x: f64) -> u32 {
    x.ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::{CALM_WINDOWS, HOLD_OFF_WINDOWS, Load, Memory, decide};
    use std::{collections::VecDeque, time::Duration};

    const IDLE: Load = Load {
        window: Duration::from_secs(1),
        size: 10,
        min: 2,
        max: 100,
        server_room: None,
        cores: 8,
        acquires: 0,
        busy: Duration::ZERO,
        waits: 0,
        waiting_now: 0,
    };

    /// A pool and a server, millisecond by millisecond: callers come at a rate, those that find a connection are served
    /// at the speed the server has with so many of them, and the others queue.
    struct Replay {
        load: Load,
        memory: Memory,
        due: f64,
        /// What is left of each lease, in leases.
        lent: Vec<f64>,
        /// When each caller came, in milliseconds.
        queue: VecDeque<usize>,
        sizes: Vec<u32>,
    }

    impl Replay {
        fn new(size: u32) -> Self {
            let load = Load { size, ..IDLE };
            Self {
                load,
                memory: Memory::default(),
                due: 0.0,
                lent: vec![],
                queue: VecDeque::new(),
                sizes: vec![],
            }
        }

        /// One window with so many callers per second and a hold of so many milliseconds with `n` leases out.
        fn window(&mut self, per_second: f64, hold_ms: impl Fn(f64) -> f64) {
            let tick = Duration::from_millis(1);
            let mut load = Load { acquires: 0, busy: Duration::ZERO, waits: 0, ..self.load };
            let start = self.sizes.len() * 1000;
            for now in start..start + 1000 {
                self.due += per_second / 1000.0;
                while self.due >= 1.0 {
                    self.due -= 1.0;
                    self.queue.push_back(now);
                }
                while self.lent.len() < load.size as usize
                    && let Some(came) = self.queue.pop_front()
                {
                    load.acquires += 1;
                    load.waits += u64::from(came < now);
                    self.lent.push(1.0);
                }
                let n = u32::try_from(self.lent.len()).expect("few");
                load.busy += tick * n;
                let step = 1.0 / hold_ms(f64::from(n));
                self.lent.iter_mut().for_each(|left| *left -= step);
                self.lent.retain(|left| *left > 0.0);
            }
            load.waiting_now = u32::try_from(self.queue.len()).expect("few");
            load.size = decide(&load, &mut self.memory);
            self.load = load;
            self.sizes.push(load.size);
        }

        fn windows(&mut self, n: usize, per_second: f64, hold_ms: impl Fn(f64) -> f64) -> &[u32] {
            (0..n).for_each(|_| self.window(per_second, &hold_ms));
            &self.sizes[self.sizes.len() - n..]
        }
    }

    /// How often the sizes turned from growing to shrinking or back.
    fn turns(sizes: &[u32]) -> usize {
        let ways: Vec<_> =
            sizes.windows(2).map(|two| two[1].cmp(&two[0])).filter(|way| way.is_ne()).collect();
        ways.windows(2).filter(|two| two[0] != two[1]).count()
    }

    fn between(sizes: &[u32], least: u32, most: u32) {
        assert!(sizes.iter().all(|size| (least..=most).contains(size)), "not in {least}..={most}: {sizes:?}");
    }

    #[test]
    fn a_step_is_reached_within_a_few_windows_and_kept() {
        let mut replay = Replay::new(2);
        replay.windows(10, 20.0, |_| 20.0);
        // 20 leases busy on average: at least as many are needed, and the headroom is nine.
        let sizes = replay.windows(60, 1000.0, |_| 20.0).to_vec();
        between(&sizes[6..], 21, 45);
        assert!(turns(&sizes) <= 1, "{sizes:?}");
        assert_eq!(replay.queue.len(), 0);
        between(&sizes[40..], sizes[40], sizes[40]);
    }

    #[test]
    fn a_ramp_is_followed_without_oscillation() {
        let mut replay = Replay::new(2);
        let rate = |window: u32| f64::from(window) * 20.0;
        (0..100).for_each(|window| replay.window(rate(window), |_| 20.0));
        let up = replay.sizes.clone();
        (0..100).rev().for_each(|window| replay.window(rate(window), |_| 20.0));
        let down = replay.sizes[100..].to_vec();
        assert_eq!((turns(&up), turns(&down)), (0, 0), "{up:?} {down:?}");
        // Ten windows behind the load at most.
        between(&up[90..], 36, 55);
        between(&down[60..70], 12, 30);
        between(&down[98..], 2, 8);
    }

    #[test]
    fn one_window_s_spike_is_forgotten_and_does_not_thrash() {
        let mut replay = Replay::new(10);
        replay.windows(20, 100.0, |_| 20.0);
        let before = replay.load.size;
        replay.windows(1, 3000.0, |_| 20.0);
        let after = replay.windows(60, 100.0, |_| 20.0).to_vec();
        assert!(after.iter().max() > Some(&before), "it grows while callers wait: {before} {after:?}");
        assert!(turns(&after) <= 1, "{after:?}");
        between(&after[30..], before, before + 2);
    }

    #[test]
    fn a_saturated_server_is_not_given_more() {
        let mut replay = Replay::new(4);
        // Eight at once take 20 ms each; beyond that, the same work takes longer.
        let sizes = replay.windows(100, 2000.0, |n| 20.0 * (n / 8.0).max(1.0)).to_vec();
        between(&sizes, 4, 24);
        let usual = &mut sizes[20..].to_vec();
        usual.sort_unstable();
        between(&usual[..70], 6, 16);
    }

    #[test]
    fn a_server_that_became_slower_but_has_room_is_given_more() {
        let mut replay = Replay::new(10);
        replay.windows(10, 200.0, |_| 20.0);
        // Forty busy at once.
        let sizes = replay.windows(20, 200.0, |_| 200.0);
        between(&sizes[10..], 41, 90);
    }

    #[test]
    fn a_server_that_hangs_is_given_one_at_a_time() {
        let mut replay = Replay::new(10);
        replay.windows(10, 200.0, |_| 20.0);
        let before = replay.load.size;
        let sizes = replay.windows(20, 200.0, |_| 1e9).to_vec();
        // It grows while leases still come back, then sees that this was in vain, and waits before it tries again.
        let usual =
            [vec![before; HOLD_OFF_WINDOWS as usize + 1], (before + 1..before + 9).collect()].concat();
        assert_eq!(sizes[1..], usual, "{sizes:?}");
    }

    #[test]
    fn leases_held_throughout_are_not_taken_for_idleness() {
        let mut replay = Replay::new(50);
        replay.windows(1, 30.0, |_| 1e9);
        let sizes = replay.windows(20, 0.0, |_| 1e9);
        between(sizes, 40, 50);
    }

    #[test]
    fn an_idle_pool_falls_to_its_minimum() {
        let mut replay = Replay::new(100);
        let sizes = replay.windows(40, 0.0, |_| 20.0).to_vec();
        assert!(sizes[..CALM_WINDOWS - 1].iter().all(|size| *size == 100), "{sizes:?}");
        assert_eq!(sizes[CALM_WINDOWS - 1], 75);
        assert_eq!(sizes[39], 2);
    }

    fn check(load: Load, expected: u32) {
        assert_eq!(decide(&load, &mut Memory::default()), expected, "{load:?}");
    }

    #[test]
    fn growth_is_bounded_and_follows_need() {
        let waits = Load { acquires: 100, waits: 50, ..IDLE };
        check(Load { busy: Duration::from_secs(10), waiting_now: 500, ..waits }, 16);
        // Nine busy need fifteen; with sixteen more who came and wait, and two of them caught up with, eighteen.
        check(Load { busy: Duration::from_secs(9), ..waits }, 15);
        check(Load { busy: Duration::from_secs(9), size: 14, waiting_now: 16, ..waits }, 18);
        check(Load { window: Duration::from_secs(2), busy: Duration::from_secs(18), ..waits }, 15);
        check(Load { busy: Duration::from_secs(1), ..waits }, 11);
    }

    /// One window after the other, each with the size the last one ended with; the sizes.
    fn follow(size: u32, loads: &[Load]) -> Vec<u32> {
        let (mut size, mut memory) = (size, Memory::default());
        let next = loads.iter().map(|load| {
            size = decide(&Load { size, ..*load }, &mut memory);
            size
        });
        next.collect()
    }

    #[test]
    fn a_queue_that_gets_shorter_is_left_to_it() {
        let busy = Load { acquires: 100, busy: Duration::from_secs(2), waits: 90, ..IDLE };
        let queue = |waiting_now| Load { waiting_now, ..busy };
        assert_eq!(follow(10, &[queue(50), queue(40), queue(30), queue(30)]), [11, 11, 11, 12]);
    }

    #[test]
    fn growth_is_in_vain_when_holds_grow_and_throughput_does_not() {
        let at = |acquires, seconds| Load {
            acquires,
            busy: Duration::from_secs(seconds),
            waits: 50,
            waiting_now: 500,
            ..IDLE
        };
        // From 10 to 16. Six of the leases given after it are those of the new connections.
        assert_eq!(follow(10, &[at(100, 10), at(106, 16)]), [16, 10], "the same throughput");
        assert_eq!(
            follow(10, &[at(100, 10), at(166, 16)]),
            [16, 25],
            "as much more as there are connections"
        );
        assert_eq!(follow(10, &[at(100, 5), at(166, 16)]), [16, 25], "more of both");
        assert_eq!(
            follow(10, &[at(100, 10), at(106, 10)]),
            [16, 24],
            "neither: the new ones are not open yet"
        );
    }

    #[test]
    fn a_size_changed_from_outside_is_not_judged() {
        let busy = Load { acquires: 100, busy: Duration::from_secs(10), waits: 50, waiting_now: 500, ..IDLE };
        let mut memory = Memory::default();
        assert_eq!(decide(&busy, &mut memory), 16);
        let resized = Load { size: 12, acquires: 102, busy: Duration::from_secs(20), ..busy };
        assert_eq!(decide(&resized, &mut memory), 19);
    }

    #[test]
    fn a_pool_that_holds_off_may_shrink() {
        let busy = Load { acquires: 100, busy: Duration::from_secs(10), waits: 50, waiting_now: 500, ..IDLE };
        let vain = Load { acquires: 106, busy: Duration::from_secs(16), ..busy };
        let sizes = follow(10, &[busy, vain, busy, IDLE, IDLE, IDLE, IDLE, IDLE, IDLE]);
        assert_eq!(sizes, [16, 10, 10, 10, 10, 10, 10, 8, 6]);
    }

    #[test]
    fn calm_is_counted_from_the_last_window_with_waits() {
        let waits = Load { acquires: 100, waits: 90, ..IDLE };
        let sizes = follow(2, &[IDLE, IDLE, IDLE, IDLE, IDLE, waits, IDLE, IDLE, IDLE, IDLE, IDLE]);
        assert_eq!(sizes, [2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 2]);
    }

    #[test]
    fn what_is_nearly_needed_stays() {
        // Fifteen are needed.
        let busy = Load { acquires: 100, busy: Duration::from_secs(9), ..IDLE };
        assert_eq!(follow(16, &[busy; 6]), [16; 6]);
        assert_eq!(follow(17, &[busy; 6]), [17, 17, 17, 17, 15, 15]);
    }

    #[test]
    fn few_that_wait_are_no_reason_to_grow() {
        let busy = Load { acquires: 100, busy: Duration::from_secs(9), ..IDLE };
        check(Load { waits: 5, ..busy }, 10);
        check(Load { waits: 6, ..busy }, 15);
        check(Load { waits: 5, waiting_now: 1, ..busy }, 16);
    }

    #[test]
    fn the_size_stays_within_its_limits() {
        let busy = Duration::from_secs(10);
        let waits = Load { acquires: 1000, busy, waits: 900, waiting_now: 900, ..IDLE };
        check(Load { max: 12, ..waits }, 12);
        check(Load { server_room: Some(13), ..waits }, 13);
        check(Load { cores: 1, size: 30, busy: busy * 3, ..waits }, 32);
        check(Load { server_room: Some(0), ..waits }, 2);
        check(Load { server_room: Some(0), min: 0, ..waits }, 1);
        check(Load { min: 0, size: 0, max: 0, ..IDLE }, 1);
        check(Load { max: 7, ..IDLE }, 7);
        check(Load { min: 12, ..IDLE }, 12);
        check(Load { min: 200, max: 100, ..waits }, 200);
    }

    #[test]
    fn odd_figures_do_no_harm() {
        check(Load { window: Duration::ZERO, ..IDLE }, 10);
        check(Load { size: 0, min: 0, waiting_now: 1, ..IDLE }, 1);
        check(Load { busy: Duration::MAX, waits: 9, ..IDLE }, 11);
    }

    #[test]
    fn calm_windows_keep_what_the_busiest_of_them_needed() {
        let mut memory = Memory::default();
        let windows = [0, 4, 0, 0, 0, 0, 0];
        let sizes = windows.map(|busy| {
            let load = Load { size: 9, acquires: 10, busy: Duration::from_secs(busy), ..IDLE };
            decide(&load, &mut memory)
        });
        // Four busy need eight.
        assert_eq!(sizes, [9, 9, 9, 9, 8, 8, 7]);
    }
}
