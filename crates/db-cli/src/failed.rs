//! Why a command failed, in one message with what helps.

use crate::Exit;
use db_core::with_causes;
use db_facade::db_security::access::Error as AccessError;
use db_pool::Fault;
use std::{error::Error, fmt};

/// A command's failure: what went wrong with all its causes, and what helps.
#[derive(Debug)]
pub struct Failed {
    message: String,
    help: Option<&'static str>,
    exit: Exit,
}

impl Failed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, exit: Exit::Failed }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, exit: Exit::Usage }
    }

    fn of(error: &(dyn Error + 'static)) -> Self {
        Self { message: with_causes(error), help: None, exit: Exit::Failed }
    }

    fn help(mut self, help: Option<&'static str>) -> Self {
        self.help = help;
        self
    }

    /// The same with this exit code, for what is the answer of a command rather than its failure.
    pub(crate) fn answering(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// The exit code that goes with it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn helpful(&self) -> Option<&'static str> {
        self.help
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.map_or(Ok(()), |help| write!(f, "\n  {help}"))
    }
}

/// What helps against a server that cannot be reached, or says no.
fn advice(error: &db_pool::Error) -> Option<&'static str> {
    advice_on(error.connect_error()?.fault)
}

fn advice_on(fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::Password | Fault::Denied => {
            Some("correct the user or password; `db config explain` shows where each comes from")
        }
        Fault::UnknownDatabase => Some(
            "correct the database's name, or create it with createdb; `db config explain` shows where it comes from",
        ),
        Fault::TooManyConnections => {
            Some("the server has no connection left: raise its max_connections or lower DB_POOL_MAX")
        }
        Fault::Unresolved | Fault::Refused | Fault::Unreachable | Fault::TimedOut => Some(
            "check that the server runs there and can be reached; `db config explain` shows where host and port come from",
        ),
        Fault::Tls => {
            Some("set sslmode to what the server offers; `db config explain` shows where it comes from")
        }
        _ => None,
    }
}

/// The same for a session beside the pool.
fn advice_beside(error: &db_migrate::Error) -> Option<&'static str> {
    let db_migrate::Error::Database { source, .. } = error else { return None };
    let fault = match source {
        sqlx::Error::Io(_) => Fault::Unreachable,
        sqlx::Error::Tls(_) => Fault::Tls,
        sqlx::Error::Database(error) => match &*error.code()? {
            "28P01" => Fault::Password,
            "28000" => Fault::Denied,
            "3D000" => Fault::UnknownDatabase,
            "53300" => Fault::TooManyConnections,
            _ => return None,
        },
        _ => return None,
    };
    advice_on(fault)
}

impl From<db_migrate::Error> for Failed {
    fn from(error: db_migrate::Error) -> Self {
        Self::of(&error).help(advice_beside(&error))
    }
}

impl From<db_facade::Error> for Failed {
    fn from(error: db_facade::Error) -> Self {
        let help = match &error {
            db_facade::Error::Pool(pool) => advice(pool),
            db_facade::Error::Migrate(error) => advice_beside(error),
            db_facade::Error::Access { .. } => Some("see docs/access.md for what rules can say"),
            _ => None,
        };
        let failed = Self::of(&error).help(help);
        if matches!(
            error,
            db_facade::Error::Unsupported { .. }
                | db_facade::Error::Access { .. }
                | db_facade::Error::AccessFile { .. }
        ) {
            Self { exit: Exit::Usage, ..failed }
        } else {
            failed
        }
    }
}

impl From<db_pool::Error> for Failed {
    fn from(error: db_pool::Error) -> Self {
        Self::of(&error).help(advice(&error))
    }
}

impl From<db_config::Error> for Failed {
    fn from(error: db_config::Error) -> Self {
        Self { exit: Exit::Usage, ..Self::of(&error) }
    }
}

impl From<db_security::audit::Error> for Failed {
    fn from(error: db_security::audit::Error) -> Self {
        use db_security::audit::Error;
        let exit = match &error {
            Error::Search { .. }
            | Error::Cursor { .. }
            | Error::JsonPath { .. }
            | Error::MasterKey { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        let help = match &error {
            Error::Pool(pool) => advice(pool),
            _ => None,
        };
        Self { exit, ..Self::of(&error).help(help) }
    }
}

impl From<crate::demo::tree::TreeError> for Failed {
    fn from(error: crate::demo::tree::TreeError) -> Self {
        Self { exit: Exit::Usage, ..Self::of(&error) }
    }
}

impl From<AccessError> for Failed {
    fn from(error: AccessError) -> Self {
        let exit = match error {
            AccessError::File { .. } | AccessError::Rules { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        Self { exit, ..Self::of(&error) }
    }
}

macro_rules! failed_from {
    ($($error:ty),+) => {
        $(impl From<$error> for Failed {
            fn from(error: $error) -> Self {
                Self::of(&error)
            }
        })+
    };
}

failed_from!(
    db_core::KeyValueError,
    db_facade::db_cache::ChangeError,
    db_facade::db_cache::Error,
    db_facade::db_cache::TableError,
    db_migrate::backup::BackupError,
    db_embedded::Error,
    db_migrate::SquashError,
    db_migrate::PinError,
    db_tasks::Error,
    sqlx::Error,
    crate::demo::StoreError
);
