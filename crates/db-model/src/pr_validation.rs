//! Checks of pull requests, one row a run.

use crate::{
    Answer, ExecutionId, PrValidationId, TaskId, entity, relation::BelongsTo, repository, task::Task,
    text_enum,
};
use chrono::{DateTime, Utc};
use db_query::{col, desc};
use serde_json::{Value, json};
use sqlx::PgConnection;

text_enum! {
    /// Where a check stands.
    pub enum PrValidationStatus {
        /// Not begun.
        Pending = "pending",
        /// Under way.
        Running = "running",
        /// Nothing was found; nothing follows.
        Passed = "passed",
        /// Something was found; may be run again.
        Failed = "failed",
        /// No longer wanted; may be run again.
        Cancelled = "cancelled",
    }
    transitions {
        Pending => Running | Passed | Failed | Cancelled,
        Running => Passed | Failed | Cancelled,
        Failed => Pending,
        Cancelled => Pending,
    }
}

entity! {
    /// A row of `pr_validations`.
    pub struct PrValidation in "pr_validations": Versioned;
    /// A check to insert.
    struct NewPrValidation;
    fixed [repository, pr_number];

    id {
        /// Key.
        id: PrValidationId,
    }
    required {
        /// Where the pull request is, as in `owner/name`; not empty.
        repository: String,
        /// The number of the pull request there; from 1.
        pr_number: i32,
    }
    optional {
        /// The task that asked for the check.
        task_id: TaskId,
        /// The execution that made the pull request.
        execution_id: ExecutionId,
        /// What is to be merged.
        branch_name: String,
        /// The webhook's message that set it off.
        webhook_payload: Value,
    }
    default {
        /// What was found, by check.
        validation_results: Value = json!({}),
    }
    status {
        /// Where it stands.
        status: PrValidationStatus = PrValidationStatus::Pending,
    }
    database {
        /// Changes so far.
        version: i64,
        /// When it was asked for.
        created_at: DateTime<Utc>,
        /// When it last changed.
        updated_at: DateTime<Utc>,
    }
}

/// The task that asked for a check.
pub const TASK: BelongsTo<PrValidation, Task> =
    BelongsTo::new(|validation: &PrValidation| validation.task_id);

/// The checks of one pull request, the newest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn of_pull_request<'c>(
    conn: &'c mut PgConnection,
    repository: &str,
    pr_number: i32,
    limit: u16,
) -> Answer<'c, Vec<PrValidation>> {
    repository::find(conn, |validations| {
        validations
            .filter(col("repository").eq(repository))
            .filter(col("pr_number").eq(pr_number))
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit.into())
    })
}

/// Changes the status of a check, with what was found where that is known.
///
/// # Errors
/// [`Error::Transition`](crate::Error::Transition) when the status may not follow,
/// [`Error::NotFound`](crate::Error::NotFound) without such a check, [`Error::Database`](crate::Error::Database) when the
/// server cannot be asked.
#[track_caller]
pub fn set_status<'c>(
    conn: &'c mut PgConnection,
    id: PrValidationId,
    to: PrValidationStatus,
    results: Option<&Value>,
) -> Answer<'c, PrValidation> {
    repository::set_status_with(conn, &id, to, |validations| match results {
        Some(results) => validations.set("validation_results", results),
        None => validations,
    })
}
