//! What the command's exit code says.

use std::process::ExitCode;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed; standard error says why.
    Failed,
    /// 2: the command line or the configuration cannot be used.
    Usage,
    /// 3: the command worked, and the answer is no: unhealthy, migrations pending.
    No,
    /// 130: stopped by Ctrl-C or SIGTERM before the end.
    Interrupted,
    /// The code of the command that `db up -- COMMAND` ran.
    Of(u8),
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::No => 3,
            Self::Interrupted => 130,
            Self::Of(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
