//! What a database holds besides its rows: read, written to a file, fingerprinted, compared.

mod difference;
mod fingerprint;
mod object;
mod parse;
mod read;
pub(crate) mod settings;
mod snapshot;

pub use difference::{Difference, diff};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use object::{Kind, Object};
pub use parse::SnapshotError;
pub(crate) use read::digest;
pub use read::{ColumnOrder, Privileges, SnapshotOptions, snapshot};
pub use snapshot::Snapshot;
