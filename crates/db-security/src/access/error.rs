//! Why rules cannot be used, and why what they say was not done.

use crate::access::{Finding, Nearest, Permission};
use db_core::{Classify, Retry};
use std::fmt;

/// Error of every function that reads, compiles or applies rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read as rules.
    #[error("{}the rules cannot be read: {reason}{nearest}", at_line(*line))]
    File {
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
        /// The name that may be meant.
        nearest: Nearest,
    },
    /// Rules that mean nothing, or contradict each other; none of them counts.
    #[error("the rules cannot be used:{}", list(faults))]
    Rules {
        /// Everything that is wrong with them.
        faults: Vec<Fault>,
    },
    /// A role of the rules that the server would not hold to them.
    #[error("role {role:?} {why}, so no rule holds it; nothing was changed")]
    UnsafeRole {
        /// The role.
        role: String,
        /// What it is.
        why: String,
    },
    /// Somebody gets past the rules, so they are not enforced.
    #[error("access rules would not hold in this database:{}", open(findings))]
    Bypassed {
        /// Each is an error, the gravest first.
        findings: Vec<Finding>,
    },
    /// The steps must be done together or not at all.
    #[error("access rules are applied inside a transaction; begin one first")]
    NoTransaction,
    /// The database is not as it was when the steps were planned.
    #[error("policy {policy:?} of {table} is not there after it was made")]
    Vanished {
        /// The table.
        table: String,
        /// The policy.
        policy: String,
    },
    /// The server refused a statement.
    #[error("{doing}")]
    Server {
        /// What was being done.
        doing: String,
        /// What it said.
        #[source]
        source: sqlx::Error,
    },
}

impl Error {
    pub(crate) fn server(doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Server { doing, source }
    }
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            // Somebody else held a lock; nothing was done.
            Self::Server { source, .. } if code(source).as_deref() == Some("55P03") => Retry::Safe,
            _ => Retry::Never,
        }
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(std::borrow::Cow::into_owned)
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

fn open(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n  {finding}; to do: {}", finding.remedy())).collect()
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

/// What is wrong with a role or a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The rule, or the role.
    pub of: String,
    /// The line in the file, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub problem: Problem,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", at_line(self.line), self.of, self.problem)
    }
}

/// What is wrong with a role or a rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A name that cannot be one.
    #[error("{name:?} is no name here: {reason}")]
    Name {
        /// The name as it was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The same name twice.
    #[error("there is another {what} of this name")]
    Twice {
        /// A role or a rule.
        what: &'static str,
    },
    /// A key that needs another value.
    #[error("{key}: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// A role, table, schema, column or function that there is not.
    #[error("{key}: there is no {what} {name:?}{nearest}")]
    Unknown {
        /// The key.
        key: &'static str,
        /// A role, a table ….
        what: &'static str,
        /// The name as it was given.
        name: String,
        /// The name that may be meant.
        nearest: Nearest,
    },
    /// Roles that include each other.
    #[error("includes: it includes itself by way of {path}")]
    Circle {
        /// The roles on the way.
        path: String,
    },
    /// A filter of rows that means nothing; `at` is the place in it.
    #[error("rows: {at}: {reason}{nearest}")]
    Rows {
        /// The place in the filter, as in `$or[1].priority.$gt`.
        at: String,
        /// What is wrong there.
        reason: String,
        /// The name that may be meant.
        nearest: Nearest,
    },
    /// Keys that do not go together.
    #[error("{0}")]
    Together(&'static str),
    /// A rule that allows what another denies to all of its role, always: it can have no effect.
    #[error(
        "it allows {permission} on {resource} to role {role:?}, which rule {deny:?} denies always; one of them must go"
    )]
    Contradiction {
        /// The rule that denies.
        deny: String,
        /// The role.
        role: String,
        /// What is allowed and denied.
        permission: Permission,
        /// The table or function.
        resource: String,
    },
    /// Two rules that the server cannot hold apart: it grants columns for all rows that a role sees.
    #[error(
        "it and rule {other:?} let role {role:?} {permission} different columns of different rows of {table}, which \
         PostgreSQL cannot tell apart; give both the same columns, or the same rows"
    )]
    Mixed {
        /// The other rule.
        other: String,
        /// The role.
        role: String,
        /// What both allow.
        permission: Permission,
        /// The table.
        table: String,
    },
    /// A condition where the server can have none.
    #[error(
        "{resource} is a {kind}, which has no row-level security: rows, when, valid_from and valid_until cannot hold there"
    )]
    NoRowSecurity {
        /// The table.
        resource: String,
        /// What it is.
        kind: &'static str,
    },
    /// A permission that the resource cannot have.
    #[error("permissions: {permission} does not go with a {kind}")]
    Permission {
        /// The permission.
        permission: Permission,
        /// What the resource is.
        kind: &'static str,
    },
}
