//! The writer: takes events from everybody, and stores them by one task.

use super::{
    batch::Batch, buffer::Buffer, options::WriterOptions, spool::Spool, store::Store, ticket::Ticket,
};
use crate::audit::{Error, Event, Outcome};
use db_core::with_causes;
use db_pool::Pool;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// How long one attempt to store a batch may take. After it the database counts as away.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long to wait after the first attempt that failed, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Events of a spool file that are stored together.
const REPLAYED_AT_ONCE: usize = 5_000;

/// Takes events and stores many of them at a time. Cloning it is cheap, and every clone is the same writer.
///
/// An event is safe once [`Ticket::stored`] says so; until then it is in this process's memory. When the last clone is dropped, what was
/// taken is still stored, for as long as the runtime goes on; [`AuditWriter::close`] waits for that.
#[derive(Clone)]
pub struct AuditWriter {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    ended: watch::Receiver<bool>,
    task: tokio::task::AbortHandle,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.buffer.close();
    }
}

#[derive(Debug)]
struct Shared {
    buffer: Buffer,
    counters: Counters,
    /// Told after each batch.
    settled: Notify,
    /// Somebody wants it now.
    flushes: AtomicU64,
}

#[derive(Debug, Default)]
struct Counters {
    stored: AtomicU64,
    spooled: AtomicU64,
    replayed: AtomicU64,
    refused: AtomicU64,
    failures: AtomicU64,
}

/// What a writer has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterStats {
    /// Events that were taken.
    pub taken: u64,
    /// Events that the database has taken, those from the spool not among them.
    pub stored: u64,
    /// Events that went to the spool.
    pub spooled: u64,
    /// Events that came from the spool into the database.
    pub replayed: u64,
    /// Events that the server refused.
    pub refused: u64,
    /// Events that were not taken, as there was no room; their callers were told.
    pub dropped: u64,
    /// Attempts to store a batch that failed.
    pub failures: u64,
    /// Events that wait in memory.
    pub waiting: u64,
}

/// How a writer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Events that were taken and are neither in the database nor in the spool, as there was no time.
    pub lost: u64,
}

impl AuditWriter {
    /// Starts one. What an earlier one has left in the spool's folder is stored first.
    ///
    /// # Errors
    /// [`Error::Spool`] when the folder cannot be had. A database that is away is none.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(pool: Pool, options: &WriterOptions) -> Result<Self, Error> {
        let writer: i64 = rand::random();
        let master = options.master.clone();
        let spool = match &options.spool {
            None => None,
            Some(folder) => Some(
                Spool::open(folder, options.max_spool_bytes, master.as_ref(), writer)
                    .map_err(|source| Error::Spool { folder: folder.clone(), source })?,
            ),
        };
        let shared = Arc::new(Shared {
            buffer: Buffer::new(options),
            counters: Counters::default(),
            settled: Notify::new(),
            flushes: AtomicU64::new(0),
        });
        let (tell, ended) = watch::channel(false);
        let mut storing = Storing {
            shared: Arc::clone(&shared),
            store: Store { pool, master },
            writer,
            interval: options.interval,
            spool,
            retry_at: None,
            backoff: BACKOFF.0,
        };
        let task = tokio::spawn(async move {
            storing.run().await;
            tell.send_replace(true);
        });
        Ok(Self { handle: Arc::new(Handle { shared, ended, task: task.abort_handle() }) })
    }

    /// Takes an event, once there is room for it.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::TooLarge`], [`Error::NoMasterKey`] for one that cannot be stored; [`Error::Full`] where
    /// there is no room within the time that the options say; [`Error::Closed`].
    ///
    /// # Cancel safety
    /// A dropped future has taken nothing.
    pub async fn record(&self, event: Event) -> Result<Ticket, Error> {
        self.buffer().record(event).await
    }

    /// Takes an event if there is room for it now.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub fn try_record(&self, event: Event) -> Result<Ticket, Error> {
        self.buffer().try_record(event)
    }

    /// Stores what was taken so far without waiting for more, and waits for that.
    ///
    /// # Errors
    /// [`Error::Closed`] when the writer ends before.
    ///
    /// # Cancel safety
    /// It is stored all the same.
    pub async fn flush(&self) -> Result<(), Error> {
        let shared = &self.handle.shared;
        let taken = shared.buffer.taken.load(Relaxed);
        shared.flushes.fetch_add(1, Relaxed);
        shared.buffer.look.notify_one();
        let mut ended = self.handle.ended.clone();
        loop {
            let settled = shared.settled.notified();
            if shared.counters.settled() >= taken {
                return Ok(());
            }
            tokio::select! {
                () = settled => {}
                _ = ended.wait_for(|ended| *ended) => {
                    return if shared.counters.settled() >= taken { Ok(()) } else { Err(Error::Closed) };
                }
            }
        }
    }

    /// Takes nothing more, stores what was taken within this time, and ends. Without a spool, what the database does not take in that time
    /// is lost, and told.
    ///
    /// # Cancel safety
    /// It goes on to end.
    pub async fn close(&self, within: Duration) -> Closed {
        self.buffer().close();
        let mut ended = self.handle.ended.clone();
        // An error is the task's end as well.
        if tokio::time::timeout(within, ended.wait_for(|ended| *ended)).await.is_err() {
            self.handle.task.abort();
        }
        let taken = self.buffer().taken.load(Relaxed);
        Closed { lost: taken.saturating_sub(self.handle.shared.counters.settled()) }
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        let (buffer, counters) = (self.buffer(), &self.handle.shared.counters);
        let taken = buffer.taken.load(Relaxed);
        WriterStats {
            taken,
            stored: counters.stored.load(Relaxed),
            spooled: counters.spooled.load(Relaxed),
            replayed: counters.replayed.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            dropped: buffer.dropped.load(Relaxed),
            failures: counters.failures.load(Relaxed),
            waiting: taken.saturating_sub(counters.settled()),
        }
    }

    fn buffer(&self) -> &Buffer {
        &self.handle.shared.buffer
    }
}

