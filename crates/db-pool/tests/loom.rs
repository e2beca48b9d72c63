//! The gate under every interleaving of two or three threads that loom can find.
//!
//! The gate is compiled here a second time, with loom's lock in place of std's; it uses nothing else that loom would have
//! to know. Run with `cargo nextest run -p db-pool --test loom`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the gate is compiled here whole, and the models use part of it"
)]

#[path = "../src/gate/mod.rs"]
mod gate;

mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

use gate::{After, Asked, Census, Gate, Item, Key, Priority, Refusal, Rules, Seat};
use loom::{future::block_on, sync::Arc, thread};
use std::{
    future::poll_fn,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

/// A connection; only its being there counts.
#[derive(Debug, PartialEq, Eq)]
struct Token;

impl Item for Token {
    fn backend(&self) -> Option<i32> {
        None
    }
}

type TestGate = Gate<Token, (), &'static str>;

/// A gate of which `lent` connections are lent already.
fn gate(limit: u32, lent: usize) -> (Arc<TestGate>, Vec<(Token, Seat)>) {
    let gate =
        Arc::new(TestGate::new(Rules { limit, max_waiting: 10, aging: Duration::from_secs(1), codel: None }));
    for _ in 0..gate.fill(u32::try_from(lent).expect("few")) {
        finish(gate.opened(Token, now()));
    }
    let taken = (0..lent).map(|_| gate.try_take((), now()).expect("idle").expect("open")).collect();
    (gate, taken)
}

/// The clock stands still: no model depends on it.
fn now() -> Instant {
    thread_local!(static NOW: Instant = Instant::now());
    NOW.with(|now| *now)
}

/// Does what is left to do outside the lock; opening is the models' own affair.
fn finish(mut after: After<Token>) -> (usize, u32) {
    after.wake_all();
    (after.retire.len(), after.open)
}

fn ask(gate: &TestGate, waker: &Waker) -> Result<(Token, Seat), Option<Key>> {
    let later = now() + Duration::from_secs(60);
    match gate.ask((), Priority::Normal, now(), || (now(), later), waker) {
        Asked::Answered(Ok(taken)) => Ok(taken),
        Asked::Answered(Err(_)) => Err(None),
        Asked::Queued { key, .. } => Err(Some(key)),
    }
}

/// Waits for an answer, as a caller's future does.
fn wait(gate: &TestGate) -> Result<(Token, Seat), Refusal<&'static str>> {
    let mut key = None;
    block_on(poll_fn(move |context| {
        let Some(key) = key else {
            let later = now() + Duration::from_secs(60);
            return match gate.ask((), Priority::Normal, now(), || (now(), later), context.waker()) {
                Asked::Answered(answer) => Poll::Ready(answer),
                Asked::Queued { key: queued, open, .. } => {
                    key = Some(queued);
                    // What the pool's opener would do.
                    (0..open).for_each(|_| {
                        finish(gate.opened(Token, now()));
                    });
                    Poll::Pending
                }
            };
        };
        gate.poll(key, context)
    }))
}

fn check(gate: &TestGate, lent: u32, idle: u32) {
    let Census { lent: l, idle: i, waiting, opening, .. } = gate.census(now());
    assert_eq!((l, i, waiting, opening), (lent, idle, 0, 0));
}

#[test]
fn a_waiter_always_gets_what_comes_back() {
    loom::model(|| {
        let (gate, mut lent) = gate(1, 1);
        let (token, seat) = lent.pop().expect("one");
        let waiter = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                let (token, seat) = wait(&gate).expect("served");
                finish(gate.put(token, seat, now(), now));
            }
        });
        finish(gate.put(token, seat, now(), now));
        waiter.join().expect("no panic");
        check(&gate, 0, 1);
    });
}

