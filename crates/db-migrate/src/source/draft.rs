//! What a format makes of a project's files, before anything is understood of the SQL.

use crate::TransactionMode;

/// One migration as its format describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// What identifies it, as the tool's own history writes it: `0001`, `20240101120000`, `1.2`, `R__views`.
    pub(crate) version: String,
    /// What it is called, without version and suffix.
    pub(crate) name: String,
    /// How people find it: its folder or its file without the suffixes, relative to the directory.
    pub(crate) label: String,
    pub(crate) kind: Kind,
    /// `None` when it is not there, which is a problem unless there is one already.
    pub(crate) up: Option<Text>,
    pub(crate) down: Option<Text>,
    /// What the format's marker says; by the statements themselves where it says nothing.
    pub(crate) mode: TransactionMode,
    /// What is to be taken out where the marker asks for a transaction that cannot be.
    pub(crate) single_by: &'static str,
    /// Text of our own `meta.toml`, parsed later.
    pub(crate) meta: Option<String>,
}

/// When a migration is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Once.
    #[default]
    Versioned,
    /// Whenever its text has changed, after all others.
    Repeatable,
    /// On an empty database, in place of every versioned one up to its own version.
    Baseline,
}

/// A part of a file that is SQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// The file, relative to the directory.
    pub(crate) file: String,
    /// The line of the file on which the text begins, from 1.
    pub(crate) line: usize,
    /// What is sent to the server.
    pub(crate) sql: String,
    /// What is in the file, byte for byte, where values were put in for names; checksums are of this, but
    /// for those of repeatable migrations, which are due again with other values.
    pub(crate) original: Option<String>,
}
