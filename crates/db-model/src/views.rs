//! The five views: what people and dashboards ask most. A summary reads its whole table: ask it by the minute, not by the
//! request.
//!
//! Their rows are [`Record`](crate::entity::Record)s, so [`repository::find`] and
//! [`repository::count`] take them with any condition; the functions here are the plain questions.

use crate::{
    Answer, AuditLogId, ErrorType, ExecutionStatus, Priority, Seconds, TaskId, TaskStatus,
    pr_validation::PrValidationStatus, repository, view,
};
use chrono::{DateTime, Utc};
use db_query::{asc, col, desc};
use serde_json::Value;
use sqlx::PgConnection;

view! {
    /// A row of `active_tasks`: a task that is pending or in progress.
    pub struct ActiveTask in "active_tasks" {
        /// Key of the task.
        id: TaskId,
        /// What is to be done, in one line.
        title: String,
        /// What is to be done, at length.
        description: Option<String>,
        /// What the worker needs to know.
        requirements: Value,
        /// What others want to remember about the task.
        metadata: Value,
        /// Pending or in progress.
        status: TaskStatus,
        /// How urgent it is.
        priority: Priority,
        /// The queue it is in.
        queue: String,
        /// Which worker code it is for.
        kind: String,
        /// Who asked for it.
        created_by: Option<String>,
        /// Who is to do it.
        assigned_to: Option<String>,
        /// The task that this one is a part of.
        parent_task_id: Option<TaskId>,
        /// Claims so far.
        attempts: i32,
        /// Claims after which it is given up.
        max_attempts: i32,
        /// It is not claimed before.
        run_after: DateTime<Utc>,
        /// Dependencies not yet settled; 0 means ready.
        waiting_on: i32,
        /// The worker that holds the lease.
        claimed_by: Option<String>,
        /// After this another worker may take it over.
        lease_expires_at: Option<DateTime<Utc>>,
        /// When it was asked for.
        created_at: DateTime<Utc>,
        /// When the row last changed.
        updated_at: DateTime<Utc>,
        /// When its latest attempt began.
        started_at: Option<DateTime<Utc>>,
    }
}

view! {
    /// A row of `task_execution_summary`: the executions of one kind of agent in one status.
    pub struct ExecutionSummary in "task_execution_summary" {
        /// Kind of agent.
        agent_type: String,
        /// Where they stand.
        status: ExecutionStatus,
        /// How many.
        executions: i64,
        /// Of how many tasks.
        tasks: i64,
        /// How long they waited, on average; of those that began and had a time to wait from.
        average_wait: Option<Seconds>,
        /// How long they ran, on average; of those that ended.
        average_run: Option<Seconds>,
        /// The longest run.
        longest_run: Option<Seconds>,
        /// When the latest was written.
        latest_at: DateTime<Utc>,
    }
}

view! {
    /// A row of `pr_validation_summary`: the checks of one repository in one status.
    pub struct PrValidationSummary in "pr_validation_summary" {
        /// Where the pull requests are.
        repository: String,
        /// Where the checks stand.
        status: PrValidationStatus,
        /// How many.
        validations: i64,
        /// Of how many pull requests.
        pull_requests: i64,
        /// When the latest was asked for.
        latest_at: DateTime<Utc>,
    }
}

view! {
    /// A row of `error_summary`: the errors of one type, resolved or not.
    pub struct ErrorSummary in "error_summary" {
        /// Where they came from.
        error_type: ErrorType,
        /// Whether nobody needs to look at them any more.
        resolved: bool,
        /// How many.
        errors: i64,
        /// Of how many tasks.
        tasks: i64,
        /// How often recovery was tried.
        recovery_attempts: i64,
        /// When the first was written.
        first_at: DateTime<Utc>,
        /// When the latest was written.
        latest_at: DateTime<Utc>,
    }
}

view! {
    /// A row of `recent_activity`: an entry of the audit trail of the last seven days, with the task it is about.
    pub struct Activity in "recent_activity" {
        /// Key of the entry.
        id: AuditLogId,
        /// Name of the table, or of the kind of thing.
        entity_type: String,
        /// Key of the entity, written as text.
        entity_id: String,
        /// What was done.
        action: String,
        /// What it was before.
        old_values: Option<Value>,
        /// What it is since.
        new_values: Option<Value>,
        /// Who did it.
        user_id: Option<String>,
        /// When.
        created_at: DateTime<Utc>,
        /// The task that it is about, while there is one.
        task_id: Option<TaskId>,
        /// The task in one line.
        task_title: Option<String>,
        /// Where the task stands now.
        task_status: Option<TaskStatus>,
    }
}

/// The tasks of a queue that are pending or in progress, the newest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn active_tasks<'c>(conn: &'c mut PgConnection, queue: &str, limit: u16) -> Answer<'c, Vec<ActiveTask>> {
    repository::find(conn, |tasks| {
        tasks
            .filter(col("queue").eq(queue))
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit.into())
    })
}

/// Executions by kind of agent and status.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn execution_summary(conn: &mut PgConnection) -> Answer<'_, Vec<ExecutionSummary>> {
    repository::find(conn, |executions| executions.order_by(asc("agent_type")).order_by(asc("status")))
}

/// Checks of pull requests by repository and status.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn pr_validation_summary(conn: &mut PgConnection) -> Answer<'_, Vec<PrValidationSummary>> {
    repository::find(conn, |validations| validations.order_by(asc("repository")).order_by(asc("status")))
}

/// Errors by type, open ones first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn error_summary(conn: &mut PgConnection) -> Answer<'_, Vec<ErrorSummary>> {
    repository::find(conn, |errors| errors.order_by(asc("resolved")).order_by(asc("error_type")))
}

/// The latest entries of the audit trail, the latest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn recent_activity(conn: &mut PgConnection, limit: u16) -> Answer<'_, Vec<Activity>> {
    repository::find(conn, |entries| {
        entries.order_by(desc("created_at")).order_by(desc("id")).limit(limit.into())
    })
}
