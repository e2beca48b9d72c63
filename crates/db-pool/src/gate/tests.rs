//! What the gate decides, without a server: who is turned away and when, who is next, and what is counted.

use crate::{
    CoDel,
    gate::{After, Answer, Asked, Census, Gate, Item, Key, Priority, Refusal, Rules, Seat},
};
use proptest::{collection, prelude::*};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);
/// Longer than anything takes here.
const LATE: u32 = 3_600_000;

/// A connection, by its number.
#[derive(Debug, PartialEq, Eq)]
struct Token(i32);

impl Item for Token {
    fn backend(&self) -> Option<i32> {
        Some(self.0)
    }
}

type Taken = (Token, Seat);

/// A gate and the beginning of its time; every time is in milliseconds after that. A label says who asks.
struct Desk {
    gate: Gate<Token, u32, &'static str>,
    start: Instant,
}

impl Desk {
    fn new(rules: Rules) -> Self {
        Self { gate: Gate::new(rules), start: Instant::now() }
    }

    /// With one connection, which is lent since 0.
    fn busy(rules: Rules) -> (Self, Taken) {
        let desk = Self::new(rules);
        let taken = desk.open_and_take(1);
        (desk, taken)
    }

    fn at(&self, ms: u32) -> Instant {
        self.start + MS * ms
    }

    fn open_and_take(&self, number: i32) -> Taken {
        self.open(number);
        self.gate.try_take(0, self.at(0)).expect("it idles").expect("the gate is open")
    }

    /// One more connection, as the pool opens it.
    fn open(&self, number: i32) {
        assert_eq!(self.gate.fill(self.census(0).lent + self.census(0).idle + 1), 1, "there is room");
        done(self.gate.opened(Token(number), self.at(0)));
    }

    fn ask(&self, label: u32, priority: Priority, now: u32, deadline: u32) -> Asked<Token, &'static str> {
        let exact = || (self.at(now), self.at(deadline));
        self.gate.ask(label, priority, self.at(now), exact, Waker::noop())
    }

    /// Joins the queue, and must be let in.
    fn join(&self, label: u32, priority: Priority, now: u32, deadline: u32) -> Key {
        match self.ask(label, priority, now, deadline) {
            Asked::Queued { key, .. } => key,
            Asked::Answered(answer) => panic!("{label} is answered at once: {answer:?}"),
        }
    }

    /// Asks, and must be turned away.
    fn refusal(&self, priority: Priority, now: u32, deadline: u32) -> Refusal<&'static str> {
        match self.ask(99, priority, now, deadline) {
            Asked::Answered(Err(refusal)) => refusal,
            Asked::Answered(Ok(taken)) => panic!("it is given {taken:?}"),
            Asked::Queued { .. } => panic!("it is let in"),
        }
    }

    fn poll(&self, key: Key) -> Option<Answer<Token, &'static str>> {
        match self.gate.poll(key, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    fn put(&self, (token, seat): Taken, now: u32) -> After<Token> {
        self.gate.put(token, seat, self.at(now), || self.at(now))
    }

    fn census(&self, now: u32) -> Census {
        self.gate.census(self.at(now))
    }

    /// Polls all, takes out those that have an answer, and says which they are.
    fn answered(&self, waiting: &mut Vec<(u32, Key)>) -> Vec<(u32, Answer<Token, &'static str>)> {
        let mut answered = Vec::new();
        waiting.retain(|&(label, key)| match self.poll(key) {
            Some(answer) => {
                answered.push((label, answer));
                false
            }
            None => true,
        });
        answered
    }

    /// Gives the connection back at these times, each time to the next, and says who had it and who was refused.
    fn serve(
        &self,
        mut lent: Taken,
        waiting: &mut Vec<(u32, Key)>,
        times: &[u32],
    ) -> (Taken, Vec<u32>, Vec<u32>) {
        let (mut served, mut refused) = (Vec::new(), Vec::new());
        for &time in times {
            done(self.put(lent, time));
            let mut next = None;
            for (label, answer) in self.answered(waiting) {
                match answer {
                    Ok(taken) => {
                        served.push(label);
                        assert!(next.replace(taken).is_none(), "two have the only connection");
                    }
                    Err(Refusal::Standing { waited }) => {
                        refused.push(u32::try_from(waited.as_millis()).expect("a short wait"));
                    }
                    Err(refusal) => panic!("{label} is refused for {refusal:?}"),
                }
            }
            lent = next.expect("somebody is served");
        }
        (lent, served, refused)
    }
}

