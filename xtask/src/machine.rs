//! What the machine lets us do: ask a person, install, become another program.

use crate::exit::Failed;
use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, ExitStatus},
};

/// Says what is about to be installed. A person at a terminal is asked; elsewhere it goes on.
pub(crate) fn may_install(what: &str, command: &str) -> bool {
    eprint!("{what} is missing; it is installed by `{command}`");
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        eprintln!();
        return true;
    }
    eprint!(". Go on? [Y/n] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    is_yes(&answer)
}

/// An empty line is a yes; no line at all, at the end of the input, is none.
fn is_yes(answer: &str) -> bool {
    matches!(answer, "\n" | "\r\n") || matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Becomes this program, so that its signals and its exit code are ours.
pub(crate) fn become_program(command: &mut Command) -> Failed {
    let error = command.exec();
    Failed::new(format!("cannot run {}: {error}", command.get_program().to_string_lossy()))
}

/// Runs it to its end on our terminal.
pub(crate) fn status(command: &mut Command) -> Result<u8, Failed> {
    let status = command.status();
    status.map(code).map_err(Failed::at(format!("cannot run {}", command.get_program().to_string_lossy())))
}

/// As a shell tells it: the exit code, or 128 and the signal.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn an_empty_line_is_a_yes_and_the_end_of_input_is_not() {
        for (answer, yes) in [("\n", true), ("y\n", true), ("Yes\n", true), ("n\n", false), ("", false)] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
