//! What a subscriber has not heard yet: bounded, and what falls out of it is counted. Pure.

use super::Room;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many messages are missing, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missed(pub(crate) Option<u64>);

impl Missed {
    #[cfg(any(test, feature = "postgres", feature = "redis"))]
    pub(crate) const UNKNOWN: Self = Self(None);

    fn and(self, more: Self) -> Self {
        Self(self.0.zip(more.0).map(|(one, other)| one.saturating_add(other)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Message(Arc<[u8]>),
    Gap(Missed),
}

#[derive(Debug)]
pub(crate) struct Inbox {
    room: Room,
    /// What has fallen out, which was before everything that waits.
    fallen: Option<Missed>,
    /// No two gaps follow each other.
    waiting: VecDeque<Next>,
    bytes: usize,
}

impl Inbox {
    pub(crate) fn new(room: Room) -> Self {
        Self { room, fallen: None, waiting: VecDeque::new(), bytes: 0 }
    }

    /// Tells how many messages fall out for it.
    pub(crate) fn message(&mut self, message: Arc<[u8]>) -> u64 {
        self.bytes += message.len();
        self.waiting.push_back(Next::Message(message));
        let mut dropped = 0;
        while self.is_too_full() {
            let missed = match self.waiting.pop_front() {
                Some(Next::Message(message)) => {
                    self.bytes -= message.len();
                    dropped += 1;
                    Missed(Some(1))
                }
                Some(Next::Gap(missed)) => missed,
                None => break,
            };
            self.fall(missed);
        }
        dropped
    }

    #[cfg(any(test, feature = "postgres", feature = "redis"))]
    pub(crate) fn gap(&mut self, missed: Missed) {
        match self.waiting.back_mut() {
            Some(Next::Gap(before)) => *before = before.and(missed),
            _ => self.waiting.push_back(Next::Gap(missed)),
        }
    }

    pub(crate) fn next(&mut self) -> Option<Next> {
        if let Some(Next::Gap(missed)) = self.waiting.front() {
            let missed = *missed;
            self.waiting.pop_front();
            self.fall(missed);
        }
        if let Some(fallen) = self.fallen.take() {
            return Some(Next::Gap(fallen));
        }
        let next = self.waiting.pop_front();
        if let Some(Next::Message(message)) = &next {
            self.bytes -= message.len();
        }
        next
    }

    /// Forgets all that waits.
    #[cfg(feature = "postgres")]
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.room);
    }

    /// The one that came last stays, however long it is.
    fn is_too_full(&self) -> bool {
        let many = self.waiting.len() > self.room.messages || self.bytes > self.room.bytes;
        many && self.waiting.len() > 1
    }

    fn fall(&mut self, missed: Missed) {
        self.fallen = Some(self.fallen.map_or(missed, |before| before.and(missed)));
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, Missed, Next};
    use crate::Room;
    use proptest::{collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest};

    fn inbox(messages: usize, bytes: usize) -> Inbox {
        Inbox::new(Room { messages, bytes, ..Room::default() })
    }

    fn said(inbox: &mut Inbox) -> Vec<String> {
        std::iter::from_fn(|| inbox.next())
            .map(|next| match next {
                Next::Message(message) => String::from_utf8_lossy(&message).into_owned(),
                Next::Gap(Missed(missed)) => format!("{missed:?}"),
            })
            .collect()
    }

    #[test]
    fn what_falls_out_is_a_gap_before_what_is_left() {
        let mut inbox = inbox(2, 100);
        let dropped: u64 =
            ["a", "b", "c", "d"].iter().map(|text| inbox.message(text.as_bytes().into())).sum();
        assert_eq!(dropped, 2);
        assert_eq!(said(&mut inbox), ["Some(2)", "c", "d"]);
        inbox.message((*b"e").into());
        assert_eq!(said(&mut inbox), ["e"], "it is told once");
    }

    #[test]
    fn bytes_are_bounded_too_and_one_message_always_has_room() {
        let mut inbox = inbox(100, 4);
        for text in ["aa", "bb", "c"] {
            inbox.message(text.as_bytes().into());
        }
        assert_eq!(said(&mut inbox), ["Some(1)", "bb", "c"]);
        inbox.message((*b"longer").into());
        assert_eq!(said(&mut inbox), ["longer"]);
    }

    #[test]
    fn gaps_become_one_and_what_is_unknown_stays_so() {
        let mut inbox = inbox(3, 100);
        inbox.gap(Missed(Some(2)));
        inbox.gap(Missed(Some(3)));
        inbox.message((*b"a").into());
        inbox.gap(Missed::UNKNOWN);
        inbox.message((*b"b").into());
        assert_eq!(said(&mut inbox), ["Some(5)", "a", "None", "b"]);
        inbox.gap(Missed::UNKNOWN);
        for text in ["a", "b", "c", "d"] {
            inbox.message(text.as_bytes().into());
        }
        assert_eq!(said(&mut inbox), ["None", "b", "c", "d"]);
    }

    proptest! {
        /// Whatever comes and whenever it is looked at: messages in their order, and each is heard or counted.
        #[test]
        fn every_message_is_heard_or_counted(messages in 1..5_usize, bytes in 0..40_usize, steps in vec(any::<u8>(), 0..200)) {
            let mut inbox = inbox(messages, bytes);
            let (mut published, mut accounted) = (0_u64, 0_u64);
            let check = |inbox: &mut Inbox, accounted: &mut u64| {
                match inbox.next() {
                    Some(Next::Message(message)) => {
                        assert_eq!(message[0], u8::try_from(*accounted % 256).expect("a byte"), "in order");
                        *accounted += 1;
                    }
                    Some(Next::Gap(Missed(missed))) => *accounted += missed.expect("all are counted"),
                    None => return false,
                }
                true
            };
            for step in steps {
                if step % 3 == 0 {
                    check(&mut inbox, &mut accounted);
                } else if step % 7 == 0 {
                    inbox.gap(Missed(Some(1)));
                    published += 1;
                } else {
                    let first = u8::try_from(published % 256).expect("a byte");
                    inbox.message(vec![first; usize::from(step % 16) + 1].into());
                    published += 1;
                }
                prop_assert!(inbox.waiting.len() <= 2 * messages + 1);
            }
            while check(&mut inbox, &mut accounted) {}
            prop_assert_eq!(accounted, published);
            prop_assert_eq!(inbox.bytes, 0);
        }
    }
}