fn rules(limit: u32) -> Rules {
    Rules { limit, max_waiting: 100, aging: MS * 1000, codel: None }
}

fn done(mut after: After<Token>) -> (Vec<Token>, u32) {
    after.wake_all();
    (after.retire, after.open)
}

#[test]
fn as_many_wait_as_may() {
    let (desk, _lent) = Desk::busy(Rules { max_waiting: 2, ..rules(1) });
    let first = desk.join(1, Priority::Normal, 0, LATE);
    desk.join(2, Priority::Normal, 0, LATE);
    assert_eq!(desk.refusal(Priority::High, 0, LATE), Refusal::Full);
    assert_eq!((desk.census(0).waiting, desk.census(0).refused), (2, 1));
    done(desk.gate.leave(first, desk.at(0)));
    desk.join(3, Priority::Normal, 0, LATE);
}

/// Twenty of a class wait; after so many hand-overs, 10 ms apart, one more asks with so much time left.
fn check_late(waiting: Priority, hand_overs: u32, asks: Priority, left: u32, expected: Option<u32>) {
    let (desk, lent) = Desk::busy(rules(1));
    let mut queue = (0..20).map(|label| (label, desk.join(label, waiting, 0, LATE))).collect();
    let times: Vec<u32> = (1..=hand_overs).map(|number| number * 10).collect();
    let _lent = desk.serve(lent, &mut queue, &times);
    let now = hand_overs * 10;
    let refusal = match desk.ask(99, asks, now, now + left) {
        Asked::Queued { .. } => None,
        Asked::Answered(Err(refusal)) => Some(refusal),
        Asked::Answered(Ok(_)) => panic!("the only connection is lent"),
    };
    let expected = expected.map(|expected| Refusal::Late { expected: MS * expected });
    let case = format!("{asks:?} with {left} ms behind {waiting:?} after {hand_overs}");
    assert_eq!(desk.census(now).refused, u64::from(expected.is_some()), "{case}");
    assert_eq!(refusal, expected, "{case}");
}

#[test]
fn who_cannot_be_served_in_time_is_told_at_once() {
    use Priority::{High, Low, Normal};
    check_late(Normal, 12, Normal, 80, Some(90));
    check_late(Normal, 12, Normal, 90, None);
    check_late(Normal, 12, Low, 80, Some(90));
    // Too little is known of the pace.
    check_late(Normal, 3, Normal, 1, None);
    // Those of a lower class are not in its way.
    check_late(Low, 12, High, 20, None);
    check_late(Low, 12, Normal, 20, None);
    check_late(Normal, 12, High, 20, None);
    check_late(High, 12, High, 20, Some(90));
    // It would be next, and still too late.
    check_late(Low, 12, High, 5, Some(10));
}

#[test]
fn nobody_is_too_late_where_another_connection_may_be_opened() {
    let (desk, lent) = Desk::busy(rules(1));
    let mut queue = (0..20).map(|label| (label, desk.join(label, Priority::Normal, 0, LATE))).collect();
    let times: Vec<u32> = (1..=12).map(|number| number * 10).collect();
    let _lent = desk.serve(lent, &mut queue, &times);
    assert!(matches!(desk.refusal(Priority::Normal, 120, 121), Refusal::Late { .. }));
    done(desk.gate.resize(50));
    desk.join(99, Priority::Normal, 120, 121);
}

#[test]
fn a_standing_queue_is_shortened_under_codel_only() {
    let codel = CoDel::new(MS * 5, MS * 100).expect("a short target");
    // Above the target from the first hand-over at 10 on; an interval later the first is shed, then faster and faster.
    for (codel, shed) in [(None, vec![]), (Some(codel), vec![110, 210, 290])] {
        let (desk, lent) = Desk::busy(Rules { codel, ..rules(1) });
        let mut queue = (0..40).map(|label| (label, desk.join(label, Priority::Normal, 0, LATE))).collect();
        let times: Vec<u32> = (1..=30).map(|number| number * 10).collect();
        let (_lent, served, refused) = desk.serve(lent, &mut queue, &times);
        assert_eq!(refused, shed);
        assert_eq!(served.len(), 30, "whoever stands behind one that is shed has the connection");
        assert_eq!(desk.census(300).shed, shed.len() as u64);
    }
}

