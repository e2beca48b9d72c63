//! Who waits, and who is next: first come first served within a class, and a class is only a head start.

use std::{
    collections::VecDeque,
    task::Waker,
    time::{Duration, Instant},
};

/// How urgent a request is. A higher class goes first among requests that came within the aging time of one another;
/// a lower one that has waited longer than that goes before later arrivals, so that no class starves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Somebody waits for the answer and little depends on it being shared out evenly: health checks, logins.
    High,
    /// What is not said to be otherwise.
    #[default]
    Normal,
    /// Work that can wait: reports, backfills, clean-up.
    Low,
}

const CLASSES: usize = 3;

/// A head start that nobody waits off, and that can still be added to a time.
const YEARS: Duration = Duration::from_secs(300 * 365 * 24 * 3600);

impl Priority {
    fn class(self) -> usize {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// Names one waiter; a number that is used again has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) index: usize,
    generation: u64,
}

/// One who waits, until the answer is there.
pub(crate) struct Waiter<L> {
    pub(crate) label: L,
    pub(crate) since: Instant,
    pub(crate) waker: Waker,
    deadline: Instant,
    class: usize,
}

enum Place<L, A> {
    Free,
    Waiting(Waiter<L>),
    Answered(A),
}

struct Slot<L, A> {
    generation: u64,
    place: Place<L, A>,
}

/// The waiters, each with a place for its answer. Joining, leaving and being next cost the same at any length.
pub(crate) struct Queue<L, A> {
    slots: Vec<Slot<L, A>>,
    free: Vec<usize>,
    /// In the order of arrival. One that left is still named here until its turn comes or the lines are swept.
    lines: [VecDeque<(Key, Instant)>; CLASSES],
    waiting: usize,
    /// Of these, how many in each class.
    live: [usize; CLASSES],
    aging: Duration,
    generation: u64,
}

impl<L, A> Queue<L, A> {
    pub(crate) fn new(aging: Duration) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            lines: std::array::from_fn(|_| VecDeque::new()),
            waiting: 0,
            live: [0; CLASSES],
            aging,
            generation: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// How many would be served before one that came now. Of a lower class those count that have waited off its head start;
    /// where only some have, all of them are taken to.
    pub(crate) fn ahead_of(&self, priority: Priority, now: Instant) -> usize {
        let own = priority.class();
        let aged = |class: usize, since: Instant| {
            let start = u32::try_from(class.saturating_sub(own)).unwrap_or(u32::MAX);
            class <= own || now.saturating_duration_since(since) >= self.aging.saturating_mul(start)
        };
        let first = |class: usize| self.lines[class].iter().find(|(key, _)| self.is_live(*key));
        let ahead = |class: usize| first(class).is_some_and(|&(_, since)| aged(class, since));
        (0..CLASSES).filter(|&class| ahead(class)).map(|class| self.live[class]).sum()
    }

    fn is_live(&self, key: Key) -> bool {
        let slot = &self.slots[key.index];
        slot.generation == key.generation && matches!(slot.place, Place::Waiting(_))
    }

