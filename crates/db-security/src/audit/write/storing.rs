//! The task of a writer: stores what has gathered, writes it to the spool while the database is away, and brings that back.

use super::{batch::Batch, spool::Spool, store::Store, writer::Shared};
use crate::audit::{Error, Event};
use db_core::with_causes;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// How long one attempt to store events together may take. After it the database counts as away.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long to wait after the first attempt that failed, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Events of a spool file that are stored together.
const REPLAYED_AT_ONCE: usize = 5_000;

/// The task.
pub(super) struct Storing {
    shared: Arc<Shared>,
    store: Store,
    writer: i64,
    interval: Duration,
    spool: Option<Spool>,
    /// The database is away, and is tried again then.
    retry_at: Option<Instant>,
    backoff: Duration,
}

impl Storing {
    pub(super) fn new(
        shared: Arc<Shared>,
        store: Store,
        writer: i64,
        interval: Duration,
        spool: Option<Spool>,
    ) -> Self {
        let storing = Self { shared, store, writer, interval, spool, retry_at: None, backoff: BACKOFF.0 };
        storing.measure();
        storing
    }

    pub(super) async fn run(&mut self) {
        let mut held: Option<Batch> = None;
        let mut flushed = 0;
        loop {
            let flushes = self.shared.flushes.load(Relaxed);
            let is_closed = self.shared.buffer.is_closed();
            let wants_now = is_closed || flushes != flushed;
            if held.is_none() && self.spooled_is_due() {
                self.replay().await;
                continue;
            }
            if held.is_none() {
                let (waiting, is_enough) = self.shared.buffer.waiting();
                if waiting > 0 && (wants_now || is_enough || self.gathered().await) {
                    held = Some(self.shared.buffer.take()).filter(|batch| !batch.is_empty());
                } else if waiting == 0 {
                    flushed = flushes;
                    if is_closed && self.shared.buffer.end() {
                        return;
                    }
                    self.look().await;
                    continue;
                }
            }
            let Some(batch) = held.take() else { continue };
            held = self.put(batch).await;
            if held.is_some() {
                self.pause().await;
            }
        }
    }

    /// Waits until somebody has something, or the database is to be tried again.
    async fn look(&self) {
        let look = self.shared.buffer.look.notified();
        match self.retry_at.filter(|_| self.spool.as_ref().is_some_and(|spool| !spool.is_empty())) {
            Some(at) => {
                tokio::select! {
                    () = look => {}
                    () = tokio::time::sleep_until(at) => {}
                }
            }
            None => look.await,
        }
    }

    /// Lets others join, for the interval or until there is enough. Whether it is time, and not that somebody has called.
    async fn gathered(&self) -> bool {
        tokio::time::timeout(self.interval, self.shared.buffer.look.notified()).await.is_err()
    }

    /// Waits before the next attempt, with nothing to do meanwhile.
    async fn pause(&self) {
        if let Some(at) = self.retry_at {
            tokio::time::sleep_until(at).await;
        }
    }

    fn is_away(&self) -> bool {
        self.retry_at.is_some_and(|at| Instant::now() < at)
    }

    fn spooled_is_due(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
            && !self.is_away()
            // On its way out it leaves the rest to the next.
            && !(self.shared.buffer.is_closed() && self.retry_at.is_some())
    }

    /// Stores a batch, or writes it to the spool; it comes back where neither can be done.
    async fn put(&mut self, mut batch: Batch) -> Option<Batch> {
        if self.spool.is_none() || !self.is_away() {
            match self.attempt(&mut batch, self.writer).await {
                Ok(refused) => {
                    let (bytes, events) = (batch.bytes, batch.events.len());
                    let counters = &self.shared.counters;
                    counters.stored.fetch_add((events - refused.len()) as u64, Relaxed);
                    counters.refused.fetch_add(refused.len() as u64, Relaxed);
                    batch.stored(refused);
                    self.settle(bytes);
                    return None;
                }
                Err(error) => {
                    self.failed(&error);
                    // The spool would keep it under a key that is no longer the log's, for a writer that does not have it.
                    if matches!(error, Error::WrongMasterKey) {
                        return Some(batch);
                    }
                }
            }
        }
        let Some(mut spool) = self.spool.take() else { return Some(batch) };
        let (spool, mut batch, written) = on_disk(move || {
            let written = spool.write(&batch);
            (spool, batch, written)
        })
        .await?;
        self.spool = Some(spool);
        self.measure();
        match written {
            Ok(()) => {
                let bytes = batch.bytes;
                self.shared.counters.spooled.fetch_add(batch.events.len() as u64, Relaxed);
                batch.stored(BTreeMap::new());
                self.settle(bytes);
                None
            }
            Err(error) => {
                tracing::error!(%error, "events cannot be written to the spool and wait in memory");
                // Some of it may lie there.
                batch.is_repeated = true;
                Some(batch)
            }
        }
    }

