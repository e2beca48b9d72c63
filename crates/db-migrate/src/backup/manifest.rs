//! What a backup holds, as a file that tells when it was changed.

use super::files::{hex, sha256, write_synced};
use super::{BackupError, ManifestProblem};
use crate::schema::Fingerprint;
use crate::shape::Shape;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Component, Path};

/// The manifest and, as `sha256sum -c` reads it, its hash.
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const MANIFEST_SUM: &str = "manifest.sha256";
/// The schema's snapshot.
pub(super) const SCHEMA: &str = "schema.txt";
/// What `pg_dump` wrote.
pub(super) const DUMP: &str = "dump";
/// Written when a backup was verified; no part of it.
pub(super) const VERIFIED: &str = "verified.json";
/// Changes when an older version could not read it.
const FORMAT: u32 = 1;

/// What a backup holds. Rows, hashes and schema are of the snapshot that was dumped; values of sequences are those of
/// the dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// Of this file.
    pub format: u32,
    /// What wrote it, with its version.
    pub tool: String,
    /// When the snapshot was taken, by this machine's clock.
    pub created_at: DateTime<Utc>,
    /// The database.
    pub database: String,
    /// As in 150018.
    pub server_version_num: u32,
    /// As in "15.18 (Debian 15.18-0+deb12u1)".
    pub server_version: String,
    /// Of the `pg_dump` that wrote it.
    pub pg_dump_version: String,
    pub(super) shape: Shape,
    /// Of the schema, which is beside it as text.
    pub schema_fingerprint: String,
    /// Every table that has rows of its own; the partitions of a partitioned one.
    pub tables: Vec<TableSum>,
    /// Every sequence.
    pub sequences: Vec<SequenceValue>,
    /// Large objects together.
    pub large_objects: LargeObjects,
    /// Every file but the manifest.
    pub files: Vec<FileSum>,
}

/// The rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// Qualified and quoted.
    pub name: String,
    /// `None` when its rows were left out.
    pub rows: Option<u64>,
    /// Sum of the hashes of its rows as text, so that their order does not matter; `None` when they were left out.
    pub hash: Option<String>,
}

/// The value of a sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceValue {
    /// Qualified and quoted.
    pub name: String,
    /// The number it gave last, or would give next.
    pub last_value: i64,
    /// Whether it gave it already.
    pub is_called: bool,
}

/// The large objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjects {
    /// How many.
    pub count: u64,
    /// Sum of the hashes of their numbers and first 256 MB.
    pub hash: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileSum {
    /// Relative to the backup's folder, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// [`BackupError::Manifest`] when it is missing or damaged, or of a newer version.
    pub fn read(backup: &Path) -> Result<Self, BackupError> {
        read(backup).map_err(|problem| BackupError::Manifest { backup: backup.to_owned(), problem })
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().filter_map(|table| table.rows).sum()
    }

    /// Bytes of all files but the manifest.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Major version of the server that was backed up.
    #[must_use]
    pub fn server_major(&self) -> u32 {
        self.server_version_num / 10_000
    }

    /// Major version of `pg_dump`, for which a `pg_restore` must be new enough.
    pub(super) fn dump_major(&self) -> u32 {
        self.pg_dump_version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(self.server_major())
    }

    pub(super) fn write(&self, backup: &Path) -> Result<(), BackupError> {
        let path = backup.join(MANIFEST);
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| BackupError::file("write", &path)(error.into()))?;
        text.push(b'\n');
        write_synced(&path, &text)?;
        write_synced(&backup.join(MANIFEST_SUM), format!("{}  {MANIFEST}\n", sum(&text)).as_bytes())
    }
}

/// What is known before anything was dumped.
pub(super) fn begin(
    created_at: DateTime<Utc>,
    database: &str,
    shape: Shape,
    schema: Fingerprint,
) -> Manifest {
    Manifest {
        format: FORMAT,
        tool: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        created_at,
        database: database.to_owned(),
        server_version_num: 0,
        server_version: String::new(),
        pg_dump_version: String::new(),
        shape,
        schema_fingerprint: schema.to_string(),
        tables: Vec::new(),
        sequences: Vec::new(),
        large_objects: LargeObjects::default(),
        files: Vec::new(),
    }
}

/// The hash by which a backup is known, as in `verified.json`.
pub(super) fn sum_of(backup: &Path) -> Result<String, BackupError> {
    let path = backup.join(MANIFEST);
    fs::read(&path).map(|bytes| sum(&bytes)).map_err(BackupError::file("read", path))
}

fn read(backup: &Path) -> Result<Manifest, ManifestProblem> {
    let file = |file| {
        fs::read(backup.join(file)).map_err(move |source| ManifestProblem::Unreadable { file, source })
    };
    let text = file(MANIFEST)?;
    let json = |error: serde_json::Error| ManifestProblem::Json {
        line: error.line(),
        column: error.column(),
        source: error,
    };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(json)?;
    let line = format!("{}  {MANIFEST}\n", sum(&text));
    if file(MANIFEST_SUM)? != line.as_bytes() {
        return Err(ManifestProblem::Changed);
    }
    let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
    if format != u64::from(FORMAT) {
        return Err(ManifestProblem::Format { found: format, known: FORMAT });
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(json)?;
    match manifest.files.iter().find(|file| !is_inside(&file.path)) {
        Some(file) => Err(ManifestProblem::Path { path: file.path.clone() }),
        None => Ok(manifest),
    }
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn sum(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}
