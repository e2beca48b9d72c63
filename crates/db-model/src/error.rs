//! What may go wrong with a row, and whether it may be tried again.

use db_core::{Classify, Retry};
use uuid::Uuid;

/// Error of every function of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such row.
    #[error("{table} has no row {id}")]
    NotFound {
        /// The table.
        table: &'static str,
        /// The key that was looked for.
        id: Uuid,
    },
    /// The row is in a status that the wanted one may not follow. Nothing was changed.
    #[error("{table} {id} cannot go from {from} to {to}")]
    Transition {
        /// The table.
        table: &'static str,
        /// The row.
        id: Uuid,
        /// The status it has.
        from: &'static str,
        /// The status it was to get.
        to: &'static str,
    },
    /// The database refused the row or the statement, or could not be asked.
    #[error("cannot {action}")]
    Database {
        /// What was tried, as in "insert a task".
        action: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
}

impl Error {
    /// For `map_err`: says what was tried.
    pub(crate) fn during(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }

    /// Name of the constraint that refused the row, if one did.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database { source, .. } => source.as_database_error()?.constraint(),
            Self::NotFound { .. } | Self::Transition { .. } => None,
        }
    }
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        let Self::Database { source, .. } = self else { return Retry::Never };
        match source {
            sqlx::Error::Io(_) => Retry::Reconnect,
            sqlx::Error::Database(error) => {
                error.code().map_or(Retry::Never, |code| Retry::of_sqlstate(&code))
            }
            _ => Retry::Never,
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
