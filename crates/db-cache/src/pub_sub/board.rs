//! Who listens on which channel of a store, and what waits for each.

use super::inbox::{Inbox, Missed, Next};
use super::stats::StoreCounters;
use super::{PubSubStats, Room};
use crate::stats::count;
use db_core::{Heard, PubSubError, PubSubLimits};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::Notify;

/// Letters of a channel that a message shows.
const SHOWN: usize = 80;

/// Channels with their subscribers; one without any is forgotten. `P` is what a store must know of each.
pub(crate) struct Board<P> {
    store: &'static str,
    limits: PubSubLimits,
    room: Room,
    channels: Mutex<HashMap<Arc<str>, Ears<P>>>,
    pub(crate) counts: Arc<StoreCounters>,
}

/// Those who listen on one channel.
type Ears<P> = Vec<Arc<Ear<P>>>;

/// One subscriber.
pub(crate) struct Ear<P> {
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "only Redis has places to come back to"))]
    pub(crate) place: P,
    inbox: Mutex<Inbox>,
    bell: Notify,
    counts: Arc<StoreCounters>,
}

impl<P> Ear<P> {
    pub(crate) fn message(&self, message: Arc<[u8]>) {
        let dropped = self.inbox.lock().message(message);
        self.counts.dropped.fetch_add(dropped, Relaxed);
        self.bell.notify_one();
    }

    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn gap(&self, missed: Missed) {
        self.inbox.lock().gap(missed);
        self.bell.notify_one();
    }
}

impl<P> Board<P> {
    pub(crate) fn new(store: &'static str, limits: PubSubLimits, room: Room) -> Self {
        Self { store, limits, room, channels: Mutex::default(), counts: Arc::default() }
    }

    pub(crate) fn limits(&self) -> PubSubLimits {
        self.limits
    }

    pub(crate) fn stats(&self) -> PubSubStats {
        self.counts.read()
    }

    pub(crate) fn takes(&self, channel: &str, message: &[u8]) -> Result<(), PubSubError> {
        let PubSubLimits { channel_bytes, message_bytes } = self.limits;
        self.fits("a name", channel, channel.len(), channel_bytes)?;
        self.fits("a message", channel, message.len(), message_bytes)
    }

    fn fits(&self, what: &'static str, channel: &str, bytes: usize, most: usize) -> Result<(), PubSubError> {
        if bytes <= most {
            return Ok(());
        }
        let channel = channel.chars().take(SHOWN).collect();
        Err(PubSubError::TooLarge { store: self.store.to_owned(), what, channel, bytes, most })
    }

    /// Listens until what it answers with is dropped.
    pub(crate) fn listen(self: &Arc<Self>, channel: &str, place: P) -> Result<Listening<P>, PubSubError> {
        let mut channels = self.channels.lock();
        let most = self.room.subscriptions;
        if self.counts.subscriptions.load(Relaxed) >= u64::try_from(most).unwrap_or(u64::MAX) {
            return Err(PubSubError::TooMany { store: self.store.to_owned(), most });
        }
        count(&self.counts.subscriptions);
        let inbox = Mutex::new(Inbox::new(self.room));
        let ear = Arc::new(Ear { place, inbox, bell: Notify::new(), counts: Arc::clone(&self.counts) });
        let channel: Arc<str> = channel.into();
        channels.entry(Arc::clone(&channel)).or_default().push(Arc::clone(&ear));
        drop(channels);
        Ok(Listening { board: Arc::clone(self), channel, ear })
    }

    /// A message for all who listen on the channel: those of several messages hear them in one order.
    pub(crate) fn deliver(&self, channel: &str, message: &[u8]) {
        if let Some(ears) = self.channels.lock().get(channel) {
            let message: Arc<[u8]> = message.into();
            ears.iter().for_each(|ear| ear.message(Arc::clone(&message)));
        }
    }

    /// Whoever they are.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn for_each(&self, told: impl Fn(&Ear<P>)) {
        self.channels.lock().values().flatten().for_each(|ear| told(ear));
    }

    /// Those who listen on channels that are so.
    #[cfg(feature = "redis")]
    pub(crate) fn of(&self, is_meant: impl Fn(&str) -> bool) -> Vec<(Arc<str>, Ears<P>)> {
        let channels = self.channels.lock();
        let meant = channels.iter().filter(|(channel, _)| is_meant(channel));
        meant.map(|(channel, ears)| (Arc::clone(channel), ears.clone())).collect()
    }

    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn has_any(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.channels.lock().keys().any(|channel| is_meant(channel))
    }

    /// So that they look whether what they wait for still runs.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn wake_all(&self) {
        self.for_each(|ear| ear.bell.notify_one());
    }
}

/// A subscriber while it listens.
pub(crate) struct Listening<P> {
    board: Arc<Board<P>>,
    channel: Arc<str>,
    ear: Arc<Ear<P>>,
}

impl<P> Listening<P> {
    /// Waits for what comes next; `keep` begins what brings it, unless that runs.
    pub(crate) async fn next(&mut self, keep: impl Fn()) -> Heard {
        loop {
            // Whoever rings after this look leaves a sign for the wait below.
            if let Some(next) = self.ear.inbox.lock().next() {
                return self.heard(next);
            }
            keep();
            self.ear.bell.notified().await;
        }
    }

    fn heard(&self, next: Next) -> Heard {
        match next {
            Next::Message(message) => {
                count(&self.board.counts.heard);
                Heard::Message(message.to_vec())
            }
            Next::Gap(Missed(missed)) => {
                count(&self.board.counts.gaps);
                Heard::Gap { missed }
            }
        }
    }

    /// Forgets what came before the subscriber could know that it listens.
    #[cfg(feature = "postgres")]
    pub(crate) fn clear(&self) {
        self.ear.inbox.lock().clear();
    }
}

impl<P> Drop for Listening<P> {
    fn drop(&mut self) {
        let mut channels = self.board.channels.lock();
        if let Some(ears) = channels.get_mut(&self.channel) {
            ears.retain(|ear| !Arc::ptr_eq(ear, &self.ear));
            if ears.is_empty() {
                channels.remove(&self.channel);
            }
        }
        self.board.counts.subscriptions.fetch_sub(1, Relaxed);
    }
}