    /// Brings one file of the spool into the database.
    async fn replay(&mut self) {
        let Some(mut spool) = self.spool.take() else { return };
        let Some((spool, oldest)) = on_disk(move || {
            let oldest = spool.oldest();
            (spool, oldest)
        })
        .await
        else {
            return;
        };
        self.spool = Some(spool);
        self.measure();
        let mut spooled = match oldest {
            Ok(Some(spooled)) => spooled,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "the spool cannot be read; its events wait there");
                self.postpone();
                return;
            }
        };
        let events = std::mem::take(&mut spooled.events);
        let mut refused: Vec<Event> = Vec::new();
        for events in events.chunks(REPLAYED_AT_ONCE) {
            let mut batch = Batch::again(events);
            match self.attempt(&mut batch, spooled.writer).await {
                Ok(of_these) => refused.extend(of_these.keys().map(|place| events[*place].clone())),
                Err(error) => {
                    self.failed(&error);
                    return;
                }
            }
        }
        let counts = (events.len() - refused.len(), refused.len());
        let Some(mut spool) = self.spool.take() else { return };
        let Some((spool, removed)) = on_disk(move || {
            let removed = spool.remove(&spooled, &refused.iter().collect::<Vec<_>>());
            (spool, removed)
        })
        .await
        else {
            return;
        };
        self.spool = Some(spool);
        self.measure();
        // Whoever sees that events were refused finds them.
        let counters = &self.shared.counters;
        counters.replayed.fetch_add(counts.0 as u64, Relaxed);
        counters.refused_of_spool.fetch_add(counts.1 as u64, Relaxed);
        if let Err(error) = removed {
            tracing::error!(%error, "a file of the spool cannot be removed and will be stored again, to no effect");
            self.postpone();
        }
    }

    /// Stores all of a batch, part by part as the server demands, each within its time. What is done stays done after an error.
    async fn attempt(&mut self, batch: &mut Batch, writer: i64) -> Result<BTreeMap<usize, String>, Error> {
        loop {
            match tokio::time::timeout(ATTEMPT, self.store.store_next(batch, writer)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => break,
                Ok(Err(error)) => {
                    batch.is_repeated = true;
                    return Err(error);
                }
                Err(_) => {
                    batch.is_repeated = true;
                    return Err(Error::Away { waited: ATTEMPT });
                }
            }
        }
        self.retry_at = None;
        self.backoff = BACKOFF.0;
        *self.shared.trouble.lock() = None;
        let refused = std::mem::take(&mut batch.refused);
        if let Some((place, sqlstate)) = refused.first_key_value() {
            let id = batch.events.get(*place).map(|event| event.id);
            tracing::error!(
                events = refused.len(),
                sqlstate,
                ?id,
                "the server refuses events; their callers are told"
            );
        }
        Ok(refused)
    }

    fn failed(&mut self, error: &Error) {
        self.shared.counters.failures.fetch_add(1, Relaxed);
        let what = with_causes(error);
        tracing::warn!(error = what, again_in = ?self.backoff, "events cannot be stored");
        self.shared.trouble.lock().get_or_insert((what, Instant::now()));
        self.postpone();
    }

    fn postpone(&mut self) {
        self.retry_at = Some(Instant::now() + self.backoff);
        self.backoff = (self.backoff * 2).min(BACKOFF.1);
    }

    fn settle(&self, bytes: usize) {
        self.shared.buffer.free(bytes);
        self.shared.settled.notify_waiters();
    }

    /// What lies in the spool, for whoever asks.
    fn measure(&self) {
        let Some(spool) = &self.spool else { return };
        let counters = &self.shared.counters;
        counters.spool_bytes.store(spool.bytes(), Relaxed);
        counters.unreadable_files.store(spool.unreadable() as u64, Relaxed);
    }
}

/// Waits for the disk where that holds up nobody. `None` when the runtime ends meanwhile, and with it what was to be done.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::error!(%error, "the spool is lost to this process; what lies there is stored by the next");
            None
        }
    }
}
