//! What a lint came to.

use super::rules::opaque;
use super::{Finding, Severity};
use crate::Risk;

/// What a lint came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintReport {
    /// The migrations that were linted, in the order in which they are applied.
    pub migrations: Vec<Linted>,
    /// Whether a catalogue told how big the tables are.
    pub sizes: Sizes,
}

/// Whether the sizes of tables are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// A catalogue tells.
    Known,
    /// There was no database to ask.
    Unknown,
}

/// One migration that was linted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linted {
    /// Its label.
    pub label: String,
    /// Its file, relative to the directory of the migrations.
    pub file: String,
    /// What its findings amount to: an error is high, a warning or `opaque` medium, anything else low. What is ignored does not
    /// count.
    pub risk: Risk,
    /// What its author says.
    pub declared: Option<Risk>,
    /// What was found, from the top of the file to its end.
    pub findings: Vec<Finding>,
    /// How many findings comments ignore.
    pub ignored: usize,
}

impl LintReport {
    /// All findings.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.migrations.iter().flat_map(|migration| &migration.findings)
    }

    /// How bad the worst is; `None` when nothing was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings().map(|finding| finding.severity).max()
    }
}

impl Linted {
    /// Whether it does what cannot be looked into, and no comment says what that is.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule == opaque::NAME)
    }
}

/// The risk that findings amount to.
pub(crate) fn risk(worst: Option<Severity>) -> Risk {
    match worst {
        Some(Severity::Error) => Risk::High,
        Some(Severity::Warning) => Risk::Medium,
        Some(Severity::Hint) | None => Risk::Low,
    }
}
