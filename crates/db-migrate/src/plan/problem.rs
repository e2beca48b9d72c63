//! Contradictions between the files and the history, each with its remedy.

use crate::{Applied, MigrationId, Outcome};
use chrono::{DateTime, Utc};
use std::fmt;

/// The files and the history contradict each other; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// Every contradiction.
    pub problems: Vec<Problem>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the migrations do not fit what was applied:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

/// A contradiction between the files and the history, with its remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file is not what it was when it was applied.
    #[error(
        "{file} was edited after it was applied: restore it and put the change into a new migration, or accept it with \
         `db migrate repair`{}",
        diff.as_ref().map(|diff| format!("\n{}", diff.trim_end())).unwrap_or_default()
    )]
    Edited {
        /// The migration.
        label: String,
        /// Its file.
        file: String,
        /// What was applied against what is there now, as a unified diff, where the text is known; of many files only of
        /// the first, the last of which says how many there are besides.
        diff: Option<String>,
    },
    /// What was applied is not among the files.
    #[error(
        "{label} was applied but is not among the files: restore it, deploy the newer program, or forget it with `db \
         migrate repair`"
    )]
    Missing {
        /// The migration.
        label: String,
    },
    /// A file is older than what was applied last.
    #[error(
        "{label} was never applied and is older than {last}, which was: give it a newer version, or apply it with \
         --out-of-order apply"
    )]
    OutOfOrder {
        /// The migration.
        label: String,
        /// What was applied last.
        last: String,
    },
    /// It began and did not finish.
    #[error(
        "{label} is half {}: {applied_by} began it at {}, {finished} of {statements} statements finished{}; finish or \
         undo it with `db migrate recover`",
        if *outcome == Outcome::Reverting { "reverted" } else { "applied" },
        started_at.format("%Y-%m-%d %H:%M:%S UTC"),
        error.as_ref().map(|error| format!(", then: {error}")).unwrap_or_default()
    )]
    HalfApplied {
        /// The migration.
        label: String,
        /// Its version.
        id: MigrationId,
        /// Whether it was on its way there or back.
        outcome: Outcome,
        /// Statements that are known to have finished.
        finished: usize,
        /// Statements that there are.
        statements: usize,
        /// When it began.
        started_at: DateTime<Utc>,
        /// The database role that began it.
        applied_by: String,
        /// What stopped it, where that is known.
        error: Option<String>,
    },
    /// It needs one that is not applied, and is not going to be.
    #[error(
        "{label} depends on {depends_on}, which is not applied and is left out by the target, the environment or the tags"
    )]
    NeedsSkipped {
        /// The migration.
        label: String,
        /// What it needs.
        depends_on: MigrationId,
    },
    /// Some of what it replaces was applied, and the rest is no more among the files.
    #[error(
        "{label} replaces {missing}, which was neither applied here nor is among the files: restore it and apply it first"
    )]
    ReplacedInPart {
        /// The migration.
        label: String,
        /// What is missing.
        missing: MigrationId,
    },
    /// The target is no migration.
    #[error("there is no migration {typed:?} to go to: `db migrate status` lists them")]
    UnknownTarget {
        /// What was asked for.
        typed: String,
    },
    /// No migration has the tag.
    #[error(
        "no migration has the tag {tag:?}: {}",
        if known.is_empty() { "none has any".to_owned() } else { format!("known are {}", known.join(", ")) }
    )]
    UnknownTag {
        /// The tag.
        tag: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

impl Problem {
    pub(super) fn half_applied(row: &Applied) -> Self {
        Self::HalfApplied {
            label: row.label.clone(),
            id: row.id.clone(),
            outcome: row.outcome,
            finished: row.statements_done,
            statements: row.statements,
            started_at: row.started_at,
            applied_by: row.applied_by.clone(),
            error: row.error.clone(),
        }
    }
}