/// The events that services record most.
impl AuditWriter {
    /// Somebody has begun a task.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn task_start(&self, task: impl fmt::Display) -> Result<Ticket, Error> {
        self.record(Event::task_start(task)).await
    }

    /// A task was completed, in this time.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn task_complete(&self, task: impl fmt::Display, duration: Duration) -> Result<Ticket, Error> {
        self.record(Event::task_complete(task, duration)).await
    }

    /// A task has failed, after this time.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn task_fail(
        &self,
        task: impl fmt::Display,
        duration: Duration,
        why: impl Into<String>,
    ) -> Result<Ticket, Error> {
        self.record(Event::task_fail(task, duration, why)).await
    }

    /// Something was made, and this is what it is.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn create(&self, entity_type: &str, id: &str, values: Value) -> Result<Ticket, Error> {
        self.record(Event::create(entity_type, id, values)).await
    }

    /// Something was changed, from this to that.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn update(&self, entity_type: &str, id: &str, old: Value, new: Value) -> Result<Ticket, Error> {
        self.record(Event::update(entity_type, id, old, new)).await
    }

    /// Something was removed that was this.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn delete(&self, entity_type: &str, id: &str, values: Value) -> Result<Ticket, Error> {
        self.record(Event::delete(entity_type, id, values)).await
    }

    /// Something was looked at.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn read(&self, entity_type: &str, id: &str) -> Result<Ticket, Error> {
        self.record(Event::read(entity_type, id)).await
    }

    /// Somebody has signed in, or tried to.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn login(&self, actor: &str, outcome: Outcome) -> Result<Ticket, Error> {
        self.record(Event::login(actor, outcome)).await
    }

    /// The program has started, stopped, or done something by itself.
    ///
    /// # Errors
    /// Those of [`AuditWriter::record`].
    pub async fn system(&self, what: &str) -> Result<Ticket, Error> {
        self.record(Event::system(what)).await
    }
}

impl fmt::Debug for AuditWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditWriter").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Counters {
    /// Events that wait no more, however it ended.
    fn settled(&self) -> u64 {
        self.stored.load(Relaxed) + self.spooled.load(Relaxed) + self.refused.load(Relaxed)
    }
}

/// The task.
struct Storing {
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
    async fn run(&mut self) {
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
            match self.attempt(&batch, self.writer).await {
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
                    batch.is_repeated = true;
                    self.failed(&error);
                }
            }
        }
        let Some(spool) = self.spool.take() else { return Some(batch) };
        let (spool, batch, written) = on_disk(spool, batch).await?;
        self.spool = Some(spool);
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
                Some(batch)
            }
        }
    }

    /// Brings one file of the spool into the database.
    async fn replay(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        let spooled = match spool.oldest() {
            Ok(Some(spooled)) => spooled,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "the spool cannot be read; its events wait there");
                self.postpone();
                return;
            }
        };
        let mut refused = 0;
        for events in spooled.events.chunks(REPLAYED_AT_ONCE) {
            let mut batch = Batch::default();
            batch.events = events.to_vec();
            batch.is_repeated = true;
            match self.attempt(&batch, spooled.writer).await {
                Ok(of_these) => refused += of_these.len() as u64,
                Err(error) => {
                    self.failed(&error);
                    return;
                }
            }
        }
        let counters = &self.shared.counters;
        counters.replayed.fetch_add(spooled.events.len() as u64 - refused, Relaxed);
        counters.refused.fetch_add(refused, Relaxed);
        if let Some(spool) = &mut self.spool
            && let Err(error) = spool.remove(&spooled)
        {
            tracing::error!(%error, "a file of the spool cannot be removed and will be stored again, to no effect");
            self.postpone();
        }
    }

    async fn attempt(&mut self, batch: &Batch, writer: i64) -> Result<BTreeMap<usize, String>, Error> {
        let refused = match tokio::time::timeout(ATTEMPT, self.store.store(batch, writer)).await {
            Ok(stored) => stored?,
            Err(_) => return Err(Error::Away { waited: ATTEMPT }),
        };
        self.retry_at = None;
        self.backoff = BACKOFF.0;
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
        tracing::warn!(error = with_causes(error), again_in = ?self.backoff, "events cannot be stored");
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
}

/// Writes where waiting for the disk holds up nobody. `None` when the runtime ends meanwhile, and with it the batch.
async fn on_disk(mut spool: Spool, batch: Batch) -> Option<(Spool, Batch, std::io::Result<()>)> {
    let writing = tokio::task::spawn_blocking(move || {
        let written = spool.write(&batch);
        (spool, batch, written)
    });
    writing.await.ok()
}
