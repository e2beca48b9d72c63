//! What a linter has to say of one place in a file.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Hint,
    /// It may hurt.
    Warning,
    /// It will fail, or will surely hurt.
    Error,
}

impl Severity {
    /// Reads `hint`, `warning` or `error`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hint, Self::Warning, Self::Error].into_iter().find(|severity| severity.as_str() == text)
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a file; lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The line on which it begins.
    pub line: usize,
    /// The column there.
    pub column: usize,
    /// The line on which it ends.
    pub end_line: usize,
    /// The column after its last character.
    pub end_column: usize,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Label of the migration.
    pub migration: String,
    /// The file, relative to the directory of the migrations.
    pub file: String,
    /// Where in it.
    pub span: Span,
    /// What is wrong, with the table's size where that is known.
    pub message: String,
    /// What to do instead, in SQL where that can be.
    pub help: Option<String>,
    /// An edit that would settle it.
    pub fix: Option<Fix>,
}

/// A change to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does.
    pub title: String,
    /// What is put where.
    pub edits: Vec<Edit>,
}

/// A piece of a file, and what is put there; an empty piece is an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub text: String,
}
