//! Channels of one type: what is published is a value, and what cannot be read is an event.

use super::TopicStats;
use super::stats::TopicCounters;
use crate::cache::checked;
use crate::clock;
use crate::record::{Codec, Content, Head, UnixMillis};
use crate::stats::count;
use crate::{Encoding, Error};
use db_core::{Classify, Heard, PubSub, PubSubError, Retry, Subscription};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// What a message may grow to when it is read.
const MOST_BYTES: usize = 16 << 20;

/// The topics of an application. Cloning it is cheap.
///
/// ```
/// use db_cache::{Event, MemoryChannels, Room, Topics};
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Channels that several processes share would stand here: Redis, or PostgreSQL.
/// let topics = Topics::new("shop", Arc::new(MemoryChannels::new(Room::default())))?;
/// let paid = topics.topic::<u64>("order.paid")?;
///
/// let mut subscriber = paid.subscribe().await?;
/// paid.publish(&7).await?;
/// match subscriber.next().await {
///     Event::Message(order) => assert_eq!(order, 7),
///     // Some may be missing: read the orders from where they are kept.
///     Event::Gap { missed } => println!("missed {missed:?}"),
///     Event::Unreadable { message } => println!("{} bytes of another version", message.len()),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Topics {
    application: String,
    store: Arc<dyn PubSub>,
}

impl Topics {
    /// The application's name is the beginning of every channel's, by which several may share a server.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn new(application: &str, store: Arc<dyn PubSub>) -> Result<Self, Error> {
        checked(application)?;
        Ok(Self { application: application.to_owned(), store })
    }

    /// Messages of one type and one meaning: those of the same name in other processes are the same. They are written as
    /// JSON, of version 1.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn topic<T>(&self, name: &str) -> Result<Topic<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        checked(name)?;
        let codec = Codec {
            encoding: Encoding::Json,
            schema: 1,
            compress_from_bytes: Some(1_024),
            most_bytes: MOST_BYTES,
        };
        Ok(Topic {
            channel: format!("{}:{name}", self.application),
            store: Arc::clone(&self.store),
            codec,
            counters: Arc::default(),
            of: PhantomData,
        })
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics")
            .field("application", &self.application)
            .field("store", &self.store.name())
            .finish_non_exhaustive()
    }
}

/// Messages of one type. Cloning it is cheap.
pub struct Topic<T> {
    channel: String,
    store: Arc<dyn PubSub>,
    codec: Codec,
    counters: Arc<TopicCounters>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Topic<T> {
    /// The version of the type: raise it when the type changes, and messages of another one are [`Event::Unreadable`].
    #[must_use]
    pub fn schema(mut self, version: u32) -> Self {
        self.codec.schema = version;
        self
    }

    /// How messages are written; those of either encoding are read.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.codec.encoding = encoding;
        self
    }

    /// Publishes a message to all who listen at the time.
    ///
    /// # Errors
    /// [`PublishError`].
    ///
    /// # Cancel safety
    /// The message may go out or not.
    pub async fn publish(&self, message: &T) -> Result<(), PublishError> {
        let bytes = self.bytes(message)?;
        self.store.publish(&self.channel, &bytes).await?;
        count(&self.counters.published);
        Ok(())
    }

    /// The name of its channel, and the bytes of a message for it, for whoever publishes them otherwise
    /// ([`PostgresChannels::publish_in`](crate::PostgresChannels::publish_in)).
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn message(&self, message: &T) -> Result<(&str, Vec<u8>), Error> {
        Ok((&self.channel, self.bytes(message)?))
    }

    /// Listens until what it answers with is dropped: whatever is published after it has answered is heard.
    ///
    /// # Errors
    /// [`PubSubError`].
    ///
    /// # Cancel safety
    /// Nothing listens.
    pub async fn subscribe(&self) -> Result<Subscriber<T>, PubSubError> {
        let subscription = self.store.subscribe(&self.channel).await?;
        let counters = Arc::clone(&self.counters);
        Ok(Subscriber { subscription, codec: self.codec, counters, of: PhantomData })
    }

    /// What has come of it since it was opened, its clones and subscribers included.
    #[must_use]
    pub fn stats(&self) -> TopicStats {
        self.counters.read()
    }

    fn bytes(&self, message: &T) -> Result<Vec<u8>, Error> {
        let none = UnixMillis::default();
        let head = Head {
            content: Content::Value(self.codec.encoding),
            schema: self.codec.schema,
            loaded_at: clock::millis(Instant::now()),
            fresh_until: none,
            leased_until: none,
            load_time: Duration::ZERO,
        };
        Ok(self.codec.write(head, std::iter::empty(), &self.codec.encode(message)?))
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self {
            channel: self.channel.clone(),
            store: Arc::clone(&self.store),
            codec: self.codec,
            counters: Arc::clone(&self.counters),
            of: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("channel", &self.channel)
            .field("stats", &self.counters.read())
            .finish_non_exhaustive()
    }
}

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// A message.
    Message(T),
    /// Messages may be missing here. What depends on having heard all of them is to be read anew from where it is kept.
    Gap {
        /// How many are, where that is known.
        missed: Option<u64>,
    },
    /// A message of another version of the type, or none at all.
    Unreadable {
        /// What it is.
        message: Vec<u8>,
    },
}

/// Hears the messages of a topic until it is dropped.
pub struct Subscriber<T> {
    subscription: Box<dyn Subscription>,
    codec: Codec,
    counters: Arc<TopicCounters>,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Subscriber<T> {
    /// Waits for what comes next, for ever if nothing does.
    ///
    /// # Cancel safety
    /// Nothing is lost: the next call answers with it.
    pub async fn next(&mut self) -> Event<T> {
        match self.subscription.next().await {
            Heard::Message(message) => {
                let read = self.codec.read(&message).and_then(|record| self.codec.decode(&record));
                if let Some(value) = read {
                    count(&self.counters.heard);
                    Event::Message(value)
                } else {
                    count(&self.counters.unreadable);
                    Event::Unreadable { message }
                }
            }
            Heard::Gap { missed } => {
                count(&self.counters.gaps);
                self.counters.missed.fetch_add(missed.unwrap_or_default(), Relaxed);
                Event::Gap { missed }
            }
        }
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("stats", &self.counters.read()).finish_non_exhaustive()
    }
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It cannot be written in the topic's encoding.
    #[error(transparent)]
    Message(#[from] Error),
    /// The store did not take it, or did not say so.
    #[error(transparent)]
    Store(#[from] PubSubError),
}

impl Classify for PublishError {
    fn retry(&self) -> Retry {
        match self {
            Self::Message(error) => error.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}
