//! What may go wrong with a backup, and where.

use crate::Error;
use db_core::{Classify, Retry};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Error of the functions for backups.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The server refused, or could not be asked.
    #[error(transparent)]
    Database(#[from] Error),
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as in "read".
        action: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program of PostgreSQL's is not installed.
    #[error(
        "{tool} is not found in {}: install postgresql-client-{major}, or name its folder",
        folders(searched)
    )]
    ToolMissing {
        /// Its name.
        tool: &'static str,
        /// The major version that would do.
        major: u32,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// A program of PostgreSQL's is older than what it must work with.
    #[error(
        "{} is version {version}, too old for version {needed}: install postgresql-client-{needed}",
        path.display()
    )]
    ToolTooOld {
        /// The newest that was found.
        path: PathBuf,
        /// Its version.
        version: String,
        /// The oldest major version that would do.
        needed: u32,
    },
    /// A program of PostgreSQL's failed.
    #[error("{tool} failed ({status}):{}", lines(stderr))]
    Tool {
        /// Its name.
        tool: &'static str,
        /// How it ended.
        status: String,
        /// The errors it told, without values of rows.
        stderr: Vec<String>,
    },
    /// There is already something of this name.
    #[error("{name} exists already: choose another name or remove it")]
    Exists {
        /// The folder or database.
        name: String,
    },
    /// No database can have this name.
    #[error("no database can be called {name:?}: a name has 1 to 63 bytes, and the server would cut it")]
    Name {
        /// As it was asked for.
        name: String,
    },
    /// A table whose rows are not to be saved does not exist.
    #[error("there is no table {name} whose rows could be left out: write it qualified, as in public.events")]
    NoTable {
        /// As it was written.
        name: String,
    },
    /// The folder's manifest cannot be used.
    #[error("the manifest of {} cannot be used", backup.display())]
    Manifest {
        /// The folder of the backup.
        backup: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: ManifestProblem,
    },
    /// Files are not as they were when the backup was made.
    #[error("the backup {} is damaged:{}", backup.display(), lines(damages))]
    Damaged {
        /// The folder of the backup.
        backup: PathBuf,
        /// What is wrong, by file.
        damages: Vec<Damage>,
    },
    /// The server is older than the one that was backed up; `pg_restore` does not promise that this works.
    #[error("the backup is of PostgreSQL {backup}, the server is {server}: restore into {backup} or newer")]
    OlderServer {
        /// Major version of the backup.
        backup: u32,
        /// Major version of the server.
        server: u32,
    },
    /// What was restored is not what was backed up; it was dropped again.
    #[error("the restored database is not what was backed up:{}", lines(differences))]
    Differs {
        /// In what, a line each.
        differences: Vec<String>,
    },
    /// The database to replace is in use.
    #[error("{database} is in use by {}: end these sessions, or allow the restore to", sessions.join(", "))]
    InUse {
        /// The database.
        database: String,
        /// Who is in it.
        sessions: Vec<String>,
    },
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// One of its two files cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It is no JSON, or not of the shape of a manifest.
    #[error("manifest.json is wrong at line {line}, column {column}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        source: serde_json::Error,
    },
    /// The two files contradict each other.
    #[error("manifest.json does not match manifest.sha256, one of them was changed")]
    Changed,
    /// A newer version wrote it.
    #[error("it has format {found}, this version reads {known}")]
    Format {
        /// Of the file.
        found: u64,
        /// What can be read.
        known: u32,
    },
    /// It names a file outside of its folder.
    #[error("it names the file {path:?}, which is not in its folder")]
    Path {
        /// As it stands there.
        path: String,
    },
}

/// What is wrong with a file of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// It is not there.
    Missing {
        /// Relative to the backup's folder.
        file: String,
    },
    /// The manifest does not know it.
    Extra {
        /// Relative to the backup's folder.
        file: String,
    },
    /// It is longer or shorter.
    Size {
        /// Relative to the backup's folder.
        file: String,
        /// By the manifest.
        expected_bytes: u64,
        /// On disk.
        found_bytes: u64,
    },
    /// Its content is another.
    Content {
        /// Relative to the backup's folder.
        file: String,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { file } => write!(f, "{file} is missing"),
            Self::Extra { file } => write!(f, "{file} does not belong to it"),
            Self::Size { file, expected_bytes, found_bytes } => {
                write!(f, "{file} has {found_bytes} bytes instead of {expected_bytes}")
            }
            Self::Content { file } => write!(f, "{file} has another SHA-256 than when it was written"),
        }
    }
}

impl BackupError {
    /// For `map_err`: says what was tried, and with which file.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.into(), source }
    }
}

impl Classify for BackupError {
    fn retry(&self) -> Retry {
        match self {
            Self::Database(error) => error.retry(),
            Self::InUse { .. } => Retry::Safe,
            _ => Retry::Never,
        }
    }
}

fn lines(items: &[impl fmt::Display]) -> String {
    items.iter().map(|item| format!("\n- {item}")).collect()
}

fn folders(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
