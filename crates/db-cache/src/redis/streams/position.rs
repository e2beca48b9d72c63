//! Where a subscriber is in a stream, and what it has missed when it comes to an entry. Pure.
//!
//! An entry's id is `<epoch>-<number>`: the epoch is the server's time when the stream began, in microseconds, and the
//! numbers of an epoch have no hole. So one that is passed over was trimmed away, and a stream that was lost and begun
//! anew is another epoch. What a failover or a restart lost leaves no trace in the numbers, which are given out again: a
//! server's history is told by its replication id, which is another one after either.

use crate::pub_sub::Missed;
use std::fmt;
use std::sync::Arc;

/// An entry, or the beginning of a stream where the number is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) epoch: u64,
    pub(super) number: u64,
}

impl Id {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (epoch, number) = text.split_once('-')?;
        Some(Self { epoch: epoch.parse().ok()?, number: number.parse().ok()? })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// What a server tells of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) history: Arc<str>,
    pub(super) last: Id,
}

/// The entry that was heard last, or after which a subscriber began to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    history: Arc<str>,
    pub(super) at: Id,
}

impl Position {
    pub(super) fn at_the_end(look: Look) -> Self {
        Self { history: look.history, at: look.last }
    }

    /// Compares with what the server has now; tells of a gap where something of it may be lost.
    pub(super) fn look(&mut self, look: &Look) -> Option<Missed> {
        let is_same = self.at.epoch == look.last.epoch;
        let is_whole = is_same && self.at.number <= look.last.number;
        if is_whole && self.history == look.history {
            return None;
        }
        self.history = Arc::clone(&look.history);
        if !is_same {
            // All of the new stream is still to come.
            self.at = Id { number: 0, ..look.last };
        } else if !is_whole {
            self.at = look.last;
        }
        Some(Missed::UNKNOWN)
    }

    /// Comes to an entry: `None` where it was heard before, else what is missing before it.
    pub(super) fn hear(&mut self, entry: Id) -> Option<Option<Missed>> {
        let before = self.at;
        if entry.epoch == before.epoch && entry.number <= before.number {
            return None;
        }
        self.at = entry;
        if entry.epoch != before.epoch {
            return Some(Some(Missed::UNKNOWN));
        }
        let missed = entry.number - before.number - 1;
        Some((missed > 0).then_some(Missed(Some(missed))))
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, Look, Position};
    use crate::pub_sub::Missed;

    fn look(history: &str, epoch: u64, number: u64) -> Look {
        Look { history: history.into(), last: Id { epoch, number } }
    }

    fn position(number: u64) -> Position {
        Position::at_the_end(look("a", 100, number))
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = Id::parse("1763762806123456-7").expect("an id");
        assert_eq!(
            (id.epoch, id.number, id.to_string().as_str()),
            (1_763_762_806_123_456, 7, "1763762806123456-7")
        );
        assert_eq!(["", "1", "-", "1-x", "x-1"].map(Id::parse), [None; 5]);
    }

    #[test]
    fn what_was_passed_over_is_counted() {
        for (epoch, number, expected) in [
            (100, 5, None),
            (100, 4, None),
            (100, 6, Some(None)),
            (100, 9, Some(Some(Missed(Some(3))))),
            (200, 1, Some(Some(Missed::UNKNOWN))),
            (50, 1, Some(Some(Missed::UNKNOWN))),
        ] {
            let mut position = position(5);
            assert_eq!(position.hear(Id { epoch, number }), expected, "{epoch}-{number}");
            let at = if expected.is_some() { Id { epoch, number } } else { Id { epoch: 100, number: 5 } };
            assert_eq!(position.at, at);
        }
    }

    #[test]
    fn another_history_is_a_gap_after_which_what_is_left_is_heard() {
        for (now, is_gap, at) in [
            (look("a", 100, 5), false, (100, 5)),
            (look("a", 100, 9), false, (100, 5)),
            (look("b", 100, 9), true, (100, 5)),
            // A replica that lagged.
            (look("b", 100, 3), true, (100, 3)),
            (look("a", 100, 3), true, (100, 3)),
            // Lost and begun anew, by a clock that may have been set back.
            (look("a", 200, 4), true, (200, 0)),
            (look("b", 50, 4), true, (50, 0)),
        ] {
            let mut position = position(5);
            assert_eq!(position.look(&now), is_gap.then_some(Missed::UNKNOWN), "{now:?}");
            assert_eq!((position.at.epoch, position.at.number), at, "{now:?}");
            assert_eq!(position.look(&now), None, "it is told once: {now:?}");
        }
    }
}
