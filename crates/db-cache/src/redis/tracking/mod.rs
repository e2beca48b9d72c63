//! What changes in Redis, told to every process by Redis itself, whoever changed it and however.
//!
//! This is its server-assisted client-side caching in broadcasting mode (redis.io, "Client-side caching in Redis"; from
//! version 6 on). A connection of its own to each master hears the keys of the application that are written, removed,
//! expired or evicted there. What is written to one of our connections arrives in order, so an answer on it proves that all
//! has been heard that had changed when it was asked for: only that lets this process give out what it keeps unasked.

mod line;
mod push;
mod task;

use super::{Fleet, RedisStore};
use crate::cache::Cache;
use crate::trust::{Teller, Voucher};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use task::{Masters, Tracker};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

/// How changes are heard of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Track {
    /// How often it is asked whether all was heard.
    pub ask_every: Duration,
    /// How long each server may take to answer that; one that takes longer is lost.
    pub answer_within: Duration,
    /// For how long after it was asked this process gives out what it keeps; more than the two others together.
    pub trust_for: Duration,
    /// When a server is tried again that refuses to tell: it may be another by then, or the user allowed.
    pub refused_for: Duration,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            ask_every: Duration::from_secs(1),
            answer_within: Duration::from_secs(1),
            trust_for: Duration::from_secs(3),
            refused_for: Duration::from_secs(60),
        }
    }
}

/// What tracking has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tracked {
    /// Keys that were told of; those of our own writes too.
    pub heard: u64,
    /// Times that something may have been missed, so that everything was dropped.
    pub gaps: u64,
    /// Times that a connection was lost, or did not come about.
    pub losses: u64,
    /// Why Redis does not tell of changes, where it refuses to, as versions before 6 do. Values have a time of their own in
    /// this process then, and it is tried again after `refused_for`.
    pub refusal: Option<Arc<str>>,
}

/// The task that hears of changes. It ends when this is dropped; then values have a time of their own in this process again.
pub struct Tracking {
    cache: Cache,
    voucher: Voucher,
    state: watch::Receiver<State>,
    ask_now: Arc<Notify>,
    task: AbortHandle,
}

#[derive(Clone, Debug, Default)]
struct State {
    tracked: Tracked,
    /// All is known that had changed by then.
    known: Option<Instant>,
}

impl Cache {
    /// Hears of every key of this application that changes in this Redis, by a connection to each master, until what it
    /// answers with is dropped. Give it the store that this cache shares, before values are read: what was read before is
    /// dropped. Whoever tracks the same cache once more takes over from this one.
    ///
    /// Its user must be allowed `CLIENT TRACKING`; behind Sentinels, `ROLE` too. A process that writes a key hears of that as
    /// well, so it may fetch once from Redis what it has just put there.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn track(&self, store: &RedisStore, how: Track) -> Tracking {
        let (tell, state) = watch::channel(State::default());
        let voucher = self.inner.trust.begin(Teller::Store);
        self.inner.registry.changed_all();
        let ask_now = Arc::new(Notify::new());
        let masters = match &store.servers {
            Fleet::One(node) => Masters::One(Arc::clone(node)),
            Fleet::Cluster(cluster) => Masters::Cluster(Arc::clone(cluster)),
        };
        let tracker = Tracker {
            cache: self.clone(),
            voucher,
            masters,
            options: store.options.clone(),
            how,
            tell: Arc::new(tell),
            ask_now: Arc::clone(&ask_now),
        };
        let task = tokio::spawn(tracker.run()).abort_handle();
        Tracking { cache: self.clone(), voucher, state, ask_now, task }
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        self.task.abort();
        // What is kept was kept for as long as changes would be told.
        self.cache.inner.trust.forget(self.voucher);
        self.cache.inner.registry.changed_all();
    }
}

impl Tracking {
    /// What it has come to.
    #[must_use]
    pub fn tracked(&self) -> Tracked {
        self.state.borrow().tracked.clone()
    }

    /// Ready once changes are heard of for the first time.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn is_tracking(&self, within: Duration) -> bool {
        self.is_known(within, |_| true).await
    }

    /// Ready once this process knows of everything that had changed in Redis when this was called, so that it gives out
    /// nothing older; within this time, else `false`, and then the source is to be asked.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn has_heard_all(&self, within: Duration) -> bool {
        let now = Instant::now();
        self.ask_now.notify_one();
        self.is_known(within, |known| known >= now).await
    }

    async fn is_known(&self, within: Duration, enough: impl Fn(Instant) -> bool) -> bool {
        let mut state = self.state.clone();
        matches!(timeout(within, state.wait_for(|state| state.known.is_some_and(&enough))).await, Ok(Ok(_)))
    }
}

impl fmt::Debug for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracking").field("tracked", &self.tracked()).finish_non_exhaustive()
    }
}
