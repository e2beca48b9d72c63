//! Asks a person before something that cannot be taken back.

use crate::Failed;
use std::io::{IsTerminal, Write, stderr, stdin};

/// On a terminal a person is asked; elsewhere it must have been said, as `elsewhere` tells.
pub(crate) fn agreed(question: &str, elsewhere: &str) -> Result<bool, Failed> {
    if !(stdin().is_terminal() && stderr().is_terminal()) {
        return Err(Failed::usage(elsewhere));
    }
    let _ = write!(stderr(), "{question} [y/N] ");
    let _ = stderr().flush();
    let mut answer = String::new();
    Ok(stdin().read_line(&mut answer).is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
