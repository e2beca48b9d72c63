//! What commits make untrue, told to every process by the database that they were made in.
//!
//! Whoever changes a row writes the keys that it makes untrue into a table, in the same transaction, and rings a bell that
//! sounds at the commit. Every process follows that table: it reads what is new by the transactions' numbers, so that no
//! row is passed over that was written early and committed late, and nothing depends on the bell but how soon. Whoever was
//! away for longer than rows are kept knows it, and drops everything.

mod applied;
mod backlog;
mod follow;
mod follower;
mod removal;
mod snapshot;
mod whole;
mod write;

pub(crate) use applied::Applied;
pub use backlog::Backlog;
pub use follow::{Follow, Followed, Following};
pub(crate) use snapshot::Snapshot;
pub use whole::Scope;
pub use write::{Change, ChangeError, Seen};

/// The bell. Its sound says nothing: what it is about is in the table.
const CHANNEL: &str = "cairn_cache";
