//! The gate: how many connections exist, which of them idle, who waits, and who is next.
//!
//! Everything is under one short lock, so every figure is exact at every moment: a connection is lent, idle, or being
//! opened, and the three together never exceed the limit. There is no permit beside the connection that could be lost:
//! what is lent has a *seat*, and the seat is given up in exactly one of three ways (`put`, `lose`, `leave`). The gate
//! knows no clock, runtime or server; what must be done outside its lock it hands back as [`After`].

pub(crate) mod codel;
pub(crate) mod pace;
pub(crate) mod queue;

use crate::sync::{Mutex, MutexGuard, PoisonError};
use codel::{CoDel, Controller};
use pace::Pace;
pub(crate) use queue::{Key, Priority};
use queue::{Queue, Waiter};
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// What the gate must know of a connection.
pub(crate) trait Item {
    /// The server process behind it, for reports about who holds it.
    fn backend(&self) -> Option<i32>;
}

/// Where a lent connection is accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat(u32);

/// The rules of one gate.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) limit: u32,
    pub(crate) max_waiting: u32,
    pub(crate) aging: Duration,
    pub(crate) codel: Option<CoDel>,
}

/// Why a request is turned away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal<E> {
    /// The pool is closed.
    Closed,
    /// As many wait as may.
    Full,
    /// At the queue's pace the deadline would pass first.
    Late { expected: Duration },
    /// The queue has stood for too long, and this one has waited over the target.
    Standing { waited: Duration },
    /// Its deadline has passed.
    Overdue,
    /// The connection that would have served it could not be opened.
    Open(E),
}

pub(crate) type Answer<T, E> = Result<(T, Seat), Refusal<E>>;

/// What came of asking for a connection.
pub(crate) enum Asked<T, E> {
    Answered(Answer<T, E>),
    /// In the queue since `since`; as many new connections as `open` says must be opened. `returns` leases had ended by
    /// then.
    Queued {
        key: Key,
        open: u32,
        since: Instant,
        returns: u64,
    },
}

/// One who holds a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<L> {
    pub(crate) label: L,
    pub(crate) since: Instant,
    pub(crate) backend: Option<i32>,
}

/// What is left to do once the lock is released.
#[must_use]
pub(crate) struct After<T> {
    wake: Option<Waker>,
    wake_more: Vec<Waker>,
    /// Connections to close.
    pub(crate) retire: Vec<T>,
    /// Connections to open; each is counted as being opened already.
    pub(crate) open: u32,
    /// A lease ended, and was held this long.
    pub(crate) ended: Option<Duration>,
    /// It had been reported as held for too long.
    pub(crate) reported: bool,
}

impl<T> After<T> {
    fn nothing() -> Self {
        Self { wake: None, wake_more: Vec::new(), retire: Vec::new(), open: 0, ended: None, reported: false }
    }

    fn wake(&mut self, waker: Waker) {
        match self.wake {
            None => self.wake = Some(waker),
            Some(_) => self.wake_more.push(waker),
        }
    }

    /// Wakes whom there is to wake; call it first.
    #[inline]
    pub(crate) fn wake_all(&mut self) {
        if let Some(waker) = self.wake.take() {
            waker.wake();
            self.wake_more.drain(..).for_each(Waker::wake);
        }
    }

    /// Whether there was nothing but somebody to wake.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.open == 0 && self.retire.is_empty() && !self.reported
    }
}

/// Figures of one moment, exact among themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) limit: u32,
    pub(crate) lent: u32,
    pub(crate) opening: u32,
    pub(crate) idle: u32,
    pub(crate) waiting: u32,
    /// Leases given.
    pub(crate) acquires: u64,
    /// Of these, the ones that waited.
    pub(crate) waits: u64,
    pub(crate) waited: Duration,
    /// Leases that ended, and how long they and the present ones were held.
    pub(crate) returns: u64,
    pub(crate) busy: Duration,
    /// Turned away at once, because the queue was full or too slow for the deadline.
    pub(crate) refused: u64,
    /// Turned away from a standing queue.
    pub(crate) shed: u64,
}

struct Lent<L> {
    holder: Holder<L>,
    /// Before it was lent.
    waited: Duration,
    reported: bool,
}

struct State<T, L, E> {
    rules: Rules,
    closed: bool,
    idle: VecDeque<T>,
    seats: Vec<Option<Lent<L>>>,
    free_seats: Vec<u32>,
    lent: u32,
    opening: u32,
    queue: Queue<L, Answer<T, E>>,
    codel: Option<Controller>,
    pace: Pace,
    drain: Vec<Waker>,
    acquires: u64,
    waits: u64,
    waited_nanos: u64,
    returns: u64,
    busy_nanos: u64,
    refused: u64,
    shed: u64,
}