#[test]
fn a_waiter_that_leaves_loses_nothing() {
    loom::model(|| {
        let (gate, mut lent) = gate(1, 1);
        let (token, seat) = lent.pop().expect("one");
        let waiter = thread::spawn({
            let gate = Arc::clone(&gate);
            move || match ask(&gate, Waker::noop()) {
                Ok((token, seat)) => {
                    finish(gate.put(token, seat, now(), now));
                }
                // Dropped while it waits, or after the answer was laid down: both happen.
                Err(Some(key)) => {
                    finish(gate.leave(key, now()));
                }
                Err(None) => panic!("nobody refuses"),
            }
        });
        finish(gate.put(token, seat, now(), now));
        waiter.join().expect("no panic");
        check(&gate, 0, 1);
    });
}

#[test]
fn one_that_leaves_passes_its_answer_to_the_next() {
    loom::model(|| {
        let (gate, mut lent) = gate(1, 1);
        let (token, seat) = lent.pop().expect("one");
        let Err(Some(first)) = ask(&gate, Waker::noop()) else { panic!("it must wait") };
        let second = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                let (token, seat) = wait(&gate).expect("served");
                finish(gate.put(token, seat, now(), now));
            }
        });
        let leaver = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                finish(gate.leave(first, now()));
            }
        });
        finish(gate.put(token, seat, now(), now));
        leaver.join().expect("no panic");
        second.join().expect("no panic");
        check(&gate, 0, 1);
    });
}

#[test]
fn a_shrink_under_way_closes_exactly_the_surplus() {
    loom::model(|| {
        let (gate, mut lent) = gate(2, 2);
        let (one, two) = (lent.pop().expect("one"), lent.pop().expect("two"));
        let shrinker = thread::spawn({
            let gate = Arc::clone(&gate);
            move || finish(gate.resize(1)).0
        });
        let returner = thread::spawn({
            let gate = Arc::clone(&gate);
            move || finish(gate.put(one.0, one.1, now(), now)).0
        });
        let closed = finish(gate.put(two.0, two.1, now(), now)).0;
        let closed = closed + shrinker.join().expect("no panic") + returner.join().expect("no panic");
        assert_eq!(closed, 1);
        check(&gate, 0, 1);
    });
}

#[test]
fn a_close_leaves_nobody_waiting_and_nothing_idle() {
    loom::model(|| {
        let (gate, mut lent) = gate(1, 1);
        let (token, seat) = lent.pop().expect("one");
        let waiter = thread::spawn({
            let gate = Arc::clone(&gate);
            move || match wait(&gate) {
                Ok((token, seat)) => finish(gate.put(token, seat, now(), now)).0,
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::Closed);
                    0
                }
            }
        });
        let closer = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                let closed = finish(gate.close()).0;
                // Waits for the connection that is lent, and is woken by its return.
                block_on(poll_fn(|context| gate.poll_drained(context)));
                closed
            }
        });
        let closed = finish(gate.put(token, seat, now(), now)).0;
        let closed = closed + waiter.join().expect("no panic") + closer.join().expect("no panic");
        assert_eq!(closed, 1, "the connection is closed once");
        check(&gate, 0, 0);
    });
}

#[test]
fn a_failed_opening_tells_one_waiter_or_lets_it_have_what_comes_back() {
    loom::model(|| {
        let (gate, _) = gate(1, 0);
        assert_eq!(gate.fill(1), 1);
        let waiter = thread::spawn({
            let gate = Arc::clone(&gate);
            move || match wait(&gate) {
                Ok((token, seat)) => {
                    finish(gate.put(token, seat, now(), now));
                }
                Err(refusal) => assert_eq!(refusal, Refusal::Open("refused")),
            }
        });
        // What the gate wants opened after a failure is opened then, and this time it works.
        let (_, more) = finish(gate.open_failed("refused"));
        (0..more).for_each(|_| {
            finish(gate.opened(Token, now()));
        });
        waiter.join().expect("no panic");
        let Census { lent, waiting, opening, idle, .. } = gate.census(now());
        assert_eq!((lent, waiting, opening), (0, 0, 0));
        assert!(idle <= 1);
    });
}
