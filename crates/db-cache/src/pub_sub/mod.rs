//! Messages to everybody who listens, in this process or in all that share a server, and no silence where one was lost.
//!
//! A `Topic` gives the bytes of the seam a type. Behind the seam every store keeps what a subscriber has not heard yet in
//! its `Inbox`, which is bounded; whatever falls out of it, or may have been lost on the way, is a gap that it hears of.

mod board;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod duty;
mod inbox;
mod memory;
#[cfg(feature = "postgres")]
mod payload;
#[cfg(feature = "postgres")]
mod postgres;
mod room;
mod stats;
mod topic;

#[cfg(feature = "redis")]
pub(crate) use board::{Board, Ear, Listening};
#[cfg(feature = "redis")]
pub(crate) use duty::{Duty, Shift, after};
#[cfg(feature = "redis")]
pub(crate) use inbox::Missed;
pub use memory::MemoryChannels;
#[cfg(feature = "postgres")]
pub use postgres::PostgresChannels;
pub use room::Room;
pub use stats::{PubSubStats, TopicStats};
pub use topic::{Event, PublishError, Subscriber, Topic, Topics};