/// See the module.
pub(crate) struct Gate<T, L, E> {
    state: Mutex<State<T, L, E>>,
}

impl<T: Item, L: Copy, E> Gate<T, L, E> {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            state: Mutex::new(State {
                closed: false,
                idle: VecDeque::new(),
                seats: Vec::new(),
                free_seats: Vec::new(),
                lent: 0,
                opening: 0,
                queue: Queue::new(rules.aging),
                codel: rules.codel.map(Controller::new),
                pace: Pace::default(),
                drain: Vec::new(),
                acquires: 0,
                waits: 0,
                waited_nanos: 0,
                returns: 0,
                busy_nanos: 0,
                refused: 0,
                shed: 0,
                rules,
            }),
        }
    }

    /// Takes an idle connection if one is there and nobody waits; the hot path.
    pub(crate) fn try_take(&self, label: L, now: Instant) -> Option<Answer<T, E>> {
        let mut state = self.lock();
        if state.closed {
            return Some(Err(Refusal::Closed));
        }
        if !state.queue.is_empty() {
            return None;
        }
        let item = state.idle.pop_back()?;
        let seat = state.sit(label, now, &item);
        state.acquires += 1;
        Some(Ok((item, seat)))
    }

    /// Takes a connection or joins the queue. `now` is when a lease begins. `exact` says the exact time and the deadline,
    /// and is asked only where there is something to wait for.
    pub(crate) fn ask(
        &self,
        label: L,
        priority: Priority,
        now: Instant,
        exact: impl FnOnce() -> (Instant, Instant),
        waker: &Waker,
    ) -> Asked<T, E> {
        let mut state = self.lock();
        if state.closed {
            return Asked::Answered(Err(Refusal::Closed));
        }
        if state.queue.is_empty()
            && let Some(item) = state.idle.pop_back()
        {
            let seat = state.sit(label, now, &item);
            state.acquires += 1;
            return Asked::Answered(Ok((item, seat)));
        }
        let (since, deadline) = exact();
        if let Some(refusal) = state.turned_away(priority, since, deadline) {
            state.refused += 1;
            return Asked::Answered(Err(refusal));
        }
        let key = state.queue.join(label, priority, since, deadline, waker.clone());
        let open = state.wanted();
        Asked::Queued { key, open, since, returns: state.returns }
    }

    /// The answer to a request that was queued, once it is there.
    pub(crate) fn poll(&self, key: Key, context: &mut Context<'_>) -> Poll<Answer<T, E>> {
        let mut state = self.lock();
        let Some(answer) = state.queue.poll(key, context.waker()) else { return Poll::Pending };
        if let Ok((_, seat)) = &answer {
            // Counted when it is taken: an answer that is left lying never was a lease.
            let waited = state.seats[seat.0 as usize].as_ref().map_or(Duration::ZERO, |lent| lent.waited);
            state.acquires += 1;
            state.waits += 1;
            state.waited_nanos += nanos(waited);
        }
        Poll::Ready(answer)
    }

    /// Withdraws a request; what was laid down for it goes to the next.
    pub(crate) fn leave(&self, key: Key, now: Instant) -> After<T> {
        let mut after = After::nothing();
        let mut state = self.lock();
        if let Some(Ok((item, seat))) = state.queue.leave(key) {
            state.stand(seat);
            state.pass_on(item, now, &mut after);
        }
        after
    }

    /// Turns away those whose deadline has passed, or everybody. Says whether anybody waits still.
    pub(crate) fn expire(&self, now: Option<Instant>) -> (After<T>, bool) {
        let mut after = After::nothing();
        let mut state = self.lock();
        let mut from = 0;
        while let Some((key, waiter)) = state.queue.overdue(now, from) {
            from = key.index + 1;
            state.queue.answer(key, Err(Refusal::Overdue));
            after.wake(waiter.waker);
        }
        (after, !state.queue.is_empty())
    }

    /// Takes back a lent connection. `exact` is asked for the exact time only where somebody waits.
    pub(crate) fn put(&self, item: T, seat: Seat, now: Instant, exact: impl FnOnce() -> Instant) -> After<T> {
        let mut after = After::nothing();
        let mut state = self.lock();
        state.end(seat, now, &mut after);
        let now = if state.queue.is_empty() { now } else { exact() };
        state.pass_on(item, now, &mut after);
        state.wake_if_drained(&mut after);
        after
    }

    /// Gives up the seat of a connection that will not come back to it.
    pub(crate) fn lose(&self, seat: Seat, now: Instant) -> After<T> {
        let mut after = After::nothing();
        let mut state = self.lock();
        state.end(seat, now, &mut after);
        after.open = state.wanted();
        state.wake_if_drained(&mut after);
        after
    }

    /// A connection that was being opened is there.
    pub(crate) fn opened(&self, item: T, now: Instant) -> After<T> {
        let mut after = After::nothing();
        let mut state = self.lock();
        state.opening -= 1;
        state.pass_on(item, now, &mut after);
        after
    }

    /// A connection that was being opened will not come. Whoever waits longest is told so, unless others hold
    /// connections that will come back to it.
    pub(crate) fn open_failed(&self, error: E) -> After<T> {
        let mut after = After::nothing();
        let mut state = self.lock();
        state.opening -= 1;
        if state.lent == 0 {
            if let Some((key, waiter)) = state.queue.next() {
                state.queue.answer(key, Err(Refusal::Open(error)));
                after.wake(waiter.waker);
            }
            after.open = state.wanted();
        }
        after
    }

    /// An attempt to open was abandoned: nobody is told.
    pub(crate) fn open_abandoned(&self) {
        self.lock().opening -= 1;
    }

    /// Takes in a connection that was not counted: one that was recovered. Without room it is to be closed.
    pub(crate) fn adopt(&self, item: T, now: Instant) -> After<T> {
        let mut after = After::nothing();
        self.lock().pass_on(item, now, &mut after);
        after
    }

    /// Sets how many connections may exist. Surplus that idles is to be closed now, surplus that is lent when it
    /// comes back; new room is used for those who wait.
    pub(crate) fn resize(&self, limit: u32) -> After<T> {
        let mut after = After::nothing();
        let mut state = self.lock();
        state.rules.limit = limit;
        while state.total() > limit
            && let Some(item) = state.idle.pop_front()
        {
            after.retire.push(item);
        }
        after.open = state.wanted();
        after
    }

    /// How many connections must be opened so that `least` exist; they count as being opened.
    pub(crate) fn fill(&self, least: u32) -> u32 {
        let mut state = self.lock();
        if state.closed {
            return 0;
        }
        let missing = least.min(state.rules.limit).saturating_sub(state.total());
        state.opening += missing;
        missing
    }

    /// How many connections must be opened for those who wait; they count as being opened.
    pub(crate) fn wanted(&self) -> u32 {
        self.lock().wanted()
    }

    /// Takes out the idle connections that `keep` refuses, the longest idle first; it is told how many would be left.
    pub(crate) fn sift(&self, mut keep: impl FnMut(&T, u32) -> bool) -> Vec<T> {
        let mut state = self.lock();
        let mut gone = Vec::new();
        let mut kept = VecDeque::with_capacity(state.idle.len());
        while let Some(item) = state.idle.pop_front() {
            let left = state.total() + u32::try_from(kept.len()).unwrap_or(u32::MAX);
            if keep(&item, left) { kept.push_back(item) } else { gone.push(item) }
        }
        state.idle = kept;
        gone
    }

    /// Those who have held a connection since before `before` and were not named yet.
    pub(crate) fn overdue(&self, before: Instant) -> Vec<Holder<L>> {
        let mut state = self.lock();
        let late = |lent: &&mut Lent<L>| !lent.reported && lent.holder.since <= before;
        let named = state.seats.iter_mut().flatten().filter(late).map(|lent| {
            lent.reported = true;
            lent.holder
        });
        named.collect()
    }

    /// Who holds a connection now.
    pub(crate) fn holders(&self) -> Vec<Holder<L>> {
        self.lock().seats.iter().flatten().map(|lent| lent.holder).collect()
    }

    /// Lends nothing more and turns away everybody who waits; what idles is to be closed.
    pub(crate) fn close(&self) -> After<T> {
        let mut after = After::nothing();
        let mut state = self.lock();
        state.closed = true;
        after.retire.extend(state.idle.drain(..));
        while let Some((key, waiter)) = state.queue.next() {
            state.queue.answer(key, Err(Refusal::Closed));
            after.wake(waiter.waker);
        }
        after
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ready when nothing is lent.
    pub(crate) fn poll_drained(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.lent == 0 {
            return Poll::Ready(());
        }
        if !state.drain.iter().any(|waker| waker.will_wake(context.waker())) {
            state.drain.push(context.waker().clone());
        }
        Poll::Pending
    }

    pub(crate) fn census(&self, now: Instant) -> Census {
        let state = self.lock();
        let held = |lent: &Lent<L>| now.saturating_duration_since(lent.holder.since);
        Census {
            limit: state.rules.limit,
            lent: state.lent,
            opening: state.opening,
            idle: u32::try_from(state.idle.len()).unwrap_or(u32::MAX),
            waiting: u32::try_from(state.queue.len()).unwrap_or(u32::MAX),
            acquires: state.acquires,
            waits: state.waits,
            waited: Duration::from_nanos(state.waited_nanos),
            returns: state.returns,
            busy: Duration::from_nanos(state.busy_nanos)
                + state.seats.iter().flatten().map(held).sum::<Duration>(),
            refused: state.refused,
            shed: state.shed,
        }
    }

    /// Held only for a few steps that do not call out; a panic cannot leave it half changed, so poison says nothing.
    fn lock(&self) -> MutexGuard<'_, State<T, L, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Item, L: Copy, E> State<T, L, E> {
    fn total(&self) -> u32 {
        self.lent + self.opening + u32::try_from(self.idle.len()).unwrap_or(u32::MAX)
    }

    fn turned_away(&self, priority: Priority, now: Instant, deadline: Instant) -> Option<Refusal<E>> {
        if self.queue.len() >= self.rules.max_waiting as usize {
            return Some(Refusal::Full);
        }
        let left = deadline.saturating_duration_since(now);
        let expected = self.pace.expected(self.queue.ahead_of(priority, now))?;
        (expected > left && self.total() >= self.rules.limit).then_some(Refusal::Late { expected })
    }

    /// For each waiter that no opening connection is meant for, one more, as far as there is room.
    fn wanted(&mut self) -> u32 {
        if self.closed {
            return 0;
        }
        let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let more = waiting.saturating_sub(self.opening).min(self.rules.limit.saturating_sub(self.total()));
        self.opening += more;
        more
    }

    fn sit(&mut self, label: L, now: Instant, item: &T) -> Seat {
        let lent = Lent {
            holder: Holder { label, since: now, backend: item.backend() },
            waited: Duration::ZERO,
            reported: false,
        };
        self.lent += 1;
        match self.free_seats.pop() {
            Some(seat) => {
                self.seats[seat as usize] = Some(lent);
                Seat(seat)
            }
            None => {
                self.seats.push(Some(lent));
                Seat(u32::try_from(self.seats.len() - 1).unwrap_or(u32::MAX))
            }
        }
    }

    fn stand(&mut self, seat: Seat) -> Option<Lent<L>> {
        let lent = self.seats[seat.0 as usize].take();
        self.free_seats.push(seat.0);
        self.lent -= 1;
        lent
    }

    /// Ends a lease.
    fn end(&mut self, seat: Seat, now: Instant, after: &mut After<T>) {
        let Some(lent) = self.stand(seat) else { return };
        let held = now.saturating_duration_since(lent.holder.since);
        self.returns += 1;
        self.busy_nanos += nanos(held);
        after.ended = Some(held);
        after.reported = lent.reported;
    }

    /// Gives a connection that is counted nowhere to the next waiter, or lets it idle, or hands it back to be closed.
    fn pass_on(&mut self, item: T, now: Instant, after: &mut After<T>) {
        if self.closed || self.total() >= self.rules.limit {
            after.retire.push(item);
            return;
        }
        while let Some((key, waiter)) = self.queue.next() {
            let Waiter { label, since, waker, .. } = waiter;
            let sojourn = now.saturating_duration_since(since);
            after.wake(waker);
            let behind = self.queue.len();
            if self.codel.as_mut().is_some_and(|codel| codel.refuse(sojourn, now, behind)) {
                self.shed += 1;
                self.queue.answer(key, Err(Refusal::Standing { waited: sojourn }));
                continue;
            }
            self.pace.handed_over(now, behind);
            let seat = self.sit(label, now, &item);
            if let Some(lent) = &mut self.seats[seat.0 as usize] {
                lent.waited = sojourn;
            }
            self.queue.answer(key, Ok((item, seat)));
            return;
        }
        self.idle.push_back(item);
    }

    fn wake_if_drained(&mut self, after: &mut After<T>) {
        if self.lent == 0 {
            self.drain.drain(..).for_each(|waker| after.wake(waker));
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
