//! What can go wrong with the audit log.

use super::{NoteError, TableError};
use chrono::{DateTime, Utc};
use db_core::{Classify, Retry};
use std::time::Duration;

/// What can go wrong with the audit log, but for what [`verify`](super::verify) finds in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An event that cannot be stored.
    #[error("an event's {field} cannot be stored: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An event that is too big.
    #[error("an event of {bytes} bytes is over the limit of {max_bytes}")]
    TooLarge {
        /// How big it is.
        bytes: usize,
        /// How big it may be.
        max_bytes: usize,
    },
    /// Months are to leave the log that have not ended.
    #[error("months before {before} are to leave the log, and it is {now}: a month that has not ended stays")]
    NotOver {
        /// Before which months are to leave.
        before: DateTime<Utc>,
        /// The server's time.
        now: DateTime<Utc>,
    },
    /// There is no room for more events, since the database does not take them.
    #[error("no room for an event within {waited:?}: {events} wait to be stored")]
    Full {
        /// For how long there was none.
        waited: Duration,
        /// Events that wait.
        events: usize,
    },
    /// The database has not taken a batch in time.
    #[error("the database has not taken a batch of events within {waited:?}")]
    Away {
        /// For how long.
        waited: Duration,
    },
    /// The folder for events that the database does not take cannot be had.
    #[error("the spool {folder:?} cannot be used")]
    Spool {
        /// Which folder.
        folder: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The writer was closed.
    #[error("the audit writer is closed")]
    Closed,
    /// The server refuses this event, and no other of its batch.
    #[error("the server refuses the event (SQLSTATE {sqlstate})")]
    Refused {
        /// Why, as the server puts it.
        sqlstate: String,
    },
    /// What is personal needs a key, and there is none.
    #[error("personal data of {subject} cannot be encrypted: no master key is configured (audit.master_key)")]
    NoMasterKey {
        /// Whose.
        subject: String,
    },
    /// No master key. The text is not repeated.
    #[error("the master key is no key: {reason}")]
    MasterKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It is not the key that the log's keys are wrapped by.
    #[error(
        "this is another master key than the one that the log's keys are wrapped by; nothing was written"
    )]
    WrongMasterKey,
    /// A subject's key cannot be unwrapped: it was altered.
    #[error("the key {key} of {subject} was altered: it cannot be unwrapped")]
    AlteredKey {
        /// Which key.
        key: uuid::Uuid,
        /// Whose.
        subject: String,
    },
    /// The server's clock is behind the log.
    #[error(
        "the server's clock is {behind:?} behind the log's last event; events wait in the inbox until it is set right, or \
         until `db audit run --despite-clock` has them keep the last event's time"
    )]
    ClockBehind {
        /// By how much.
        behind: Duration,
    },
    /// The server's clock is ahead of this machine's, and the log could not go back behind what it noted.
    #[error(
        "the server's clock is {ahead:?} ahead of this machine's, and the log could never go back; events wait in the inbox until one \
         of them is set right, or for `db audit run --despite-clock`"
    )]
    ClockAhead {
        /// By how much.
        ahead: Duration,
    },
    /// The log's own tables do not fit together.
    #[error("the audit log is damaged: {what}; nothing was written. `db audit verify` says where")]
    Damaged {
        /// What does not fit.
        what: String,
    },
    /// The tables, or something that a later migration adds to them, are not there.
    #[error("there is no audit log of this version in this database: apply the migrations (`db migrate up`)")]
    NotThere {
        /// What the server says.
        #[source]
        source: sqlx::Error,
    },
    /// There is no such event.
    #[error("there is no event {id} in the log")]
    NoSuchEvent {
        /// Which.
        id: uuid::Uuid,
    },
    /// A tree of that size never was, or no longer can be shown.
    #[error(
        "the log has {size} leaves, of which those before {first_leaf} have left: no proof about {asked}"
    )]
    OutOfRange {
        /// What was asked about.
        asked: u64,
        /// Leaves of the log.
        size: u64,
        /// The first that is there.
        first_leaf: u64,
    },
    /// A search that cannot be asked.
    #[error("a search's {field} cannot be used: {reason}")]
    Search {
        /// Which part of it.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No cursor of this search.
    #[error("the cursor is not one of this search: {reason}; begin again without it")]
    Cursor {
        /// Why not.
        reason: &'static str,
    },
    /// No path into JSON.
    #[error("the JSON path `{path}` cannot be followed: {why}")]
    JsonPath {
        /// The path.
        path: String,
        /// What the server says.
        why: String,
    },
    /// A table cannot be audited so.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Proofs are of a checkpoint, and there is none.
    #[error("there is no checkpoint yet that proofs could be of: sign one (`db audit checkpoint`)")]
    NoCheckpoint,
    /// An export cannot be written.
    #[error("the export cannot be written")]
    Write {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A checkpoint or a key is none.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A connection cannot be had or does not do as it is told.
    #[error("the pool")]
    Pool(#[from] db_pool::Error),
    /// The server cannot be asked.
    #[error("cannot {what}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

impl Error {
    /// Says what was to be done.
    pub(crate) fn while_trying(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| match source.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            // A table, or a column or function that a later migration adds.
            Some("42P01" | "42703" | "42883") => Self::NotThere { source },
            _ => Self::Database { what, source },
        }
    }
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::Pool(error) => error.retry(),
            Self::Database { source, .. } => db_pool::retry_of(source),
            Self::Full { .. } | Self::Away { .. } | Self::ClockBehind { .. } | Self::ClockAhead { .. } => {
                Retry::Safe
            }
            _ => Retry::Never,
        }
    }
}
