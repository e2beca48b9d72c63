//! A check: a list of findings, each of them one broken rule and what to do about it.

use crate::{
    exit::{Exit, Failed},
    help,
};
use lexopt::{Arg, Parser};

/// What a check found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Broken rules; the check fails when there is one.
    pub(crate) findings: Vec<String>,
    /// What is worth a look.
    pub(crate) notes: Vec<String>,
    /// What was looked at, in a few words.
    pub(crate) seen: String,
}

impl Report {
    fn print(&self) {
        for note in &self.notes {
            println!("note: {note}");
        }
        for finding in &self.findings {
            println!("{finding}");
        }
    }
}

/// Runs a check that takes no arguments as a command of its own.
pub(crate) fn main(
    mut args: Parser,
    help: &str,
    check: impl FnOnce() -> Result<Report, Failed>,
) -> Result<Exit, Failed> {
    match args.next()? {
        None => answer(&check()?),
        Some(Arg::Short('h') | Arg::Long("help")) => Ok(help::show(help)),
        Some(other) => Err(other.unexpected().into()),
    }
}

/// Prints a report, and answers with the code for it.
pub(crate) fn answer(report: &Report) -> Result<Exit, Failed> {
    report.print();
    match report.findings.len() {
        0 => {
            println!("all is well: {}", report.seen);
            Ok(Exit::Done)
        }
        count => {
            println!("{count} broken: {}", report.seen);
            Ok(Exit::No)
        }
    }
}
