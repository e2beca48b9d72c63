//! What may go wrong with a row, and whether it may be tried again.

use db_core::{Classify, Retry};
use db_query::BuildError;

/// Error of every function of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such row, or it is deleted.
    #[error("{table} has no row {id}")]
    NotFound {
        /// The table.
        table: &'static str,
        /// The key that was looked for; its parts separated by slashes.
        id: String,
    },
    /// The row is in a status that the wanted one may not follow. Nothing was changed.
    #[error("{table} {id} cannot go from {from} to {to}")]
    Transition {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// The status it has.
        from: &'static str,
        /// The status it was to get.
        to: &'static str,
    },
    /// Somebody else has changed the row since it was read. Nothing was changed: read it again.
    #[error("{table} {id} has version {found}, not {expected}")]
    Stale {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// The version that was read.
        expected: i64,
        /// The version that the row has now.
        found: i64,
    },
    /// A constraint refused the row, and with it the whole statement.
    #[error("{table} refuses {}: {constraint}", Refusal { column: *column, value: value.as_deref() })]
    Refused {
        /// The table.
        table: &'static str,
        /// The constraint or unique index, or `NOT NULL`.
        constraint: Box<str>,
        /// The column, where the constraint is about a single one.
        column: Option<&'static str>,
        /// What the column was to get, cut off after 100 characters; `None` for secrets, and where many rows were
        /// written at once.
        value: Option<Box<str>>,
        /// The driver's error.
        #[source]
        source: DriverError,
    },
    /// A value is none that a column can hold, whatever the constraints: the whole statement was refused.
    #[error("{table} refuses {problem}")]
    Value {
        /// The table.
        table: &'static str,
        /// What is wrong with it, as in "a text with a NUL".
        problem: &'static str,
        /// The driver's error.
        #[source]
        source: DriverError,
    },
    /// More rows than their numbers reach. Nothing was written.
    #[error("{table} takes at most {most} rows of a kind at once, not {given}")]
    TooMany {
        /// The table.
        table: &'static str,
        /// How many may be given.
        most: usize,
        /// How many were.
        given: usize,
    },
    /// The statement names what there is not, or cannot be built. Nothing was changed.
    #[error(transparent)]
    Statement(#[from] BuildError),
    /// The operating system gives no random bytes, so there can be no token.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// A step of a plan waits for one that does not come before it. Nothing was written.
    #[error("step {position} depends on step {depends_on}, which does not come before it")]
    UnknownStep {
        /// The step's number, from 1.
        position: i16,
        /// What it is to wait for.
        depends_on: i16,
    },
    /// The database refused the statement for another reason, or could not be asked.
    #[error("cannot {action} {table}")]
    Database {
        /// What was tried, as in "insert into".
        action: &'static str,
        /// The table or view.
        table: &'static str,
        /// The driver's error.
        #[source]
        source: DriverError,
    },
}

impl Error {
    /// Name of the constraint that refused the row, if one did.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Refused { constraint, .. } => Some(constraint),
            _ => None,
        }
    }

    fn sqlx(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Refused { source, .. } | Self::Value { source, .. } | Self::Database { source, .. } => {
                Some(source.get())
            }
            _ => None,
        }
    }
}

impl Classify for Error {
    // The pool's `retry_of` knows more, of failures of its own; here connections are bare, and a program that has rows
    // should not have to have that pool.
    fn retry(&self) -> Retry {
        match self.sqlx() {
            Some(sqlx::Error::Database(error)) => {
                error.code().map_or(Retry::Never, |code| Retry::of_sqlstate(&code))
            }
            Some(
                sqlx::Error::Io(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::WorkerCrashed,
            ) => Retry::Reconnect,
            _ => Retry::Never,
        }
    }
}

/// The driver's error. Neither its `Debug` nor its `Display` tells what the server says of the row in detail, which may be
/// the hash of a password: only SQLSTATE, message and constraint.
pub struct DriverError(sqlx::Error);

impl DriverError {
    /// The error itself. Its `Debug` tells the whole row that was refused: keep it out of logs.
    #[must_use]
    pub const fn get(&self) -> &sqlx::Error {
        &self.0
    }
}

impl From<sqlx::Error> for DriverError {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl std::fmt::Debug for DriverError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_database_error() {
            Some(error) => f
                .debug_struct("DriverError")
                .field("sqlstate", &error.code().as_deref())
                .field("message", &error.message())
                .field("constraint", &error.constraint())
                .finish_non_exhaustive(),
            None => write!(f, "DriverError({:?})", self.0.to_string()),
        }
    }
}

impl std::fmt::Display for DriverError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_database_error() {
            Some(error) => write!(f, "error returned from database: {}", error.message()),
            None => self.0.fmt(f),
        }
    }
}

impl std::error::Error for DriverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.0 {
            // The server's error, which has the details; its message is told here.
            sqlx::Error::Database(_) => None,
            ref other => other.source(),
        }
    }
}

/// What was refused, as far as it is known.
struct Refusal<'a> {
    column: Option<&'static str>,
    value: Option<&'a str>,
}

impl std::fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.column, self.value) {
            (Some(column), Some(value)) => write!(f, "{column} {value}"),
            (Some(column), None) => write!(f, "the {column}"),
            (None, _) => f.write_str("the row"),
        }
    }
}

/// A text that is no value of an enum: in the database it means that a newer program wrote the row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {type_name}")]
pub struct UnknownText {
    /// The enum.
    pub type_name: &'static str,
    /// The text.
    pub text: String,
}
