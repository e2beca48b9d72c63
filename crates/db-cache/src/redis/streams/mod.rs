//! Channels over Redis Streams: what a connection loses on its way is still in the stream when the next one asks.
//!
//! Streams are told apart by lanes, a few of them, as a command reads only from one slot of a cluster: there each lane
//! has a connection of its own, which listens to all of its channels, and elsewhere one has all lanes.

mod command;
mod position;
mod reader;

use super::cluster::Cluster;
use super::fault::Fault;
use super::{Fleet, NAME, RedisStore, slot};
use crate::pub_sub::{Board, Duty, Listening};
use crate::stats::count;
use crate::{PubSubStats, Room};
use async_trait::async_trait;
use command::Kept;
use db_core::{Heard, KeyValueError, PubSub, PubSubError, PubSubLimits, Subscription};
use parking_lot::Mutex;
use position::Position;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A single message takes no longer than a command may.
const LIMITS: PubSubLimits = PubSubLimits { channel_bytes: 1_024, message_bytes: 256 << 10 };
const KEPT_MESSAGES: u32 = 10_000;
const KEPT_FOR: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The most connections that listen to a cluster.
const LANES: u16 = 16;

/// A [`PubSub`] over Redis Streams, on one server, the master behind Sentinels, or a cluster. Redis 5 or later.
///
/// It publishes over a store's connections, within its deadlines and its breaker. Listening has a connection of its own,
/// in a cluster up to 16, which is made anew when it is lost and goes on where it was: a short outage costs no message. There
/// is a gap where messages were trimmed away meanwhile, with their number, and after everything that may have cost
/// some: a failover, a restart even with its data, `FLUSHALL`, a slot that moved to another node. A server that says nothing
/// is noticed by the next look.
///
/// Of each channel so many messages are kept for those who are away, for a time after the last one or after the last look of
/// somebody who listens. The user must be allowed `INFO`, `SCRIPT` and keys that begin with `cairn-channel`.
#[derive(Clone)]
pub struct RedisStreams {
    hub: Arc<Hub>,
}

struct Hub {
    store: Arc<RedisStore>,
    how: How,
    board: Arc<Board<Place>>,
    lanes: Box<[Lane]>,
}

/// Where a subscriber is.
type Place = Mutex<Position>;

#[derive(Clone, Copy)]
struct How {
    room: Room,
    kept: Kept,
    look_every: Duration,
}

/// What listens to some of the channels.
#[derive(Default)]
struct Lane {
    duty: Duty,
    /// Told of each subscriber that comes or goes.
    changes: watch::Sender<u64>,
}

impl RedisStreams {
    /// Channels on the servers of this store. Takes names up to 1 KiB, and messages up to 256 KiB. Nothing is connected until
    /// the first message or subscription.
    #[must_use]
    pub fn new(store: Arc<RedisStore>) -> Self {
        let kept = Kept::new(KEPT_MESSAGES.into(), KEPT_FOR);
        Self { hub: Arc::new(Hub::new(store, How { room: Room::default(), kept, look_every: LOOK_EVERY })) }
    }

    /// How much may wait for a subscriber. To be chosen before anybody listens.
    #[must_use]
    pub fn room(self, room: Room) -> Self {
        self.with(|how| how.room = room)
    }

    /// About how many messages of a channel are kept for those who are away, and for how long; 10,000 for 10 minutes unless
    /// others are chosen. The time must be longer than that between two looks. To be chosen before anybody listens.
    #[must_use]
    pub fn keeps(self, messages: NonZeroU32, time: Duration) -> Self {
        self.with(|how| how.kept = Kept::new(messages.get().into(), time))
    }

    /// How often those who hear nothing look whether the stream is still the one they know, and whether the server answers; 5 s
    /// unless another is chosen. To be chosen before anybody listens.
    #[must_use]
    pub fn look_every(self, time: Duration) -> Self {
        self.with(|how| how.look_every = time)
    }

