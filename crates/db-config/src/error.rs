//! What can go wrong: a configuration with problems, or a password that cannot be had.

use crate::Source;
use db_core::{Classify, Retry};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The error of this crate. No text of it holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used; all that is wrong with it at once.
    #[error("{}", listed(problems))]
    Invalid {
        /// At least one, in the order of the layers.
        problems: Vec<Problem>,
    },
    /// The file of a password, or of another secret, cannot be read.
    #[error("secret file {path:?} cannot be read")]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file of a password, or of another secret, was read but may not be used.
    #[error("secret file {path:?}: {why}")]
    PasswordFileRefused {
        /// The file.
        path: PathBuf,
        /// The reason and the way out.
        why: String,
    },
    /// The password command did not answer with a password.
    #[error("password command: {why}")]
    PasswordCommand {
        /// The reason; never what the command wrote.
        why: String,
        /// What the system said, where it said something.
        #[source]
        source: Option<std::io::Error>,
    },
    /// The password command did not answer in time; it was killed.
    #[error("password command gave no answer within {waited:?}")]
    PasswordCommandTimeout {
        /// The deadline.
        waited: Duration,
    },
}

impl Error {
    /// The problems of the configuration; empty for an error about a password.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        if let Self::Invalid { problems } = self { problems } else { &[] }
    }
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            // Nothing reached a server, and the command is asked anew for each connection.
            Self::PasswordCommandTimeout { .. } => Retry::Safe,
            _ => Retry::Never,
        }
    }
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What sort of problem it is.
    pub kind: ProblemKind,
    /// The key of the schema, or the unknown name, where it is fit to print.
    pub key: Option<Box<str>>,
    /// The offending value, `***` where it is or may be secret; `None` where there is none to show.
    pub value: Option<Box<str>>,
    /// Where it was given; two places for a conflict.
    pub sources: Vec<Source>,
    /// What is wrong.
    pub what: Box<str>,
    /// What to do.
    pub fix: Box<str>,
    /// The known name or word nearest to the one given.
    pub hint: Option<Box<str>>,
}

/// The sorts of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// No such key, variable or parameter.
    Unknown,
    /// The value has the wrong form or lies outside its range.
    Invalid,
    /// Two values that cannot both hold.
    Conflict,
    /// A value is missing beside another one.
    Missing,
    /// A file cannot be read or parsed.
    Unreadable,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, what: impl Into<Box<str>>, fix: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            key: None,
            value: None,
            sources: Vec::new(),
            what: what.into(),
            fix: fix.into(),
            hint: None,
        }
    }

    pub(crate) fn key(mut self, key: impl Into<Box<str>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The caller has masked it.
    pub(crate) fn value(mut self, masked: impl Into<Box<str>>) -> Self {
        self.value = Some(masked.into());
        self
    }

    pub(crate) fn at(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    pub(crate) fn hint(mut self, hint: Option<&str>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, source) in self.sources.iter().enumerate() {
            write!(f, "{}{source}", if at == 0 { "" } else { " and " })?;
        }
        if !self.sources.is_empty() {
            f.write_str(": ")?;
        }
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = `{value}`: ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, Some(value)) => write!(f, "`{value}`: ")?,
            (None, None) => {}
        }
        write!(f, "{}; {}", self.what, self.fix)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " (did you mean {hint}?)"))
    }
}

fn listed(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "1 problem in the configuration".to_owned(),
        count => format!("{count} problems in the configuration"),
    };
    for problem in problems {
        text.push_str(&format!("\n  - {problem}"));
    }
    text
}
