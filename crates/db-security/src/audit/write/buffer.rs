//! Where events gather: one short lock, and room that is given back when they are stored.

use super::{
    batch::Batch,
    options::{WhenFull, WriterOptions},
    ticket::Ticket,
};
use crate::audit::{Error, Event};
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::{Notify, Semaphore, TryAcquireError};

/// Where events gather.
#[derive(Debug)]
pub(super) struct Buffer {
    gathered: Mutex<Gathered>,
    /// A permit a byte.
    room: Semaphore,
    /// Somebody should look: there is something, or enough, or the end.
    pub(super) look: Notify,
    is_closed: AtomicBool,
    batch_bytes: usize,
    max_bytes: usize,
    max_event_bytes: usize,
    when_full: WhenFull,
    can_encrypt: bool,
    pub(super) taken: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) rejected: AtomicU64,
}

/// The events, and whether anybody will come for more.
#[derive(Debug, Default)]
struct Gathered {
    batch: Batch,
    has_ended: bool,
}

impl Buffer {
    pub(super) fn new(options: &WriterOptions) -> Self {
        let max_bytes = options.max_bytes.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            gathered: Mutex::default(),
            room: Semaphore::new(max_bytes),
            look: Notify::new(),
            is_closed: AtomicBool::new(false),
            batch_bytes: options.batch_bytes,
            max_bytes,
            max_event_bytes: options.max_event_bytes.min(max_bytes),
            when_full: options.when_full,
            can_encrypt: options.master.is_some(),
            taken: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
        }
    }

    /// Takes an event once there is room.
    pub(super) async fn record(&self, event: Event) -> Result<Ticket, Error> {
        self.counted(self.record_one(event).await)
    }

    async fn record_one(&self, event: Event) -> Result<Ticket, Error> {
        let bytes = self.check(&event)?;
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = match (self.room.try_acquire_many(permits), self.when_full) {
            (Ok(permit), _) => permit,
            (Err(TryAcquireError::Closed), _) => return Err(Error::Closed),
            (Err(TryAcquireError::NoPermits), WhenFull::Drop) => return Err(self.drop_one(Duration::ZERO)),
            (Err(TryAcquireError::NoPermits), WhenFull::Wait(limit)) => {
                match tokio::time::timeout(limit, self.room.acquire_many(permits)).await {
                    Ok(Ok(permit)) => permit,
                    Ok(Err(_)) => return Err(Error::Closed),
                    Err(_) => return Err(self.drop_one(limit)),
                }
            }
        };
        // Given back by whoever has stored it.
        permit.forget();
        self.push(event, bytes)
    }

    /// Takes an event if there is room.
    pub(super) fn try_record(&self, event: Event) -> Result<Ticket, Error> {
        self.counted(self.try_record_one(event))
    }

    fn try_record_one(&self, event: Event) -> Result<Ticket, Error> {
        let bytes = self.check(&event)?;
        match self.room.try_acquire_many(u32::try_from(bytes).unwrap_or(u32::MAX)) {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::Closed) => return Err(Error::Closed),
            Err(TryAcquireError::NoPermits) => return Err(self.drop_one(Duration::ZERO)),
        }
        self.push(event, bytes)
    }

    /// What is not taken, and not for want of room, is counted too.
    fn counted(&self, taken: Result<Ticket, Error>) -> Result<Ticket, Error> {
        if let Err(error) = &taken
            && !matches!(error, Error::Full { .. })
        {
            self.rejected.fetch_add(1, Relaxed);
        }
        taken
    }

    fn check(&self, event: &Event) -> Result<usize, Error> {
        event.check()?;
        if let (Some(personal), false) = (&event.personal, self.can_encrypt) {
            return Err(Error::NoMasterKey { subject: personal.subject.clone() });
        }
        let bytes = event.size();
        if bytes > self.max_event_bytes {
            return Err(Error::TooLarge { bytes, max_bytes: self.max_event_bytes });
        }
        Ok(bytes)
    }

    fn push(&self, event: Event, bytes: usize) -> Result<Ticket, Error> {
        let id = event.id;
        let mut gathered = self.gathered.lock();
        if gathered.has_ended {
            return Err(Error::Closed);
        }
        let batch = &mut gathered.batch;
        let was_empty = batch.is_empty();
        let (place, end) = batch.push(event, bytes);
        let is_enough = batch.bytes >= self.batch_bytes && batch.bytes - bytes < self.batch_bytes;
        self.taken.fetch_add(1, Relaxed);
        drop(gathered);
        if was_empty || is_enough {
            self.look.notify_one();
        }
        Ok(Ticket { id, place, end })
    }

    /// An event that is not taken; its caller is told.
    fn drop_one(&self, waited: Duration) -> Error {
        self.dropped.fetch_add(1, Relaxed);
        Error::Full { waited, events: self.waiting().0 }
    }

    /// What has gathered.
    pub(super) fn take(&self) -> Batch {
        std::mem::take(&mut self.gathered.lock().batch)
    }

    /// Events that wait, and whether they are enough to be stored.
    pub(super) fn waiting(&self) -> (usize, bool) {
        let batch = &self.gathered.lock().batch;
        (batch.events.len(), batch.bytes >= self.batch_bytes)
    }

    /// Gives back the room of events that are stored.
    pub(super) fn free(&self, bytes: usize) {
        self.room.add_permits(bytes.min(self.max_bytes));
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.room.close();
        self.is_closed.store(true, Relaxed);
        self.look.notify_one();
    }

    /// Nobody will come any more: whoever waits for what has gathered is told.
    pub(super) fn give_up(&self) {
        let batch = {
            let mut gathered = self.gathered.lock();
            gathered.has_ended = true;
            std::mem::take(&mut gathered.batch)
        };
        drop(batch);
    }

    /// Nobody will come for more; `false` where something has come meanwhile.
    pub(super) fn end(&self) -> bool {
        let mut gathered = self.gathered.lock();
        gathered.has_ended = gathered.batch.is_empty();
        gathered.has_ended
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }
}