    fn with(self, change: impl FnOnce(&mut How)) -> Self {
        let mut how = self.hub.how;
        change(&mut how);
        Self { hub: Arc::new(Hub::new(Arc::clone(&self.hub.store), how)) }
    }

    /// What has come of them so far.
    #[must_use]
    pub fn stats(&self) -> PubSubStats {
        self.hub.board.stats()
    }
}

impl fmt::Debug for RedisStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStreams").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[async_trait]
impl PubSub for RedisStreams {
    fn name(&self) -> &str {
        NAME
    }

    fn limits(&self) -> PubSubLimits {
        LIMITS
    }

    async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), PubSubError> {
        let hub = &self.hub;
        hub.board.takes(channel, message)?;
        let key = key(channel);
        let sent = hub.store.run_script(&key, |way| command::publish(&key, message, hub.how.kept, way));
        let answer = sent.await.map_err(error_of)?;
        command::published(&answer).map_err(|fault| error_of(fault.into_error(NAME)))?;
        count(&hub.board.counts.published);
        Ok(())
    }

    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, PubSubError> {
        let hub = &self.hub;
        hub.board.takes(channel, &[])?;
        let key = key(channel);
        let looked = hub.store.run_script(&key, |way| command::look(&key, hub.how.kept, way));
        let answer = looked.await.map_err(error_of)?;
        let look = command::looked(&answer).map_err(|fault| error_of(fault.into_error(NAME)))?;
        let listening = hub.board.listen(channel, Mutex::new(Position::at_the_end(look)))?;
        let lane = hub.lane_of(channel);
        hub.lanes[lane].changed();
        Hub::keep(hub, lane);
        Ok(Box::new(Heeding { listening, told: Told { hub: Arc::clone(hub), lane } }))
    }
}

/// What is first goes first: the hub is told when it has gone.
struct Heeding {
    listening: Listening<Place>,
    told: Told,
}

struct Told {
    hub: Arc<Hub>,
    lane: usize,
}

#[async_trait]
impl Subscription for Heeding {
    async fn next(&mut self) -> Heard {
        self.listening.next(|| Hub::keep(&self.told.hub, self.told.lane)).await
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.hub.lanes[self.lane].changed();
    }
}

impl Hub {
    fn new(store: Arc<RedisStore>, how: How) -> Self {
        let lanes = match &store.servers {
            Fleet::One(_) => 1,
            Fleet::Cluster(_) => LANES,
        };
        let lanes = (0..lanes).map(|_| Lane::default()).collect();
        Self { store, how, board: Arc::new(Board::new(NAME, LIMITS, how.room)), lanes }
    }

    fn lane_of(&self, channel: &str) -> usize {
        usize::from(lane(channel)) % self.lanes.len()
    }

    /// Begins to listen unless that is being done.
    fn keep(hub: &Arc<Self>, lane: usize) {
        hub.lanes[lane].duty.keep(|| drop(tokio::spawn(reader::run(Arc::clone(hub), lane))));
    }

    fn cluster(&self) -> Option<&Arc<Cluster>> {
        match &self.store.servers {
            Fleet::One(_) => None,
            Fleet::Cluster(cluster) => Some(cluster),
        }
    }
}

impl Lane {
    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

fn lane(channel: &str) -> u16 {
    slot::slot(channel) % LANES
}

/// All keys of a lane are in one slot.
fn key(channel: &str) -> String {
    format!("{}{channel}", prefix(lane(channel)))
}

fn prefix(lane: u16) -> String {
    format!("cairn-channel{{{lane}}}:")
}

fn error_of(error: KeyValueError) -> PubSubError {
    match error {
        KeyValueError::Unavailable { store, source } => PubSubError::Unavailable { store, source },
        KeyValueError::Refused { store, reason } => PubSubError::Refused { store, reason },
        other => PubSubError::Refused { store: NAME.to_owned(), reason: other.to_string() },
    }
}
