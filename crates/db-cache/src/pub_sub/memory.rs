//! Channels within this process.

use super::board::{Board, Listening};
use super::{PubSubStats, Room};
use crate::stats::count;
use async_trait::async_trait;
use db_core::{Heard, PubSub, PubSubError, PubSubLimits, Subscription};
use std::fmt;
use std::sync::Arc;

const NAME: &str = "memory";
const LIMITS: PubSubLimits = PubSubLimits { channel_bytes: 1_024, message_bytes: 1 << 20 };

/// A [`PubSub`] in this process's memory.
///
/// Publishing never waits. A message is held once for all who have not heard it yet, and a channel that nobody listens to
/// takes nothing.
pub struct MemoryChannels {
    board: Arc<Board<()>>,
}

impl MemoryChannels {
    /// Channels on which nobody listens yet. Takes names up to 1 KiB, and messages up to 1 MiB.
    #[must_use]
    pub fn new(room: Room) -> Self {
        Self { board: Arc::new(Board::new(NAME, LIMITS, room)) }
    }

    /// What has come of them so far.
    #[must_use]
    pub fn stats(&self) -> PubSubStats {
        self.board.stats()
    }
}

#[async_trait]
impl PubSub for MemoryChannels {
    fn name(&self) -> &str {
        NAME
    }

    fn limits(&self) -> PubSubLimits {
        self.board.limits()
    }

    async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), PubSubError> {
        self.board.takes(channel, message)?;
        self.board.deliver(channel, message);
        count(&self.board.counts.published);
        Ok(())
    }

    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, PubSubError> {
        self.board.takes(channel, &[])?;
        Ok(Box::new(Heeding { listening: self.board.listen(channel, ())? }))
    }
}

impl fmt::Debug for MemoryChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryChannels").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

struct Heeding {
    listening: Listening<()>,
}

#[async_trait]
impl Subscription for Heeding {
    async fn next(&mut self) -> Heard {
        // Whoever publishes brings it.
        self.listening.next(|| ()).await
    }
}
