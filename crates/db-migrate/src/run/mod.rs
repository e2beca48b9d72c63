//! Acts on a connection; what to do was decided before.

pub(crate) mod adopt;
mod alone;
pub(crate) mod apply;
mod attempt;
mod event;
mod evidence;
mod execute;
pub(crate) mod hooks;
pub(crate) mod lock;
mod options;
mod pooled;
mod rebuild;
pub(crate) mod recover;
pub(crate) mod rehearse;
pub(crate) mod repair;
mod retry;
pub(crate) mod revert;
mod send;
mod settings;
pub(crate) mod status;
mod undo;
mod watch;

pub use event::{Blocker, Event, Progress};
pub(crate) use execute::{Direction, Rest, Runner};
pub use options::{DeployLock, Options, ServerWide};
pub(crate) use settings::Settings;

use crate::MigrationId;
use std::time::Duration;

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
    /// Its version.
    pub id: MigrationId,
    /// Its folder or file.
    pub label: String,
    /// How long it took.
    pub execution: Duration,
}
