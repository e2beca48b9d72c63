//! What may go wrong, and what it leaves behind.

use crate::{Holder, MigrationId, PlanError, SourceProblem};
use db_core::{Classify, Retry};
use std::fmt;
use std::time::Duration;

/// Error of every function of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files cannot be used.
    #[error("the migrations of {from} cannot be used:{}", list(problems))]
    Source {
        /// The folder, or `the program`.
        from: String,
        /// Everything that is wrong with them.
        problems: Vec<SourceProblem>,
    },
    /// The files and the history contradict each other; nothing was changed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Another deployment holds the lock; nothing was changed.
    #[error(
        "another deployment holds the migration lock, after waiting for {waited:.1?}: {}",
        holder_text(holder.as_ref())
    )]
    Locked {
        /// How long it was waited for.
        waited: Duration,
        /// Who held it at the end, unless they had just let go.
        holder: Option<Holder>,
    },
    /// The server refused a statement of a migration.
    #[error(transparent)]
    Statement(#[from] Box<StatementError>),
    /// There is no `down.sql` to revert by; nothing was changed.
    #[error("cannot revert {}: no down.sql", folders.join(", "))]
    NoDown {
        /// The folders without one.
        folders: Vec<String>,
    },
    /// The migration to revert to was never applied; nothing was changed.
    #[error("cannot revert to {to}: it is not applied")]
    NotApplied {
        /// The migration.
        to: MigrationId,
    },
    /// No table can be in a schema of this name.
    #[error("{name:?} is no name of a schema")]
    SchemaName {
        /// The name.
        name: String,
    },
    /// The server refused a statement of ours, or could not be asked.
    #[error("cannot {action}")]
    Database {
        /// What was tried, as in "read the history".
        action: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
}

/// The server refused a statement of a migration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}:{line}: statement {statement} failed: {message} (SQLSTATE {sqlstate}){}{}; {left}",
    more("detail", detail.as_deref()), more("hint", hint.as_deref())
)]
#[non_exhaustive]
pub struct StatementError {
    /// File of the statement, such as `0003_index/up.sql`.
    pub file: String,
    /// Line that the server means, else the first of the statement; from 1.
    pub line: usize,
    /// Number of the statement in its file, from 1.
    pub statement: usize,
    /// The server's code.
    pub sqlstate: String,
    /// The server's message.
    pub message: String,
    /// The server's detail.
    pub detail: Option<String>,
    /// What helps: ours where we know better, else the server's.
    pub hint: Option<String>,
    /// What the failure leaves behind.
    pub left: Left,
}

/// What a failed migration leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: its transaction was rolled back.
    Nothing,
    /// What its earlier statements did, and perhaps a part of the failed one. [`status`](crate::status) tells how to
    /// mend it.
    Half,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing of this migration was kept",
            Self::Half => "the migration is half applied, the next run says how to mend it",
        })
    }
}

impl Error {
    /// For `map_err`: says what was tried.
    pub(crate) fn during(action: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action: action.into(), source }
    }
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::Locked { .. } => Retry::Safe,
            Self::Statement(error) if error.left == Left::Nothing => Retry::of_sqlstate(&error.sqlstate),
            Self::Database { source: sqlx::Error::Io(_), .. } => Retry::Reconnect,
            Self::Database { source: sqlx::Error::Database(error), .. } => {
                error.code().map_or(Retry::Never, |code| Retry::of_sqlstate(&code))
            }
            _ => Retry::Never,
        }
    }
}

fn list(problems: &[SourceProblem]) -> String {
    problems.iter().map(|problem| format!("\n- {problem}")).collect()
}

fn more(label: &str, text: Option<&str>) -> String {
    text.map(|text| format!("; {label}: {text}")).unwrap_or_default()
}

fn holder_text(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "it has just let go".to_owned(), Holder::to_string)
}
