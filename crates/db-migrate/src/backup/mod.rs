//! Backups by `pg_dump`, proved by restoring them.
//!
//! A backup is a folder: `dump/` is what `pg_dump` wrote, `schema.txt` the schema, `manifest.json` what the database
//! held, from the same snapshot: rows and a hash of each table, values of sequences, SHA-256 of each file.
//! [`verify`](verify()) restores it into a database of its own and compares. No function here prompts or reads the
//! environment other than `PATH`.

pub(crate) mod child;
mod compare;
mod create;
mod error;
mod event;
mod files;
mod list;
mod load;
mod manifest;
mod options;
mod partial;
mod prune;
mod restore;
pub(crate) mod rows;
mod schema_copy;
mod sequences;
mod settings;
mod swap;
pub(crate) mod temporary;
pub(crate) mod tools;
mod verify;

pub use create::create;
pub use error::{BackupError, Damage, ManifestProblem};
pub use event::{BackupEvent, Phase};
pub use list::{Entry, State, list};
pub use manifest::{FileSum, LargeObjects, Manifest, SequenceValue, TableSum};
pub use options::{Compression, CreateOptions, OpenSessions, RestoreOptions, Target};
pub use prune::{KeepPolicy, Pruning, Removal, plan_prune, prune};
pub use restore::{Restored, restore};
pub(crate) use schema_copy::copy_schema;
pub use tools::ToolSearch;
pub use verify::{Verified, verify, verify_files};
