//! The writer: takes events from everybody, and stores them by one task.

use super::{
    buffer::Buffer,
    options::WriterOptions,
    spool::Spool,
    stats::{Closed, Counters, WriterStats},
    store::Store,
    storing::Storing,
    ticket::Ticket,
};
use crate::audit::{Error, Event, Outcome};
use db_pool::Pool;
use parking_lot::Mutex;
use serde_json::Value;
use std::{
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

/// What callers and the task have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) buffer: Buffer,
    pub(super) counters: Counters,
    /// Told after each batch.
    pub(super) settled: Notify,
    /// Somebody wants it now.
    pub(super) flushes: AtomicU64,
    /// Why events cannot be stored, and since when.
    pub(super) trouble: Mutex<Option<(String, Instant)>>,
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
        let keys: Vec<_> = options.master.iter().chain(&options.former).cloned().collect();
        let spool = match &options.spool {
            None => None,
            Some(folder) => Some(
                Spool::open(folder, options.max_spool_bytes, &keys, writer)
                    .map_err(|source| Error::Spool { folder: folder.clone(), source })?,
            ),
        };
        let shared = Arc::new(Shared {
            buffer: Buffer::new(options),
            counters: Counters::default(),
            settled: Notify::new(),
            flushes: AtomicU64::new(0),
            trouble: Mutex::new(None),
        });
        let (tell, ended) = watch::channel(false);
        let store = Store { pool, master: options.master.clone() };
        let mut storing = Storing::new(Arc::clone(&shared), store, writer, options.interval, spool);
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

    /// Stores what was taken so far without waiting for more, and waits for that: at most for so long.
    ///
    /// # Errors
    /// [`Error::Away`] when that is not enough, and what was taken waits on; [`Error::Closed`] when the writer ends before.
    ///
    /// # Cancel safety
    /// It is stored all the same.
    pub async fn flush(&self, within: Duration) -> Result<(), Error> {
        let flushed = tokio::time::timeout(within, self.flushed()).await;
        flushed.unwrap_or(Err(Error::Away { waited: within }))
    }

    async fn flushed(&self) -> Result<(), Error> {
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
            // Whoever waits for these is told.
            self.buffer().give_up();
        }
        let taken = self.buffer().taken.load(Relaxed);
        Closed { lost: taken.saturating_sub(self.handle.shared.counters.settled()) }
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        self.shared().stats()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    fn buffer(&self) -> &Buffer {
        &self.handle.shared.buffer
    }
}

impl Shared {
    pub(super) fn stats(&self) -> WriterStats {
        let (buffer, counters) = (&self.buffer, &self.counters);
        let taken = buffer.taken.load(Relaxed);
        WriterStats {
            taken,
            stored: counters.stored.load(Relaxed),
            spooled: counters.spooled.load(Relaxed),
            replayed: counters.replayed.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            refused_of_spool: counters.refused_of_spool.load(Relaxed),
            dropped: buffer.dropped.load(Relaxed),
            rejected: buffer.rejected.load(Relaxed),
            failures: counters.failures.load(Relaxed),
            waiting: taken.saturating_sub(counters.settled()),
            spool_bytes: counters.spool_bytes.load(Relaxed),
            unreadable_files: counters.unreadable_files.load(Relaxed),
        }
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