#[test]
fn a_short_queue_is_left_alone_by_codel() {
    let codel = CoDel::new(MS * 5, MS * 100).expect("a short target");
    let (desk, mut lent) = Desk::busy(Rules { codel: Some(codel), ..rules(1) });
    for time in (10..1000).step_by(10) {
        let mut queue = vec![
            (0, desk.join(0, Priority::Normal, time - 4, LATE)),
            (1, desk.join(1, Priority::Normal, time - 4, LATE)),
        ];
        let refused;
        (lent, _, refused) = desk.serve(lent, &mut queue, &[time, time]);
        assert_eq!(refused, [0; 0]);
    }
}

#[derive(Default)]
struct Counting(AtomicU32);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn the_overdue_are_turned_away_and_nobody_else() {
    let (desk, _lent) = Desk::busy(rules(1));
    let woken = Arc::new(Counting::default());
    let waker = Waker::from(Arc::clone(&woken));
    let keys = [10, 30, 20].map(|deadline| {
        let exact = || (desk.at(0), desk.at(deadline));
        match desk.gate.ask(deadline, Priority::Normal, desk.at(0), exact, &waker) {
            Asked::Queued { key, .. } => key,
            Asked::Answered(_) => panic!("it must wait"),
        }
    });
    for (now, expired, still) in [(9, vec![], true), (20, vec![10, 20], true), (20, vec![], true)] {
        let before = woken.0.load(Relaxed);
        let (after, waits) = desk.gate.expire(Some(desk.at(now)));
        done(after);
        assert_eq!((woken.0.load(Relaxed) - before) as usize, expired.len(), "at {now}");
        assert_eq!(waits, still, "at {now}");
    }
    assert_eq!(desk.poll(keys[0]), Some(Err(Refusal::Overdue)));
    assert_eq!((desk.poll(keys[1]), desk.census(20).waiting), (None, 1));
    assert_eq!(desk.poll(keys[2]), Some(Err(Refusal::Overdue)));
    // At the end of everything, whoever is left.
    let (after, waits) = desk.gate.expire(None);
    done(after);
    assert_eq!((desk.poll(keys[1]), waits), (Some(Err(Refusal::Overdue)), false));
}

/// Who comes when, of which class, and the order in which they are served when all have come; the aging time is 1 s.
fn check_order(arrivals: &[(u32, Priority)], expected: &[u32]) {
    let (desk, lent) = Desk::busy(rules(1));
    let arrivals = (0..).zip(arrivals);
    let mut queue: Vec<_> =
        arrivals.map(|(label, &(at, priority))| (label, desk.join(label, priority, at, LATE))).collect();
    let (_lent, served, _) = desk.serve(lent, &mut queue, &vec![10_000; expected.len()]);
    assert_eq!(served, expected);
}

#[test]
fn a_higher_class_has_a_head_start_and_no_more() {
    use Priority::{High, Low, Normal};
    check_order(&[(0, Normal), (1, Normal), (2, Normal)], &[0, 1, 2]);
    check_order(&[(0, Low), (100, Normal), (200, High)], &[2, 1, 0]);
    check_order(&[(0, Low), (1500, Normal), (2600, High)], &[0, 1, 2]);
    check_order(&[(0, Normal), (900, High), (1100, High)], &[1, 0, 2]);
}

#[test]
fn nobody_overtakes_those_who_wait() {
    let (desk, lent) = Desk::busy(rules(1));
    let first = desk.join(1, Priority::Low, 0, LATE);
    done(desk.put(lent, 10));
    // What came back is the first one's already.
    assert!(desk.gate.try_take(2, desk.at(10)).is_none());
    desk.join(2, Priority::High, 10, LATE);
    let (token, _) = desk.poll(first).expect("answered").expect("served");
    assert_eq!(token, Token(1));
}

#[test]
fn the_last_that_came_back_leaves_first() {
    let desk = Desk::new(rules(3));
    (1..=3).for_each(|number| desk.open(number));
    let take = || desk.gate.try_take(0, desk.at(0)).expect("it idles").expect("the gate is open");
    let (one, two) = (take(), take());
    assert_eq!((&one.0, &two.0), (&Token(3), &Token(2)));
    done(desk.put(one, 0));
    let again = take();
    assert_eq!(again.0, Token(3));
    done(desk.put(two, 0));
    done(desk.put(again, 0));
    let mut idle = Vec::new();
    let gone = desk.gate.sift(|token, left| {
        idle.push((token.0, left));
        token.0 != 2
    });
    assert_eq!(
        (gone, idle),
        (vec![Token(2)], vec![(1, 2), (2, 2), (3, 1)]),
        "the longest idle is looked at first"
    );
}

