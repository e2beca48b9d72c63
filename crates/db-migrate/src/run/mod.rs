//! Acts on a connection; what to do was decided before.

pub(crate) mod apply;
pub(crate) mod lock;
pub(crate) mod revert;
mod statements;

use crate::{Applied, Holder, MigrationId, Problem};
use std::fmt;
use std::time::Duration;

/// Limits of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// For how long a statement may wait for a lock on a table: everybody who comes later waits behind it. 5 s unless
    /// told. Not for statements such as `CREATE INDEX CONCURRENTLY`, behind which nobody waits.
    pub lock_timeout: Duration,
    /// For how long another deployment may keep this one waiting; 60 s unless told.
    pub deploy_lock_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { lock_timeout: Duration::from_secs(5), deploy_lock_timeout: Duration::from_secs(60) }
    }
}

/// What a run tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another deployment holds the lock.
    Waiting {
        /// Who it is, unless they have just let go.
        holder: Option<&'a Holder>,
        /// For how long so far.
        waited: Duration,
    },
    /// A migration begins.
    Started {
        /// Name of its folder.
        folder: &'a str,
        /// Which of the run it is, from 1.
        position: usize,
        /// How many there are.
        total: usize,
    },
    /// A migration is done.
    Finished {
        /// Name of its folder.
        folder: &'a str,
        /// How long it took.
        execution: Duration,
    },
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
            Self::Started { folder, position, total } => write!(f, "[{position}/{total}] {folder}"),
            Self::Finished { folder, execution } => write!(f, "{folder} done in {execution:.1?}"),
        }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The migrations that were applied or reverted, in the order in which they were.
    pub done: Vec<Done>,
    /// How long other deployments kept it waiting.
    pub waited: Duration,
}

/// A migration that was applied or reverted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its number.
    pub id: MigrationId,
    /// Name of its folder.
    pub folder: String,
    /// How long it took.
    pub execution: Duration,
}

/// Where a database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What was applied, by number; half-applied ones too.
    pub applied: Vec<Applied>,
    /// Folders of what was not, in the order in which they would be applied.
    pub pending: Vec<String>,
    /// What keeps the pending ones from being applied. While somebody is deploying, what looks half applied may be
    /// under way.
    pub problems: Vec<Problem>,
    /// Who is deploying just now.
    pub deploying: Option<Holder>,
}
