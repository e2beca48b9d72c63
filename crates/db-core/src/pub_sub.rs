//! The seam through which messages reach everybody who listens.

use crate::{BoxError, Classify, Retry};
use async_trait::async_trait;

/// The longest that a store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PubSubLimits {
    /// Bytes of a channel's name.
    pub channel_bytes: usize,
    /// Bytes of a message.
    pub message_bytes: usize,
}

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message, as it was published.
    Message(Vec<u8>),
    /// Messages may be missing here. What depends on having heard all of them is to be read anew from where it is kept.
    Gap {
        /// How many are, where that is known.
        missed: Option<u64>,
    },
}

/// Brings messages to all who listen on a channel at the time. Nobody need listen, and those who come later hear nothing of
/// before.
///
/// Publishing is one round trip where the store is elsewhere, within a deadline of the store's own. A store that cannot be asked
/// answers with an error at once rather than late.
#[async_trait]
pub trait PubSub: Send + Sync {
    /// A short, stable name, unique in its process (`memory`, `redis`, `postgres`).
    fn name(&self) -> &str;

    /// What it takes.
    fn limits(&self) -> PubSubLimits;

    /// Publishes a message on a channel, whose name is any text within the limits.
    ///
    /// # Errors
    /// [`PubSubError`]; of all but [`TooLarge`](PubSubError::TooLarge) the message may have gone out.
    ///
    /// # Cancel safety
    /// The message may go out or not.
    async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), PubSubError>;

    /// Listens on a channel until what it answers with is dropped: whatever is published after it has answered is heard, and
    /// nothing that was published before it was called.
    ///
    /// # Errors
    /// [`PubSubError`]; then nothing listens.
    ///
    /// # Cancel safety
    /// Nothing listens.
    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, PubSubError>;
}

/// Hears every message of a channel, in order and once. Wherever that is not certain, it hears a gap before what comes next:
/// after a loss that may have cost messages, and when it was too slow for those that came.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for what comes next, for ever if nothing does. A connection that is lost is made anew meanwhile.
    ///
    /// # Cancel safety
    /// Nothing is lost: the next call answers with it.
    async fn next(&mut self) -> Heard;
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PubSubError {
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
    /// A channel's name or a message is longer than it takes.
    #[error("{what} of {bytes} bytes on {channel:?} is more than the {most} that {store} takes")]
    TooLarge {
        /// The store's name.
        store: String,
        /// `a name` or `a message`.
        what: &'static str,
        /// The channel, or its beginning.
        channel: String,
        /// Its length.
        bytes: usize,
        /// What the store takes.
        most: usize,
    },
    /// So many subscriptions are open in this process already.
    #[error("{most} subscriptions to {store} are open: no further one is taken")]
    TooMany {
        /// The store's name.
        store: String,
        /// What it takes.
        most: usize,
    },
}

impl Classify for PubSubError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unavailable { .. } => Retry::Reconnect,
            Self::Refused { .. } | Self::TooMany { .. } => Retry::Safe,
            Self::TooLarge { .. } => Retry::Never,
        }
    }
}