#[test]
fn no_more_is_filled_than_is_missing_or_may_be() {
    let desk = Desk::new(rules(3));
    // What is asked for, and what must be opened for it.
    for (least, missing) in [(0, 0), (2, 2), (2, 0), (9, 1), (9, 0)] {
        assert_eq!(desk.gate.fill(least), missing, "of {least}");
    }
    desk.gate.open_abandoned();
    assert_eq!(desk.gate.fill(3), 1);
    desk.gate.open_abandoned();
    done(desk.gate.close());
    assert_eq!(desk.gate.fill(3), 0, "a closed gate opens nothing");
}

#[test]
fn one_connection_is_opened_for_each_who_waits_as_far_as_there_is_room() {
    let desk = Desk::new(rules(2));
    let opens = [1, 2, 3].map(|label| match desk.ask(label, Priority::Normal, 0, LATE) {
        Asked::Queued { open, .. } => open,
        Asked::Answered(_) => panic!("there is none yet"),
    });
    assert_eq!((opens, desk.gate.wanted()), ([1, 1, 0], 0));
    desk.gate.open_abandoned();
    assert_eq!((desk.gate.wanted(), desk.gate.wanted()), (1, 0));
    assert_eq!(done(desk.gate.resize(9)).1, 1, "new room is used");
    assert_eq!(desk.census(0).opening, 3);
    done(desk.gate.close());
    desk.gate.open_abandoned();
    assert_eq!(desk.gate.wanted(), 0, "a closed gate opens nothing");
}

#[test]
fn what_is_lost_is_replaced_while_somebody_waits() {
    let (desk, (_, seat)) = Desk::busy(rules(1));
    desk.join(1, Priority::Normal, 0, LATE);
    assert_eq!(done(desk.gate.lose(seat, desk.at(5))).1, 1);
    let Census { lent, opening, returns, busy, .. } = desk.census(10);
    assert_eq!((lent, opening, returns, busy), (0, 1, 1, MS * 5));
}

/// Acquires, waits, time waited, returns and time held.
fn counted(desk: &Desk, now: u32) -> (u64, u64, Duration, u64, Duration) {
    let Census { acquires, waits, waited, returns, busy, .. } = desk.census(now);
    (acquires, waits, waited, returns, busy)
}

#[test]
fn a_lease_counts_once_it_is_taken() {
    let (desk, lent) = Desk::busy(rules(1));
    assert_eq!(counted(&desk, 10), (1, 0, Duration::ZERO, 0, MS * 10), "taken at once");
    let key = desk.join(1, Priority::Normal, 10, LATE);
    done(desk.put(lent, 30));
    let Census { acquires, waits, waited, lent, waiting, .. } = desk.census(30);
    assert_eq!((acquires, waits, waited), (1, 0, Duration::ZERO), "laid down and not taken yet");
    assert_eq!((lent, waiting), (1, 0));
    let taken = desk.poll(key).expect("answered").expect("served");
    assert_eq!(counted(&desk, 30), (2, 1, MS * 20, 1, MS * 30));
    done(desk.put(taken, 35));
    assert_eq!(counted(&desk, 50), (2, 1, MS * 20, 2, MS * 35));
}

#[test]
fn who_leaves_with_the_answer_laid_down_counts_nowhere() {
    let (desk, lent) = Desk::busy(rules(1));
    let keys = [1, 2].map(|label| desk.join(label, Priority::Normal, 10, LATE));
    done(desk.put(lent, 30));
    done(desk.gate.leave(keys[0], desk.at(40)));
    assert_eq!(
        (desk.census(40).acquires, desk.census(40).waits),
        (1, 0),
        "now it is laid down for the second"
    );
    done(desk.gate.leave(keys[1], desk.at(50)));
    assert_eq!(counted(&desk, 60), (1, 0, Duration::ZERO, 1, MS * 30));
    let Census { lent, idle, waiting, .. } = desk.census(60);
    assert_eq!((lent, idle, waiting), (0, 1, 0));
}

#[test]
fn who_is_refused_counts_as_no_lease() {
    let desk = Desk::new(rules(1));
    let key = desk.join(1, Priority::Normal, 0, LATE);
    done(desk.gate.open_failed("refused"));
    assert_eq!(desk.poll(key), Some(Err(Refusal::Open("refused"))));
    assert_eq!(counted(&desk, 10), (0, 0, Duration::ZERO, 0, Duration::ZERO));
}

