//! A cache of two tiers, one in this process and one that several share, which never serves what it knows to be untrue.
//!
//! ```
//! use db_cache::{Cache, Memory, Policy};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A store that several processes share would stand here: Redis, or a table of PostgreSQL.
//! let cache = Cache::builder("shop").shared(Arc::new(Memory::new(64 << 20))).build()?;
//! let prices = cache.namespace::<u64>("price", Policy::fresh_for(Duration::from_secs(300)))?;
//!
//! // However many ask at once, the source is asked once.
//! let price = prices.get_or_load(("eur", 7), || async { Ok::<_, std::io::Error>(Some(1999)) }).await?;
//! assert_eq!(price.as_deref(), Some(&1999));
//!
//! // What changed is made untrue: not even a load that is under way brings it back.
//! prices.delete(("eur", 7)).await?;
//! assert_eq!(prices.get(("eur", 7)).await?, None);
//! # Ok(()) }
//! ```

#[cfg(feature = "postgres")]
mod beside;
mod cache;
mod census;
#[cfg(feature = "postgres")]
mod changes;
mod clock;
mod counter;
mod entry;
mod error;
mod fetch;
mod flight;
mod inner;
mod inspect;
mod key;
mod lfu;
mod limits;
mod load;
mod local;
mod memory;
mod namespace;
mod policy;
#[cfg(feature = "postgres")]
mod postgres;
mod probe;
mod pub_sub;
mod record;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod registry;
mod stats;
mod suspects;
#[cfg(feature = "postgres")]
mod tables;
mod tagged;
mod tags;
mod trust;

#[cfg(feature = "redis")]
pub use self::redis::{
    BreakerLimits, RedisAddress, RedisOptions, RedisOptionsError, RedisStatistics, RedisStore, RedisStreams,
    Track, Tracked, Tracking,
};
pub use cache::{Builder, Cache};
#[cfg(feature = "postgres")]
pub use changes::{Backlog, Change, ChangeError, Follow, Followed, Following, Scope, Seen};
pub use counter::Counter;
pub use entry::Entry;
pub use error::{Error, LoadError};
pub use inspect::{Inspected, InspectedTag, InspectedValue};
pub use key::{KeyParts, KeyWriter};
pub use memory::{Memory, MemoryStats};
pub use namespace::Namespace;
pub use policy::Policy;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "postgres")]
pub use pub_sub::PostgresChannels;
pub use pub_sub::{
    Event, MemoryChannels, PubSubStats, PublishError, Room, Subscriber, Topic, TopicStats, Topics,
};
pub use record::Encoding;
pub use stats::Stats;
#[cfg(feature = "postgres")]
pub use tables::{Query, Reads, TableError, TableTag, Told, Untold, Watched, Why};
pub use tagged::Tagged;
