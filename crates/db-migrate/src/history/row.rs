//! A row of the history.

use crate::{Checksum, MigrationId};
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use std::fmt;
use std::time::Duration;

/// What became of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It began and has not finished: it is under way, or half applied.
    Running,
    /// It was applied.
    Applied,
    /// Another tool had applied it.
    Adopted,
    /// It is taken to be applied, as the database was there before the migrations were.
    Baselined,
    /// Its way back began and has not finished.
    Reverting,
}

/// The outcomes of rows that say how the database is; of each migration there is one such row at most. The others are
/// `failed`, `reverted` and `superseded`.
pub(crate) const LIVE: &str = "IN ('running', 'applied', 'adopted', 'baselined', 'reverting')";

/// All of them.
pub(super) const ALL: &str =
    "'running', 'applied', 'adopted', 'baselined', 'reverting', 'failed', 'reverted', 'superseded'";

const OUTCOMES: [Outcome; 5] =
    [Outcome::Running, Outcome::Applied, Outcome::Adopted, Outcome::Baselined, Outcome::Reverting];

impl Outcome {
    /// As it is written in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Applied => "applied",
            Self::Adopted => "adopted",
            Self::Baselined => "baselined",
            Self::Reverting => "reverting",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A migration as the history has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Number of the row: later ones were applied later.
    pub seq: i64,
    /// Version of the migration.
    pub id: MigrationId,
    /// Its name then.
    pub name: String,
    /// Its folder or file then.
    pub label: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it is applied anew whenever its text has changed.
    pub is_repeatable: bool,
    /// Checksum of its text then.
    pub checksum: Checksum,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was done; `None` means half applied.
    pub finished_at: Option<DateTime<Utc>>,
    /// How long it took.
    pub execution: Option<Duration>,
    /// The database role that applied it.
    pub applied_by: String,
    /// Where that session came from: its address and what it called itself.
    pub applied_from: String,
    /// Statements that it has.
    pub statements: usize,
    /// Statements known to have finished.
    pub statements_done: usize,
    /// The statement, from 0, that the server refused in a transaction and that was begun by itself.
    pub statement_alone: Option<usize>,
    /// What stopped it.
    pub error: Option<String>,
}

#[derive(FromRow)]
pub(super) struct Row {
    seq: i64,
    id: String,
    name: String,
    label: String,
    outcome: String,
    repeatable: bool,
    checksum: Vec<u8>,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    execution_ms: Option<i64>,
    applied_by: String,
    applied_from: String,
    statements: i32,
    statements_done: i32,
    statement_alone: Option<i32>,
    error: Option<String>,
}

impl Row {
    /// The table does not promise all of what is checked here.
    pub(super) fn checked(self) -> Result<Applied, sqlx::Error> {
        let wrong =
            |column: &str| sqlx::Error::Decode(format!("{column} of row {} is wrong", self.seq).into());
        let checksum: [u8; 32] = self.checksum.try_into().map_err(|_| wrong("checksum"))?;
        let outcome = OUTCOMES.into_iter().find(|outcome| outcome.as_str() == self.outcome);
        Ok(Applied {
            seq: self.seq,
            id: MigrationId::new(&self.id).ok_or_else(|| wrong("id"))?,
            name: self.name,
            label: self.label,
            outcome: outcome.ok_or_else(|| wrong("outcome"))?,
            is_repeatable: self.repeatable,
            checksum: checksum.into(),
            started_at: self.started_at,
            finished_at: self.finished_at,
            execution: self.execution_ms.and_then(|ms| ms.try_into().ok()).map(Duration::from_millis),
            applied_by: self.applied_by,
            applied_from: self.applied_from,
            statements: self.statements.try_into().unwrap_or_default(),
            statements_done: self.statements_done.try_into().unwrap_or_default(),
            statement_alone: self.statement_alone.and_then(|at| at.try_into().ok()),
            error: self.error,
        })
    }
}