#[test]
fn a_failed_opening_is_told_to_the_first_and_only_while_nothing_is_lent() {
    let (desk, (_, seat)) = Desk::busy(rules(2));
    let keys = [1, 2].map(|label| desk.join(label, Priority::Normal, label, LATE));
    assert_eq!(done(desk.gate.open_failed("refused")).1, 0, "what is lent will come back");
    assert_eq!(keys.map(|key| desk.poll(key)), [None, None]);
    assert_eq!(done(desk.gate.lose(seat, desk.at(5))).1, 2);
    assert_eq!(done(desk.gate.open_failed("refused")).1, 0, "the other opening is meant for the second");
    assert_eq!(keys.map(|key| (key == keys[1]).then(|| desk.poll(key)).flatten()), [None, None]);
    assert_eq!(desk.poll(keys[0]), Some(Err(Refusal::Open("refused"))));
    assert_eq!((desk.census(5).opening, desk.census(5).waiting), (1, 1));
}

#[test]
fn a_holder_is_named_once() {
    let desk = Desk::new(rules(2));
    (1..=2).for_each(|number| desk.open(number));
    let take = |label, now| desk.gate.try_take(label, desk.at(now)).expect("it idles").expect("open");
    let (early, late) = (take(7, 0), take(8, 20));
    let named = |before| {
        let named = desk.gate.overdue(desk.at(before));
        named.iter().map(|holder| (holder.label, holder.backend)).collect::<Vec<_>>()
    };
    assert_eq!(named(10), [(7, Some(2))]);
    assert_eq!(named(10), []);
    assert_eq!(desk.gate.holders().len(), 2);
    let after = desk.put(early, 30);
    assert_eq!((after.reported, after.ended, after.is_done()), (true, Some(MS * 30), false));
    let after = desk.put(late, 30);
    assert_eq!((after.reported, after.ended, after.is_done()), (false, Some(MS * 10), true));
    // The seat is another's now.
    let after = desk.put(take(9, 40), 50);
    assert!(!after.reported);
}

#[test]
fn a_closed_gate_lends_nothing_and_keeps_nothing() {
    let (desk, lent) = Desk::busy(rules(2));
    desk.open(2);
    let key = {
        let taken = desk.gate.try_take(0, desk.at(0)).expect("it idles").expect("open");
        let key = desk.join(1, Priority::Normal, 0, LATE);
        done(desk.gate.lose(taken.1, desk.at(0)));
        key
    };
    assert_eq!(done(desk.gate.close()).0, []);
    assert_eq!(desk.poll(key), Some(Err(Refusal::Closed)));
    assert_eq!(desk.refusal(Priority::High, 0, LATE), Refusal::Closed);
    assert_eq!(desk.gate.try_take(0, desk.at(0)), Some(Err(Refusal::Closed)));
    assert_eq!(done(desk.put(lent, 5)).0, [Token(1)]);
    assert_eq!(done(desk.gate.adopt(Token(3), desk.at(5))).0, [Token(3)]);
    assert_eq!(done(desk.gate.opened(Token(4), desk.at(5))).0, [Token(4)]);
    let Census { lent, idle, opening, waiting, .. } = desk.census(5);
    assert_eq!((lent, idle, opening, waiting), (0, 0, 0, 0));
}

/// What may happen at a gate; a number chooses among what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(Priority),
    Take,
    Put(usize),
    Lose(usize),
    Leave(usize),
    Opened,
    Failed,
    Abandoned,
    Adopt,
    Resize(u32),
    Fill(u32),
}

fn steps() -> impl Strategy<Value = Step> {
    use Priority::{High, Low, Normal};
    prop_oneof![
        4 => prop_oneof![Just(High), Just(Normal), Just(Low)].prop_map(Step::Ask),
        2 => Just(Step::Take),
        4 => (0..8_usize).prop_map(Step::Put),
        1 => (0..8_usize).prop_map(Step::Lose),
        2 => (0..8_usize).prop_map(Step::Leave),
        4 => Just(Step::Opened),
        1 => Just(Step::Failed),
        1 => Just(Step::Abandoned),
        1 => Just(Step::Adopt),
        2 => (1..6_u32).prop_map(Step::Resize),
        1 => (0..8_u32).prop_map(Step::Fill),
    ]
}

