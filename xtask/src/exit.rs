//! How a command ends: the codes are those of `db`.

use std::{fmt, process::ExitCode};

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked, or the answer is yes.
    Done,
    /// The answer is no: a rule is broken.
    No,
    /// The code of the program that did the work.
    Of(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::No => 3,
            Exit::Of(code) => code,
        })
    }
}

/// Why a command could not do what was asked.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Something did not work.
    Run(String),
    /// It was asked in a way that is not understood.
    Usage(String),
}

impl Failed {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self::Run(what.into())
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::Usage(what.into())
    }

    /// For `map_err`: what was being done, then why it failed.
    pub(crate) fn at<E: fmt::Display>(doing: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::Run(format!("{doing}: {error}"))
    }

    pub(crate) fn exit(&self) -> Exit {
        Exit::Of(match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
        })
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Run(text) | Self::Usage(text)) = self;
        f.write_str(text)
    }
}

impl From<lexopt::Error> for Failed {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(format!("{error}; --help tells what there is"))
    }
}
