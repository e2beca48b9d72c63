//! Executions: the attempts of agents at tasks.

use crate::{Answer, ExecutionId, TaskId, entity, repository, text_enum};
use chrono::{DateTime, Utc};
use db_query::{asc, col, now};
use serde_json::{Value, json};
use sqlx::PgConnection;

text_enum! {
    /// Where an execution stands.
    pub enum ExecutionStatus {
        /// Not begun.
        Pending = "pending",
        /// Under way.
        Running = "running",
        /// Ended well.
        Completed = "completed",
        /// Ended with an error.
        Failed = "failed",
        /// Ended, or never begun, because it was no longer wanted.
        Cancelled = "cancelled",
    }
    transitions {
        Pending => Running | Cancelled,
        Running => Completed | Failed | Cancelled,
    }
}

impl ExecutionStatus {
    /// Whether nothing follows: a retry is a new execution.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

entity! {
    /// A row of `task_executions`.
    pub struct Execution in "task_executions";
    /// An execution to insert: before, while or after it runs. Times and status must agree: all but `Pending` and
    /// `Cancelled` have `started_at`, the final ones have `completed_at`.
    struct NewExecution;

    id {
        /// Key.
        id: ExecutionId,
    }
    required {
        /// The task.
        task_id: TaskId,
        /// Kind of agent, such as `claude-code`; not empty.
        agent_type: String,
    }
    optional {
        /// What went wrong.
        error_details: Value,
        /// Which worker ran it.
        worker: String,
        /// When it could have begun.
        queued_at: DateTime<Utc>,
        /// When it began.
        started_at: DateTime<Utc>,
        /// When it ended.
        completed_at: DateTime<Utc>,
    }
    default {
        /// How the agent was set up.
        agent_config: Value = json!({}),
        /// What the agent reported, a JSON array.
        logs: Value = json!([]),
        /// Which attempt at the task this is, from 1.
        attempt: i32 = 1,
    }
    status {
        /// Where it stands.
        status: ExecutionStatus = ExecutionStatus::Pending,
    }
    database {
        /// When the row was written.
        created_at: DateTime<Utc>,
    }
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// Well.
    Completed,
    /// With an error.
    Failed {
        /// What went wrong.
        details: &'a Value,
    },
    /// It was no longer wanted.
    Cancelled,
}

impl Outcome<'_> {
    /// The status it leads to.
    #[must_use]
    pub const fn status(&self) -> ExecutionStatus {
        match self {
            Self::Completed => ExecutionStatus::Completed,
            Self::Failed { .. } => ExecutionStatus::Failed,
            Self::Cancelled => ExecutionStatus::Cancelled,
        }
    }
}

/// Inserts all of them, and returns how many there were.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) when a constraint refuses a row, which refuses them all, [`Error::Database`](crate::Error::Database) when the server cannot
/// be asked.
#[track_caller]
pub fn insert_many<'c>(conn: &'c mut PgConnection, new: &'c [NewExecution]) -> Answer<'c, u64> {
    repository::insert_many(conn, new)
}

/// Marks a pending execution as running from now.
///
/// # Errors
/// [`Error::Transition`](crate::Error::Transition) when it is not pending, [`Error::NotFound`](crate::Error::NotFound) without such an execution, [`Error::Database`](crate::Error::Database)
/// when the server cannot be asked.
#[track_caller]
pub fn start<'c>(conn: &'c mut PgConnection, id: ExecutionId, worker: &str) -> Answer<'c, Execution> {
    repository::set_status_with(conn, &id, ExecutionStatus::Running, |executions| {
        executions.set("worker", worker).set_expr("started_at", now())
    })
}

/// Ends an execution now. A pending one can only be cancelled.
///
/// # Errors
/// [`Error::Transition`](crate::Error::Transition) when the outcome may not follow, [`Error::NotFound`](crate::Error::NotFound) without such an execution,
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn finish<'c>(
    conn: &'c mut PgConnection,
    id: ExecutionId,
    outcome: Outcome<'_>,
) -> Answer<'c, Execution> {
    let details = match outcome {
        Outcome::Failed { details } => Some(details),
        Outcome::Completed | Outcome::Cancelled => None,
    };
    repository::set_status_with(conn, &id, outcome.status(), |executions| {
        executions.set("error_details", details).set_expr("completed_at", now())
    })
}

/// The attempts at a task, in order.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn list_for_task(conn: &mut PgConnection, task_id: TaskId, limit: u32) -> Answer<'_, Vec<Execution>> {
    repository::find(conn, |executions| {
        executions
            .filter(col("task_id").eq(task_id))
            .order_by(asc("attempt"))
            .order_by(asc("created_at"))
            .limit(limit)
    })
}
