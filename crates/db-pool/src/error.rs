//! What can go wrong between a caller, a connection and an answer.

use crate::ConnectError;
use crate::bulk::CopyError;
use crate::run::{SHAPE, send::is_stale_plan, shape::shape};
use db_core::{Classify, Retry};
use std::{fmt, panic::Location, time::Duration};

/// An error of the pool.
///
/// Where sqlx's traits leave no choice but sqlx's own error (`query.fetch_one(&pool)`), errors of statements pass through
/// untouched and the pool's own travel inside `sqlx::Error::AnyDriverError`; [`Error::of`] takes them out again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration contradicts itself; nothing was connected.
    #[error("the pool's configuration cannot hold: {reason}")]
    Config {
        /// Which values, and what to change.
        reason: String,
    },
    /// The URL cannot be read; the text is kept out of the message, since it may hold a password.
    #[error("not a PostgreSQL URL: {reason}; expected postgresql://user:password@host:port/database")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// Every connection was busy for as long as the caller could wait.
    #[error(
        "no connection within {waited:?}: {in_use} of {max} in use, {opening} being opened, {waiting} waiting"
    )]
    Exhausted {
        /// How long the caller waited.
        waited: Duration,
        /// Connections lent out at that moment.
        in_use: u32,
        /// The most that may exist.
        max: u32,
        /// Connections being opened at that moment.
        opening: u32,
        /// Callers waiting at that moment, this one included.
        waiting: u32,
        /// The last failure to open a connection while the caller waited, if there was one.
        #[source]
        last_failure: Option<Box<ConnectError>>,
    },
    /// As many callers wait as may.
    #[error("{waiting} callers wait for a connection already, which is the limit")]
    QueueFull {
        /// Callers waiting at that moment.
        waiting: u32,
    },
    /// At the pace of the queue the caller's deadline would have passed first, so it was turned away at once.
    #[error("a connection is expected in {expected:?}, which is past the deadline in {left:?}")]
    TooLate {
        /// When the queue would have served the caller.
        expected: Duration,
        /// What was left of its deadline.
        left: Duration,
    },
    /// The queue has stood for longer than CoDel's interval, and the caller was shed to shorten it.
    #[error("turned away after {waited:?}: callers have waited over the target for too long")]
    Shed {
        /// How long the caller waited.
        waited: Duration,
    },
    /// The task that waits holds a connection itself, and none came back to the pool while it waited.
    #[error(
        "self-deadlock: the task that waited {waited:?} for a connection at {wanted_at} holds one since {held_for:?}, \
         taken at {held_at}; pass that one on instead of acquiring another, or give it back first"
    )]
    SelfDeadlock {
        /// How long the task waited.
        waited: Duration,
        /// Where it asked for another connection.
        wanted_at: &'static Location<'static>,
        /// Where it took the one it holds.
        held_at: &'static Location<'static>,
        /// How long it has held it.
        held_for: Duration,
    },
    /// A new connection could not be made.
    #[error(transparent)]
    Connect(ConnectError),
    /// Too many attempts to connect have failed in a row; no further one is made for a while.
    #[error("no attempt to connect for another {retry_in:?}, since the last ones failed")]
    BreakerOpen {
        /// When the next attempt is due.
        retry_in: Duration,
        /// The last failure.
        #[source]
        last_failure: Option<Box<ConnectError>>,
    },
    /// The server refused a statement, or the connection broke under it.
    #[error("statement failed{}{}", Labelled(" with SQLSTATE ", sqlstate.as_deref()), Labelled(": ", Some(shape)))]
    Statement {
        /// The statement's text without its literals; empty where it was run on a bare connection.
        shape: String,
        /// The SQLSTATE, where the server answered.
        sqlstate: Option<String>,
        /// What may be done about it; decided from the SQLSTATE or the driver's error.
        retry: Retry,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// A statement took longer than it may; the server was told to stop it.
    #[error("no answer within {limit:?}: {shape}")]
    StatementTimeout {
        /// The statement's text without its literals.
        shape: String,
        /// What it may take.
        limit: Duration,
    },
    /// A savepoint was asked for where no transaction is open that was begun through the pool or sqlx.
    #[error("there is no transaction to make a savepoint in")]
    NoTransaction,
    /// The transaction had been rolled back before its commit: a savepoint in it was cut while it was made.
    #[error("the transaction was rolled back before its commit")]
    RolledBack,
    /// A session cannot be given this setting; nothing was sent. The value is kept out of the message.
    #[error("the setting {name:?} cannot be given: {reason}")]
    Setting {
        /// Which one; `role` for the role.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server does not let the pool's login act as this role.
    #[error("the session cannot act as the role {role:?}, SQLSTATE {sqlstate}")]
    Role {
        /// The role.
        role: String,
        /// 22023 where there is no such role, 42501 where the login is no member of it.
        sqlstate: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// Settings were asked for outside of a transaction, in a session that the pool cannot vouch for: it never resets its
    /// sessions, or a pooler shares them with others. A transaction can carry them.
    #[error("a session that is shared or never reset carries settings in a transaction only")]
    SharedSession,
    /// The rows of a COPY do not fit its columns.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The batch holds as many statements as it may.
    #[error("a batch holds at most {max} statements")]
    BatchFull {
        /// The most it may hold.
        max: usize,
    },
    /// A batch runs no such statement: it begins or ends a transaction, or is a COPY.
    #[error("{word} cannot be part of a batch")]
    BatchStatement {
        /// The statement's first word.
        word: String,
    },
    /// A statement of a batch failed.
    #[error("statement {index} of the batch failed")]
    Batch {
        /// Its place, from 0.
        index: usize,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A statement of a batch was never sent, since no lease was to be had for it.
    #[error("statement {index} of the batch was not run")]
    BatchNotRun {
        /// Its place, from 0.
        index: usize,
    },
    /// As many lookups wait as may.
    #[error("{waiting} lookups wait, the most that may")]
    LoaderFull {
        /// How many wait.
        waiting: usize,
    },
    /// Decoding a row panicked; the panic's text went to the panic hook.
    #[error("the lookup panicked")]
    LoaderPanic,
    /// A loader's lane ended without an answer: its runtime ended, or comparing keys panicked.
    #[error("the lookup got no answer")]
    LoaderLost,
    /// The pool was closed.
    #[error("the pool is closed")]
    Closed,
}

impl Error {
    /// The pool's error inside an error of sqlx, if that is what it is.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::AnyDriverError(inner) => inner.downcast_ref(),
            _ => None,
        }
    }

    /// The failure to connect behind this error, if one is known.
    #[must_use]
    pub fn connect_error(&self) -> Option<&ConnectError> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Exhausted { last_failure, .. } | Self::BreakerOpen { last_failure, .. } => {
                last_failure.as_deref()
            }
            _ => None,
        }
    }

    /// Makes an error of the pool out of one of the driver, once and for all: the pool's own comes out as it went in.
    pub(crate) fn of_statement(sql: &str, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::AnyDriverError(inner) => match inner.downcast::<Self>() {
                Ok(own) => *own,
                Err(inner) => Self::statement(sql, sqlx::Error::AnyDriverError(inner)),
            },
            error => Self::statement(sql, error),
        }
    }

    fn statement(sql: &str, source: sqlx::Error) -> Self {
        let sqlstate =
            source.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        Self::Statement { shape: shape(sql, SHAPE), retry: retry_of(&source), sqlstate, source }
    }
}

