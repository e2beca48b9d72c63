//! Why a command failed, in one message with what helps.

use crate::Exit;
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

    fn of(error: &dyn Error) -> Self {
        Self { message: chain(error), help: None, exit: Exit::Failed }
    }

    fn help(mut self, help: Option<&'static str>) -> Self {
        self.help = help;
        self
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

/// An error and its causes, each said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// What helps against an answer of the server, or against none.
fn advice(error: &db_pool::Error) -> Option<&'static str> {
    match error {
        db_pool::Error::Connect { sqlstate: Some(code), .. } => match code.as_str() {
            "28P01" | "28000" => {
                Some("correct the user or password; `db config explain` shows where each comes from")
            }
            "3D000" => Some(
                "correct the database's name, or create it with createdb; `db config explain` shows where it comes from",
            ),
            "53300" => {
                Some("the server has no connection left: raise its max_connections or lower DB_POOL_MAX")
            }
            _ => None,
        },
        db_pool::Error::Connect { sqlstate: None, .. } | db_pool::Error::ConnectTimeout { .. } => Some(
            "check that the server runs there and can be reached; `db config explain` shows where host and port come from",
        ),
        _ => None,
    }
}

impl From<db_facade::Error> for Failed {
    fn from(error: db_facade::Error) -> Self {
        let help = match &error {
            db_facade::Error::Pool(pool) => advice(pool),
            _ => None,
        };
        let failed = Self::of(&error).help(help);
        if matches!(error, db_facade::Error::Unsupported { .. }) {
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

impl From<crate::demo::tree::TreeError> for Failed {
    fn from(error: crate::demo::tree::TreeError) -> Self {
        Self { exit: Exit::Usage, ..Self::of(&error) }
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

failed_from!(db_embedded::Error, db_migrate::Error, db_tasks::Error, sqlx::Error, crate::demo::StoreError);
