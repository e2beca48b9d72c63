//! The seam through which bytes are kept under a key for a time.

use crate::{BoxError, Classify, Retry};
use async_trait::async_trait;
use std::time::Duration;

/// A mark that whoever writes draws at random, so that a later write can tell whether what it saw is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub u64);

/// What is under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The mark of the write that put it there.
    pub version: Version,
    /// The bytes.
    pub value: Vec<u8>,
}

/// What is to be under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put<'a> {
    /// The key: any text that is within the store's limits.
    pub key: &'a str,
    /// The bytes.
    pub value: &'a [u8],
    /// The mark of this write.
    pub version: Version,
    /// For how long; nothing is kept for ever. Stores count in whole milliseconds, of which this is one at least.
    pub ttl: Duration,
}

/// What a conditional write must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing under the key.
    Absent,
    /// What this write put there.
    Version(Version),
}

/// The longest that a store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValueLimits {
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
}

/// Keeps bytes under keys, each for a time, and may forget any of them sooner.
///
/// Every method is one round trip where the store is elsewhere (one to each node of a cluster), within a deadline of the
/// store's own. A store that cannot be asked answers with an error at once rather than late.
///
/// # Cancel safety
/// Of every method: what was sent may have its effect, nothing is held.
#[async_trait]
pub trait KeyValue: Send + Sync {
    /// A short, stable name, unique in its process (`memory`, `redis`, `postgres`).
    fn name(&self) -> &str;

    /// What it takes.
    fn limits(&self) -> KeyValueLimits;

    /// What is under each key, in their order.
    ///
    /// # Errors
    /// [`KeyValueError`], for all of them at once.
    async fn get_multi(&self, keys: &[&str]) -> Result<Vec<Option<Stored>>, KeyValueError>;

    /// Puts each under its key, whatever was there. Not atomic: of several some may be there without the others.
    ///
    /// # Errors
    /// [`KeyValueError`]; then some may have been put.
    async fn set_multi(&self, puts: &[Put<'_>]) -> Result<(), KeyValueError>;

    /// Removes what is under each key; tells how many were there.
    ///
    /// # Errors
    /// [`KeyValueError`]; then some may have been removed.
    async fn delete_multi(&self, keys: &[&str]) -> Result<u64, KeyValueError>;

    /// Puts it if what is there is what is expected, as one step; tells whether it did.
    ///
    /// # Errors
    /// [`KeyValueError`]; then it may have been put.
    async fn set_if(&self, expected: Expected, put: Put<'_>) -> Result<bool, KeyValueError>;

    /// Adds to the number under a key, which begins at 0 and is kept for so long from its beginning on; tells the sum.
    /// Numbers and values are of two kinds: neither is read as the other.
    ///
    /// # Errors
    /// [`KeyValueError::WrongKind`] when a value is under the key, [`KeyValueError::Overflow`] when the sum is no `i64`.
    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, KeyValueError>;

    /// Removes everything whose key begins so, and that was there when it began; tells how many. Takes several round
    /// trips, each of a bounded part.
    ///
    /// # Errors
    /// [`KeyValueError`]; then some may have been removed.
    async fn clear(&self, prefix: &str) -> Result<u64, KeyValueError>;
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyValueError {
    /// It cannot be reached, or did not answer in time.
    #[error("{store} does not answer")]
    Unavailable {
        /// The store's name.
        store: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// It answered, and will not do it now.
    #[error("{store} refuses: {reason}")]
    Refused {
        /// The store's name.
        store: String,
        /// What it says, such as that it is full, still loading or a replica.
        reason: String,
    },
    /// A key or a value is longer than it takes.
    #[error("{what} of {bytes} bytes under {key:?} is more than the {most} that {store} takes")]
    TooLarge {
        /// The store's name.
        store: String,
        /// `a key` or `a value`.
        what: &'static str,
        /// The key, or its beginning.
        key: String,
        /// Its length.
        bytes: usize,
        /// What the store takes.
        most: usize,
    },
    /// A number was asked for where a value is, or the other way round.
    #[error("{key:?} holds a {found}, and something else was asked for")]
    WrongKind {
        /// The key.
        key: String,
        /// `value` or `number`.
        found: &'static str,
    },
    /// The sum does not fit; the number is as it was.
    #[error("the number under {key:?} would not fit into 64 bits")]
    Overflow {
        /// The key.
        key: String,
    },
}

impl Classify for KeyValueError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unavailable { .. } => Retry::Reconnect,
            Self::Refused { .. } => Retry::Safe,
            Self::TooLarge { .. } | Self::WrongKind { .. } | Self::Overflow { .. } => Retry::Never,
        }
    }
}
