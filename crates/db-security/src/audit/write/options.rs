//! How a writer gathers, and what it does while the database is away.

use crate::audit::MasterKey;
use std::{path::PathBuf, time::Duration};

/// What becomes of an event for which there is no room, because the database does not take what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Its caller waits for so long, and is told then.
    Wait(Duration),
    /// Its caller is told at once, and it is counted as dropped.
    Drop,
}

/// How a writer gathers, and what it does while the database is away.
#[derive(Clone, Debug)]
#[must_use]
pub struct WriterOptions {
    pub(super) interval: Duration,
    pub(super) batch_bytes: usize,
    pub(super) max_bytes: usize,
    pub(super) max_event_bytes: usize,
    pub(super) when_full: WhenFull,
    pub(super) spool: Option<PathBuf>,
    pub(super) max_spool_bytes: u64,
    pub(super) master: Option<MasterKey>,
    pub(super) former: Vec<MasterKey>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(200),
            batch_bytes: 1 << 20,
            max_bytes: 16 << 20,
            max_event_bytes: 1 << 20,
            when_full: WhenFull::Wait(Duration::from_secs(5)),
            spool: None,
            max_spool_bytes: 1 << 30,
            master: None,
            former: Vec::new(),
        }
    }
}

impl WriterOptions {
    /// Stores what there is after 200 ms or 1 MiB, keeps at most 16 MiB, and has callers wait for five seconds when that is full.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long an event waits for others.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How many bytes of events are stored without waiting for more.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// How many bytes of events may wait in memory.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How big an event may be.
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.max_event_bytes = bytes;
        self
    }

    /// What becomes of events for which there is no room.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// While the database is away, events are written to files in this folder, and counted as stored once they are on disk; they come
    /// into the database when it is back, or when the next writer opens the folder. One writer at a time has it. What is
    /// personal is encrypted there.
    pub fn spool(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool = Some(folder.into());
        self
    }

    /// How many bytes may lie in that folder: 1 GiB unless this is called. After that events wait as without it.
    pub fn max_spool_bytes(mut self, bytes: u64) -> Self {
        self.max_spool_bytes = bytes;
        self
    }

    /// Encrypts what is personal.
    pub fn master_key(mut self, master: MasterKey) -> Self {
        self.master = Some(master);
        self
    }

    /// A key that was the master key before the last [`rewrap`](crate::audit::rewrap): opens what lies in the spool from then.
    pub fn former_master_key(mut self, former: MasterKey) -> Self {
        self.former.push(former);
        self
    }
}
