//! Events that are stored together.

use super::ticket::{End, Ended};
use crate::audit::Event;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// Events that are stored together. Whoever waits for them is told when it goes, however it goes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    /// About how big they are, in memory and on their way.
    pub(super) bytes: usize,
    /// Whether it may be stored already: somebody has tried, and not heard.
    pub(super) is_repeated: bool,
    /// What is left to do, as spans of places, the next at the end; `None` before the first attempt, when it is all of it.
    pub(super) undone: Option<Vec<Range<usize>>>,
    /// What the server has against some of them, as SQLSTATE by place.
    pub(super) refused: BTreeMap<usize, String>,
    end: Arc<End>,
}

impl Batch {
    /// Events that may be stored already.
    pub(super) fn again(events: &[Event]) -> Self {
        let mut batch = Self::default();
        (batch.events, batch.is_repeated) = (events.to_vec(), true);
        batch
    }

    /// Takes an event, and tells where it stands and who will tell of its end.
    pub(super) fn push(&mut self, event: Event, bytes: usize) -> (usize, Arc<End>) {
        self.events.push(event);
        self.bytes += bytes;
        (self.events.len() - 1, Arc::clone(&self.end))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// They are stored, but for those at these places.
    pub(super) fn stored(self, refused: BTreeMap<usize, String>) {
        self.end.tell(Ended::Stored { refused });
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.end.tell(Ended::Lost);
    }
}