    fn gone(&mut self, class: usize) {
        self.waiting -= 1;
        self.live[class] -= 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub(crate) fn join(
        &mut self,
        label: L,
        priority: Priority,
        now: Instant,
        deadline: Instant,
        waker: Waker,
    ) -> Key {
        self.generation += 1;
        let waiter = Waiter { label, since: now, waker, deadline, class: priority.class() };
        let slot = Slot { generation: self.generation, place: Place::Waiting(waiter) };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        let key = Key { index, generation: self.generation };
        self.lines[priority.class()].push_back((key, now));
        self.waiting += 1;
        self.live[priority.class()] += 1;
        key
    }

    /// Takes the next waiter out of its line; the caller owes it an [`answer`](Self::answer).
    pub(crate) fn next(&mut self) -> Option<(Key, Waiter<L>)> {
        let aging = self.aging;
        let class = (0..CLASSES)
            // The head start of a class is taken off its waiters' arrival; the higher class wins a tie.
            .filter_map(|class| {
                let start = aging.saturating_mul(u32::try_from(class).ok()?);
                let since = self.head(class)?;
                Some((since.checked_add(start).unwrap_or(since + YEARS), class))
            })
            .min()
            .map(|(_, class)| class)?;
        let (key, _) = self.lines[class].pop_front()?;
        let place = std::mem::replace(&mut self.slots[key.index].place, Place::Free);
        let Place::Waiting(waiter) = place else { return None };
        self.gone(waiter.class);
        Some((key, waiter))
    }

    /// Takes a waiter whose deadline has passed, or any, out of the queue; the caller owes it an [`answer`](Self::answer). It looks at
    /// the places from `from` on, and the key says where it was found.
    pub(crate) fn overdue(&mut self, now: Option<Instant>, from: usize) -> Option<(Key, Waiter<L>)> {
        let late = |slot: &Slot<L, A>| match &slot.place {
            Place::Waiting(waiter) => now.is_none_or(|now| waiter.deadline <= now),
            Place::Free | Place::Answered(_) => false,
        };
        let index = from + self.slots[from..].iter().position(late)?;
        let key = Key { index, generation: self.slots[index].generation };
        let place = std::mem::replace(&mut self.slots[index].place, Place::Free);
        let Place::Waiting(waiter) = place else { return None };
        self.gone(waiter.class);
        self.sweep(waiter.class);
        Some((key, waiter))
    }

    /// When the first of a line came; those that left are dropped on the way.
    fn head(&mut self, class: usize) -> Option<Instant> {
        while let Some(&(key, since)) = self.lines[class].front() {
            if self.is_live(key) {
                return Some(since);
            }
            self.lines[class].pop_front();
        }
        None
    }

    /// Lays the answer down for a waiter that [`next`](Self::next) took out.
    pub(crate) fn answer(&mut self, key: Key, answer: A) {
        self.slots[key.index].place = Place::Answered(answer);
    }

    /// The answer, if it is there; else the waiter's waker is renewed.
    pub(crate) fn poll(&mut self, key: Key, waker: &Waker) -> Option<A> {
        let place = &mut self.slots[key.index].place;
        if let Place::Waiting(waiter) = place {
            waiter.waker.clone_from(waker);
            return None;
        }
        let place = std::mem::replace(place, Place::Free);
        self.free.push(key.index);
        match place {
            Place::Answered(answer) => Some(answer),
            Place::Free | Place::Waiting(_) => None,
        }
    }

    /// Takes a waiter out that no longer wants an answer; one that was already laid down is handed back.
    pub(crate) fn leave(&mut self, key: Key) -> Option<A> {
        let place = std::mem::replace(&mut self.slots[key.index].place, Place::Free);
        self.free.push(key.index);
        match place {
            Place::Answered(answer) => Some(answer),
            Place::Waiting(waiter) => {
                self.gone(waiter.class);
                self.sweep(waiter.class);
                None
            }
            Place::Free => None,
        }
    }

    /// Forgets those that left a line once they are more than the rest.
    fn sweep(&mut self, class: usize) {
        const SLACK: usize = 32;
        let named: usize = self.lines.iter().map(VecDeque::len).sum();
        if named > 2 * self.waiting + SLACK {
            let slots = &self.slots;
            self.lines[class].retain(|(key, _)| {
                let slot = &slots[key.index];
                slot.generation == key.generation && matches!(slot.place, Place::Waiting(_))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Priority, Queue};
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::Relaxed},
        },
        task::{Wake, Waker},
        time::{Duration, Instant},
    };

    const AGING: Duration = Duration::from_secs(1);

    /// Arrivals (milliseconds, class), and the order in which they must be served.
    fn check(arrivals: &[(u64, Priority)], expected: &[usize]) {
        let start = Instant::now();
        let mut queue: Queue<usize, ()> = Queue::new(AGING);
        for (number, &(at, priority)) in arrivals.iter().enumerate() {
            queue.join(
                number,
                priority,
                start + Duration::from_millis(at),
                start + AGING * 100,
                Waker::noop().clone(),
            );
        }
        let served: Vec<usize> =
            std::iter::from_fn(|| queue.next().map(|(_, waiter)| waiter.label)).collect();
        assert_eq!(served, expected, "{arrivals:?}");
        assert!(queue.is_empty());
    }

    #[test]
    fn one_class_is_first_come_first_served() {
        use Priority::Normal;
        check(&[(0, Normal), (0, Normal), (5, Normal)], &[0, 1, 2]);
    }

    #[test]
    fn a_class_is_a_head_start_and_no_more() {
        use Priority::{High, Low, Normal};
        check(&[(0, Low), (1, Normal), (2, High)], &[2, 1, 0]);
        // Two classes apart: two seconds, then the first comes first again.
        check(&[(0, Low), (1999, High)], &[1, 0]);
        check(&[(0, Low), (2001, High)], &[0, 1]);
        check(&[(0, Normal), (1001, High)], &[0, 1]);
        check(&[(0, Normal), (1000, High)], &[1, 0]);
    }

    #[test]
    fn one_that_leaves_is_passed_over() {
        let now = Instant::now();
        let mut queue: Queue<usize, ()> = Queue::new(AGING);
        let keys: Vec<_> = (0..3)
            .map(|number| queue.join(number, Priority::Normal, now, now + AGING, Waker::noop().clone()))
            .collect();
        assert!(queue.leave(keys[0]).is_none());
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.next().map(|(_, waiter)| waiter.label), Some(1));
    }

