//! What a backup or a restore tells while it goes on.

use std::fmt;
use std::time::{Duration, Instant};

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupEvent<'a> {
    /// A program of PostgreSQL's was chosen.
    Tool {
        /// Its name.
        name: &'a str,
        /// Its version.
        version: &'a str,
    },
    /// A phase begins.
    Started {
        /// Which.
        phase: Phase,
    },
    /// A phase goes on.
    Advanced {
        /// Which.
        phase: Phase,
        /// How much of it is done, in the phase's unit.
        done: u64,
        /// How much there is; of a dump, which is compressed, more than will come.
        total: u64,
    },
    /// A phase is done.
    Finished {
        /// Which.
        phase: Phase,
        /// How long it took.
        took: Duration,
    },
}

/// A part of the work, with what its progress counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// `pg_dump` writes; bytes on disk, of bytes in the database.
    Dump,
    /// Tables are read to be hashed; pieces of tables.
    Hash,
    /// SHA-256 of files; bytes.
    Files,
    /// `pg_restore` reads; objects.
    Restore,
    /// The planner's statistics are gathered; not counted.
    Analyze,
    /// Databases are renamed; not counted.
    Swap,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dump => "dumping",
            Self::Hash => "hashing tables",
            Self::Files => "hashing files",
            Self::Restore => "restoring",
            Self::Analyze => "analyzing",
            Self::Swap => "swapping databases",
        })
    }
}

impl fmt::Display for BackupEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool { name, version } => write!(f, "{name} {version}"),
            Self::Started { phase } => write!(f, "{phase}"),
            Self::Advanced { phase, done, total } => write!(f, "{phase}: {done} of {total}"),
            Self::Finished { phase, took } => write!(f, "{phase} took {took:.1?}"),
        }
    }
}

/// Whom to tell.
pub(crate) type Progress<'a> = dyn FnMut(&BackupEvent<'_>) + Send + 'a;

/// A phase that goes on.
pub(super) struct Stage {
    phase: Phase,
    started: Instant,
}

impl Stage {
    pub(super) fn start(phase: Phase, progress: &mut Progress<'_>) -> Self {
        progress(&BackupEvent::Started { phase });
        Self { phase, started: Instant::now() }
    }

    pub(super) fn advance(&self, done: u64, total: u64, progress: &mut Progress<'_>) {
        progress(&BackupEvent::Advanced { phase: self.phase, done: done.min(total), total });
    }

    pub(super) fn finish(self, progress: &mut Progress<'_>) {
        progress(&BackupEvent::Finished { phase: self.phase, took: self.started.elapsed() });
    }
}