/// What may be done about an error of sqlx; the one place where the driver's errors are classified.
#[must_use]
pub fn retry_of(error: &sqlx::Error) -> Retry {
    match error {
        // The connections make their plans anew, so the transaction that it ended may be run again.
        error if is_stale_plan(error) => Retry::Transaction,
        sqlx::Error::Database(error) => error.code().map_or(Retry::Never, |code| Retry::of_sqlstate(&code)),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
            Retry::Reconnect
        }
        sqlx::Error::PoolTimedOut => Retry::Safe,
        other => Error::of(other).map_or(Retry::Never, Classify::retry),
    }
}

/// A part of a message that is there only when there is something to say.
struct Labelled<'a>(&'static str, Option<&'a str>);

impl fmt::Display for Labelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(text) if !text.is_empty() => write!(f, "{}{text}", self.0),
            _ => Ok(()),
        }
    }
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::Connect(error) => error.retry(),
            Self::Statement { retry, .. } => *retry,
            Self::Batch { source, .. } => source.retry(),
            // Nothing was sent, or what was sent was stopped before it answered.
            Self::Exhausted { .. }
            | Self::QueueFull { .. }
            | Self::TooLate { .. }
            | Self::Shed { .. }
            | Self::BatchNotRun { .. }
            | Self::LoaderFull { .. }
            | Self::BreakerOpen { .. } => Retry::Safe,
            Self::StatementTimeout { .. }
            | Self::SelfDeadlock { .. }
            | Self::Config { .. }
            | Self::Url { .. }
            | Self::NoTransaction
            | Self::RolledBack
            | Self::Setting { .. }
            | Self::Role { .. }
            | Self::SharedSession
            | Self::Copy(_)
            | Self::BatchFull { .. }
            | Self::BatchStatement { .. }
            | Self::LoaderPanic
            | Self::LoaderLost
            | Self::Closed => Retry::Never,
        }
    }
}

impl From<sqlx::Error> for Error {
    /// For `?` where statements run on a bare connection; their shape is not known there.
    fn from(error: sqlx::Error) -> Self {
        Self::of_statement("", error)
    }
}

impl From<Error> for sqlx::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Closed => Self::PoolClosed,
            Error::Statement { source, .. } => source,
            other => Self::AnyDriverError(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;
    use db_core::Retry;

    #[test]
    fn it_survives_the_way_through_sqlx() {
        let error = sqlx::Error::from(Error::QueueFull { waiting: 7 });
        assert!(matches!(Error::of(&error), Some(Error::QueueFull { waiting: 7 })));
        assert_eq!(super::retry_of(&error), Retry::Safe);
        assert!(matches!(sqlx::Error::from(Error::Closed), sqlx::Error::PoolClosed));
    }
}
