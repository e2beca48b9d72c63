//! What a run tells while it goes on.

use crate::{Holder, Problem};
use sqlx::FromRow;
use std::fmt;
use std::time::Duration;

/// What a run tells while it goes on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another deployment holds the lock.
    Waiting {
        /// Who it is, unless they have just let go.
        holder: Option<&'a Holder>,
        /// For how long so far.
        waited: Duration,
    },
    /// The rules let this pass.
    Warning(&'a Problem),
    /// A migration begins.
    Started {
        /// Its folder or file.
        label: &'a str,
        /// Which of the run it is, from 1.
        position: usize,
        /// How many there are.
        total: usize,
    },
    /// A statement is done.
    Statement {
        /// The migration.
        label: &'a str,
        /// Which of its statements, from 1.
        number: usize,
        /// How many it has.
        total: usize,
    },
    /// A statement did not get its lock in time and is about to be tried again.
    Blocked {
        /// The migration.
        label: &'a str,
        /// Which attempt this was, from 1.
        attempt: u32,
        /// Who holds the lock; empty where no second session could be had to see it.
        blockers: &'a [Blocker],
        /// When the next attempt is.
        pause: Duration,
    },
    /// A long statement goes on.
    Progress {
        /// The migration.
        label: &'a str,
        /// How far it is.
        progress: &'a Progress,
    },
    /// Something that was half done is mended.
    Mended {
        /// What was done, as in `dropped the invalid index notes_idx`.
        what: &'a str,
    },
    /// A copy of the database is made to rehearse on.
    Copying {
        /// Why.
        because: &'a str,
    },
    /// A migration is done.
    Finished {
        /// Its folder or file.
        label: &'a str,
        /// How long it took.
        execution: Duration,
    },
}

/// A session that is in the way.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Blocker {
    /// Process of the server.
    pub pid: i32,
    /// What the session calls itself.
    pub application_name: String,
    /// Its database role, where we may see it.
    pub role: Option<String>,
    /// `active`, `idle in transaction` and the like.
    pub state: String,
    /// Its statement, the last where it is idle; cut at 200 characters, literals left out.
    pub query: String,
    /// Since when its transaction runs, in seconds.
    pub age_seconds: f64,
}

/// How far a statement is.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Progress {
    /// What it is doing, as in `building index: scanning table`.
    pub phase: String,
    /// Blocks, or sessions waited for, that are done.
    pub done: i64,
    /// Those that there are; 0 where that is not known.
    pub total: i64,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({}", self.pid, self.state)?;
        self.role.iter().try_for_each(|role| write!(f, ", role {role}"))?;
        if !self.application_name.is_empty() {
            write!(f, ", application_name {:?}", self.application_name)?;
        }
        write!(f, ", its transaction open for {:.1} s): {}", self.age_seconds, self.query)
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { holder: Some(holder), waited } => {
                write!(f, "waiting for the migration lock since {waited:.1?}: {holder}")
            }
            Self::Waiting { holder: None, waited } => {
                write!(f, "waiting for the migration lock since {waited:.1?}")
            }
            Self::Warning(problem) => write!(f, "warning: {problem}"),
            Self::Started { label, position, total } => write!(f, "[{position}/{total}] {label}"),
            Self::Statement { label, number, total } => {
                write!(f, "{label}: statement {number} of {total} done")
            }
            Self::Blocked { label, attempt, blockers, pause } => {
                write!(f, "{label}: attempt {attempt} did not get its lock, again in {pause:.1?}")?;
                match blockers {
                    [] => Ok(()),
                    blockers => blockers.iter().try_for_each(|blocker| write!(f, "; blocked by {blocker}")),
                }
            }
            Self::Progress { label, progress: Progress { phase, done, total } } if *total > 0 => {
                write!(f, "{label}: {phase}, {} %", done * 100 / total)
            }
            Self::Progress { label, progress } => write!(f, "{label}: {}", progress.phase),
            Self::Mended { what } => f.write_str(what),
            Self::Copying { because } => write!(f, "copying the database: {because}"),
            Self::Finished { label, execution } => write!(f, "{label} done in {execution:.1?}"),
        }
    }
}
