//! What can go wrong between a caller and a connection.

use db_core::{BoxError, Classify, Retry};
use std::time::Duration;

/// An error of the pool. Errors of statements are sqlx's own and pass through untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be read; the text is kept out of the message, since it may hold a password.
    #[error("not a PostgreSQL URL: {reason}; expected postgresql://user:password@host:port/database")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// Every connection was busy for as long as the caller could wait.
    #[error("no connection within {waited:?}: {in_use} of {max} in use, {waiting} waiting")]
    Exhausted {
        /// How long the caller waited.
        waited: Duration,
        /// Connections lent out at that moment.
        in_use: u32,
        /// The most that may exist.
        max: u32,
        /// Callers waiting at that moment, this one included.
        waiting: u32,
    },
    /// A new connection could not be made.
    #[error("cannot connect to {server}")]
    Connect {
        /// Host and port, or the socket's directory, and the database.
        server: String,
        /// The SQLSTATE, where the server answered.
        sqlstate: Option<String>,
        /// The driver's reason.
        #[source]
        source: BoxError,
    },
    /// A new connection took longer than its deadline.
    #[error("no connection to {server} within {waited:?}")]
    ConnectTimeout {
        /// Host and port, or the socket's directory, and the database.
        server: String,
        /// The deadline that passed.
        waited: Duration,
    },
    /// The password provider failed.
    #[error("the password provider failed")]
    Password {
        /// The provider's reason.
        #[source]
        source: BoxError,
    },
    /// The pool was closed.
    #[error("the pool is closed")]
    Closed,
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            // A server that refuses this user, database or password refuses them again.
            Self::Connect { sqlstate: Some(code), .. } => Retry::of_sqlstate(code),
            Self::Exhausted { .. }
            | Self::ConnectTimeout { .. }
            | Self::Connect { sqlstate: None, .. }
            | Self::Password { .. } => Retry::Safe,
            Self::Url { .. } | Self::Closed => Retry::Never,
        }
    }
}