    #[test]
    fn a_place_that_is_used_again_is_another_waiter() {
        let now = Instant::now();
        let mut queue: Queue<usize, ()> = Queue::new(AGING);
        let first = queue.join(0, Priority::Normal, now, now + AGING, Waker::noop().clone());
        queue.leave(first);
        queue.join(1, Priority::Low, now, now + AGING, Waker::noop().clone());
        assert_eq!(queue.next().map(|(_, waiter)| waiter.label), Some(1));
        assert!(queue.next().is_none());
    }

    #[test]
    fn an_answer_nobody_took_is_handed_back() {
        let now = Instant::now();
        let mut queue: Queue<usize, &str> = Queue::new(AGING);
        let key = queue.join(0, Priority::Normal, now, now + AGING, Waker::noop().clone());
        assert!(queue.poll(key, Waker::noop()).is_none());
        let (next, _) = queue.next().expect("it waits");
        queue.answer(next, "a connection");
        assert_eq!(queue.leave(key), Some("a connection"));
    }

    #[test]
    fn the_waker_of_the_last_poll_is_woken() {
        struct Count(AtomicU32);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Relaxed);
            }
        }
        let (first, second) = (Arc::new(Count(0.into())), Arc::new(Count(0.into())));
        let mut queue: Queue<usize, ()> = Queue::new(AGING);
        let key = queue.join(
            0,
            Priority::Normal,
            Instant::now(),
            Instant::now() + AGING,
            Arc::clone(&first).into(),
        );
        assert!(queue.poll(key, &Arc::clone(&second).into()).is_none());
        let (_, waiter) = queue.next().expect("it waits");
        waiter.waker.wake();
        assert_eq!((first.0.load(Relaxed), second.0.load(Relaxed)), (0, 1));
    }

    #[test]
    fn those_whose_deadline_has_passed_are_found_and_no_others() {
        let now = Instant::now();
        let mut queue: Queue<u32, ()> = Queue::new(AGING);
        for number in [3, 1, 2, 5, 4] {
            queue.join(number, Priority::Normal, now, now + AGING * number, Waker::noop().clone());
        }
        let (mut late, mut from) = (Vec::new(), 0);
        while let Some((key, waiter)) = queue.overdue(Some(now + AGING * 3), from) {
            late.push(waiter.label);
            queue.answer(key, ());
            from = key.index + 1;
        }
        assert_eq!((late, queue.len()), (vec![3, 1, 2], 2));
        assert_eq!(queue.next().map(|(_, waiter)| waiter.label), Some(5), "the line goes on behind them");
    }

    #[test]
    fn those_that_left_do_not_pile_up() {
        let now = Instant::now();
        let mut queue: Queue<usize, ()> = Queue::new(AGING);
        for number in 0..10_000 {
            let key = queue.join(number, Priority::Normal, now, now + AGING, Waker::noop().clone());
            queue.leave(key);
        }
        assert!(queue.lines.iter().map(std::collections::VecDeque::len).sum::<usize>() < 100);
        assert!(queue.slots.len() < 100);
    }
}
