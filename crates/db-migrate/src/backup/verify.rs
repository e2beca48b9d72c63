//! Proves a backup: every file is as it was written, and a database made of it is what was backed up.

use super::compare::{self, compare};
use super::event::Progress;
use super::files::{check_all, write_synced};
use super::load::{load, restorer};
use super::manifest::{self, Manifest, VERIFIED};
use super::{BackupError, RestoreOptions};
use crate::held::Held;
use crate::{Scratch, Server};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// That a backup was restored and found equal; kept beside it as `verified.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verified {
    /// When.
    pub at: DateTime<Utc>,
    /// Version of the server that it was restored on.
    pub server_version_num: u32,
    /// The database that it was restored into, which is gone.
    pub scratch: String,
    /// Rows that were compared.
    pub rows: u64,
    /// SHA-256 of the manifest, so that it cannot be taken for another backup's.
    manifest: String,
}

/// Sees that each file of a backup is as it was written; asks no server.
///
/// # Errors
/// [`BackupError::Manifest`] and [`BackupError::Damaged`] with the files.
///
/// # Cancel safety
/// It only reads.
pub async fn verify_files(
    backup: &Path,
    progress: &mut (dyn FnMut(&super::BackupEvent<'_>) + Send),
) -> Result<(), BackupError> {
    check_all(backup, &Manifest::read(backup)?, progress).await
}

/// Verifies a backup: its files, and that a database made of it has the same schema and rows. It is restored into a
/// scratch database on `server`, which needs the roles that own things in the backup; that is dropped in the end
/// however it turns out.
///
/// # Errors
/// [`BackupError::Manifest`] and [`BackupError::Damaged`] with the files, [`BackupError::Differs`] with the tables.
///
/// # Cancel safety
/// `pg_restore` is killed and the scratch database dropped; [`Scratch::settled`] waits for that.
pub async fn verify(
    server: &Server,
    backup: &Path,
    options: &RestoreOptions,
    progress: &mut (dyn FnMut(&super::BackupEvent<'_>) + Send),
) -> Result<Verified, BackupError> {
    let manifest = Manifest::read(backup)?;
    check_all(backup, &manifest, progress).await?;
    let (at, shape) = (server.clone(), manifest.shape.clone());
    let scratch = Held::made(async move { Scratch::shaped(&at, &shape).await }).await?;
    let outcome = prove(scratch.server(), backup, &manifest, options, progress).await;
    let verified = scratch.end(outcome).await?;
    let text = serde_json::to_vec_pretty(&verified);
    let path = backup.join(VERIFIED);
    write_synced(&path, &text.map_err(|error| BackupError::file("write", &path)(error.into()))?)?;
    Ok(verified)
}

/// What `verify` has found before, if it was this backup.
pub(super) fn found_before(backup: &Path) -> Option<Verified> {
    let verified: Verified = serde_json::from_slice(&fs::read(backup.join(VERIFIED)).ok()?).ok()?;
    let sum = manifest::sum_of(backup).ok()?;
    (verified.manifest == sum).then_some(verified)
}

async fn prove(
    scratch: &Server,
    backup: &Path,
    manifest: &Manifest,
    options: &RestoreOptions,
    progress: &mut Progress<'_>,
) -> Result<Verified, BackupError> {
    let schema = compare::schema(backup)?;
    let pg_restore = restorer(scratch, manifest, options, progress).await?;
    load(&pg_restore, scratch, backup, &schema, options, progress).await?;
    compare(scratch, manifest, &schema, options, progress).await?;
    let conn = scratch.connect().await?;
    Ok(Verified {
        at: Utc::now(),
        server_version_num: conn.server_version_num().unwrap_or_default(),
        scratch: scratch.database().to_owned(),
        rows: manifest.rows(),
        manifest: manifest::sum_of(backup)?,
    })
}
