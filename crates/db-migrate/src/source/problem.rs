//! What may be wrong with the files of migrations, each with its remedy.

use crate::MigrationId;

/// Something that keeps migrations from being loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceProblem {
    /// The operating system refused to read it.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// File or folder.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The file is no UTF-8 text.
    #[error("{path} is not UTF-8 from byte {offset} on: save it as UTF-8")]
    NotUtf8 {
        /// The file.
        path: String,
        /// Where the first wrong byte is.
        offset: usize,
    },
    /// The folder's name has no number, or one that would sort wrongly.
    #[error(
        "{folder}: name it like 0001_core_tables, at least four digits, an underscore, then lower-case letters, digits \
         and underscores"
    )]
    FolderName {
        /// The folder.
        folder: String,
    },
    /// Two folders have the same number.
    #[error("{first} and {second} have the same number: give the newer one the next free number")]
    Duplicate {
        /// One folder.
        first: String,
        /// The other.
        second: String,
    },
    /// A number is not there.
    #[error("{missing} is missing before {before}: add it, or renumber what was never applied")]
    Gap {
        /// The first missing number.
        missing: MigrationId,
        /// The folder after the gap.
        before: String,
    },
    /// There is nothing to apply.
    #[error("{folder}/up.sql is missing")]
    NoUp {
        /// The folder.
        folder: String,
    },
    /// A script has no statement.
    #[error(
        "{file} has no statement: write one, or remove {}",
        if file.ends_with("down.sql") { "the file" } else { "the folder" }
    )]
    Empty {
        /// The file.
        file: String,
    },
    /// Something is opened and never closed.
    #[error("{file}:{line}: this {what} is never closed")]
    Unterminated {
        /// The file.
        file: String,
        /// The line where it is opened.
        line: usize,
        /// What it is.
        what: &'static str,
    },
    /// `meta.toml` is not understood.
    #[error("{folder}/meta.toml: {reason}")]
    Meta {
        /// The folder.
        folder: String,
        /// What is wrong.
        reason: String,
    },
    /// It depends on a migration that is not there.
    #[error("{folder}/meta.toml: depends_on names {depends_on}, which does not exist")]
    UnknownDependency {
        /// The folder.
        folder: String,
        /// The number it names.
        depends_on: u32,
    },
    /// It depends on one that comes later.
    #[error(
        "{folder}/meta.toml: depends_on names {depends_on}, which comes later: give this one a higher number"
    )]
    LaterDependency {
        /// The folder.
        folder: String,
        /// The later migration.
        depends_on: MigrationId,
    },
    /// Migrations wait for each other.
    #[error("{} wait for each other: drop one depends_on", folders.join(" -> "))]
    Cycle {
        /// The folders along the cycle; the first comes again at the end.
        folders: Vec<String>,
    },
    /// A statement cannot run in the transaction that the migration has.
    #[error(
        "{file}:{line}: {statement} cannot run in a transaction: {}",
        if file.ends_with("down.sql") { "down.sql always runs in one, so use the plain form" }
        else { "put it into a migration of its own with transaction = false in meta.toml" }
    )]
    OutsideTransaction {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
        /// Its first words.
        statement: String,
    },
    /// A statement begins or ends a transaction.
    #[error("{file}:{line}: {statement} is the runner's part: remove it")]
    TransactionControl {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
        /// Its first words.
        statement: String,
    },
    /// `COPY .. FROM STDIN` has nobody to read from.
    #[error("{file}:{line}: COPY FROM STDIN has no input here: write INSERT statements")]
    CopyFromClient {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
    },
}
