//! What may go wrong for a caller. A store that is away is none of it: then the cache knows nothing, and says so.

use db_core::{BoxError, Classify, KeyValueError, Retry};
use std::sync::Arc;
use std::time::Duration;

/// Error of the functions of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key is longer than a store takes.
    #[error("the key {key:?}… of {bytes} bytes is longer than {most}")]
    KeyTooLong {
        /// Its beginning.
        key: String,
        /// Its length.
        bytes: usize,
        /// The longest.
        most: usize,
    },
    /// A value is given more tags than it may have.
    #[error("{tags} tags for one value are more than {most}")]
    TooManyTags {
        /// How many.
        tags: usize,
        /// The most.
        most: usize,
    },
    /// The value cannot be written in the namespace's encoding.
    #[error("a {what} cannot be written: {reason}")]
    Encode {
        /// Its type.
        what: &'static str,
        /// What the encoder says.
        reason: String,
    },
    /// A policy that cannot be kept.
    #[error("the policy of {namespace} cannot be kept: {reason}")]
    Policy {
        /// The namespace.
        namespace: String,
        /// Which setting, and what it must be.
        reason: &'static str,
    },
    /// A name that would not tell its namespace from others.
    #[error("{name:?} is no name of a namespace: use a-z, 0-9, `_`, `-` and `.`")]
    Name {
        /// The name.
        name: String,
    },
    /// What can only be done in a store could not be.
    #[error("the store did not do it")]
    Store {
        /// Why.
        #[source]
        source: KeyValueError,
    },
    /// Others changed it each time.
    #[error("a value of {namespace} was changed by others {tries} times in a row")]
    Contended {
        /// The namespace.
        namespace: String,
        /// How often it was tried.
        tries: usize,
    },
    /// What was to be removed may still be in the shared store, as that does not answer.
    #[error("what was to be removed may still be in the shared store; it is refused in this process")]
    NotRemoved {
        /// Why.
        #[source]
        source: KeyValueError,
    },
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotRemoved { source } | Self::Store { source } => source.retry(),
            Self::Contended { .. } => Retry::Safe,
            _ => Retry::Never,
        }
    }
}

/// Why there is neither a value nor the knowledge that there is none.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The source failed, and no value is left that could stand in.
    #[error("the source failed")]
    Source {
        /// What it says; shared by all who waited for it.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The source did not answer in time, and no value is left that could stand in.
    #[error("the source did not answer within {after:?}")]
    TimedOut {
        /// The hard timeout.
        after: Duration,
    },
    /// So many loads are under way already that this one was not begun.
    #[error("{loads} loads are under way in {namespace}: this one was not begun")]
    Shed {
        /// The namespace.
        namespace: String,
        /// How many are.
        loads: usize,
    },
    /// The load panicked.
    #[error("the load panicked")]
    Panicked,
    /// The key cannot be used.
    #[error(transparent)]
    Key(Arc<Error>),
}

impl LoadError {
    pub(crate) fn source(error: impl Into<BoxError>) -> Self {
        Self::Source { source: error.into().into() }
    }
}

impl Classify for LoadError {
    fn retry(&self) -> Retry {
        match self {
            Self::TimedOut { .. } | Self::Shed { .. } => Retry::Safe,
            Self::Source { .. } | Self::Panicked | Self::Key(_) => Retry::Never,
        }
    }
}