/// What a gate's owner knows of it.
#[derive(Default)]
struct Known {
    lent: Vec<Taken>,
    waiting: Vec<(u32, Key)>,
    opening: u32,
    /// Connections that exist: made and neither closed nor lost.
    exist: u32,
    made: i32,
}

impl Known {
    fn make(&mut self) -> Token {
        self.exist += 1;
        self.made += 1;
        Token(self.made)
    }

    fn settle(&mut self, after: After<Token>) {
        let (retired, open) = done(after);
        self.exist -= u32::try_from(retired.len()).expect("few");
        self.opening += open;
    }

    fn step(&mut self, desk: &Desk, step: Step) {
        let now = desk.at(1);
        match step {
            Step::Ask(priority) => match desk.ask(0, priority, 1, LATE) {
                Asked::Answered(answer) => self.lent.push(answer.expect("there is room to wait")),
                Asked::Queued { key, open, .. } => {
                    self.waiting.push((0, key));
                    self.opening += open;
                }
            },
            Step::Take => self.lent.extend(desk.gate.try_take(0, now).map(|answer| answer.expect("open"))),
            Step::Put(which) if !self.lent.is_empty() => {
                let taken = self.lent.swap_remove(which % self.lent.len());
                self.settle(desk.put(taken, 1));
            }
            Step::Lose(which) if !self.lent.is_empty() => {
                let (_, seat) = self.lent.swap_remove(which % self.lent.len());
                self.exist -= 1;
                self.settle(desk.gate.lose(seat, now));
            }
            Step::Leave(which) if !self.waiting.is_empty() => {
                let (_, key) = self.waiting.swap_remove(which % self.waiting.len());
                self.settle(desk.gate.leave(key, now));
            }
            Step::Opened if self.opening > 0 => {
                self.opening -= 1;
                let token = self.make();
                self.settle(desk.gate.opened(token, now));
            }
            Step::Failed if self.opening > 0 => {
                self.opening -= 1;
                self.settle(desk.gate.open_failed("refused"));
            }
            Step::Abandoned if self.opening > 0 => {
                self.opening -= 1;
                desk.gate.open_abandoned();
            }
            Step::Adopt => {
                let token = self.make();
                self.settle(desk.gate.adopt(token, now));
            }
            Step::Resize(limit) => self.settle(desk.gate.resize(limit)),
            Step::Fill(least) => self.opening += desk.gate.fill(least),
            Step::Put(_) | Step::Lose(_) | Step::Leave(_) | Step::Opened | Step::Failed | Step::Abandoned => {
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Above the limit it is only after a shrink, by what is lent and being opened, and never by more than it was.
    #[test]
    fn the_limit_holds_whatever_happens(steps in collection::vec((steps(), any::<bool>()), 1..80)) {
        let (desk, mut known, mut before) = (Desk::new(rules(3)), Known::default(), 0);
        for (step, collects) in steps {
            known.step(&desk, step);
            if collects {
                let answered = desk.answered(&mut known.waiting);
                known.lent.extend(answered.into_iter().filter_map(|(_, answer)| answer.ok()));
            }
            let Census { limit, lent, idle, opening, .. } = desk.census(1);
            let total = lent + idle + opening;
            prop_assert!(total <= limit.max(before), "{total} of {limit} after {step:?}, {before} before");
            prop_assert!(total <= limit || idle == 0, "surplus idles after {step:?}");
            prop_assert_eq!((opening, lent + idle), (known.opening, known.exist), "after {:?}", step);
            before = total;
        }
        // Everybody goes, and nothing is left behind.
        for (_, key) in std::mem::take(&mut known.waiting) {
            known.settle(desk.gate.leave(key, desk.at(2)));
        }
        for taken in std::mem::take(&mut known.lent) {
            known.settle(desk.put(taken, 2));
        }
        let Census { lent, waiting, idle, .. } = desk.census(2);
        prop_assert_eq!((lent, waiting, idle), (0, 0, known.exist));
    }
}

#[test]
fn who_has_left_is_in_nobody_s_way() {
    let (desk, lent) = Desk::busy(rules(1));
    let mut queue = (0..20).map(|label| (label, desk.join(label, Priority::Low, 0, LATE))).collect();
    let times: Vec<u32> = (1..=9).map(|number| number * 10).collect();
    let _lent = desk.serve(lent, &mut queue, &times);
    for label in 0..10 {
        let key = desk.join(label, Priority::High, 90, LATE);
        done(desk.gate.leave(key, desk.at(90)));
    }
    desk.join(99, Priority::High, 90, 110);
}
