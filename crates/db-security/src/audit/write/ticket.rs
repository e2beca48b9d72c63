//! What a caller has in hand for an event that was taken.

use crate::audit::Error;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};
use tokio::sync::Notify;
use uuid::Uuid;

/// An event that was taken and is on its way. Dropping it changes nothing.
#[derive(Clone)]
pub struct Ticket {
    pub(super) id: Uuid,
    pub(super) place: usize,
    pub(super) end: Arc<End>,
}

impl Ticket {
    /// The event's number.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Ready once the event is stored: committed, or on disk in the spool. Then nothing loses it. While the database is away and there is no
    /// spool it waits for as long as the writer tries: give it a deadline of your own.
    ///
    /// # Errors
    /// [`Error::Refused`] by the server, [`Error::Closed`] when the writer ended without it.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn stored(&self) -> Result<(), Error> {
        match self.end.wait().await {
            Ended::Stored { refused } => match refused.get(&self.place) {
                None => Ok(()),
                Some(sqlstate) => Err(Error::Refused { sqlstate: sqlstate.clone() }),
            },
            Ended::Lost => Err(Error::Closed),
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How it ended for the events of a batch.
#[derive(Debug)]
pub(super) enum Ended {
    /// They are stored, but for those that the server refused, by their places.
    Stored { refused: BTreeMap<usize, String> },
    /// The writer has ended before.
    Lost,
}

/// The end of a batch, for all who wait for it.
#[derive(Debug, Default)]
pub(super) struct End {
    ended: OnceLock<Ended>,
    told: Notify,
}

impl End {
    pub(super) fn tell(&self, ended: Ended) {
        if self.ended.set(ended).is_ok() {
            self.told.notify_waiters();
        }
    }

    async fn wait(&self) -> &Ended {
        loop {
            let told = self.told.notified();
            if let Some(ended) = self.ended.get() {
                return ended;
            }
            told.await;
        }
    }
}
