//! Executions: the attempts of agents at tasks.

use crate::text_enum::text_enum;
use crate::{Error, ExecutionId, TaskId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};

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
}

impl ExecutionStatus {
    /// Whether `next` may follow; the trigger `task_executions_status_change` says the same, and a test compares.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        use ExecutionStatus::{Cancelled, Completed, Failed, Pending, Running};
        matches!((self, next), (Pending, Running | Cancelled) | (Running, Completed | Failed | Cancelled))
    }

    /// Whether nothing follows: a retry is a new execution.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A row of `task_executions`.
#[derive(Clone, Debug, PartialEq, FromRow, Serialize, Deserialize)]
pub struct Execution {
    /// Key.
    pub id: ExecutionId,
    /// The task.
    pub task_id: TaskId,
    /// Kind of agent, such as `claude-code`.
    pub agent_type: String,
    /// How the agent was set up.
    pub agent_config: Value,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// What the agent reported, a JSON array.
    pub logs: Value,
    /// What went wrong.
    pub error_details: Option<Value>,
    /// Which attempt at the task this is, from 1.
    pub attempt: i32,
    /// Which worker ran it.
    pub worker: Option<String>,
    /// When it could have begun.
    pub queued_at: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When the row was written.
    pub created_at: DateTime<Utc>,
}

macro_rules! columns {
    () => {
        "id, task_id, agent_type, agent_config, status, logs, error_details, attempt, worker, queued_at, \
         started_at, completed_at, created_at"
    };
}

/// An execution to insert: before, while or after it runs. Times and status must agree: all but `Pending` and
/// `Cancelled` have `started_at`, the final ones have `completed_at`.
#[derive(Clone, Debug, PartialEq)]
pub struct NewExecution {
    /// Key, made here so that errors may refer to the execution before it is inserted.
    pub id: ExecutionId,
    /// The task.
    pub task_id: TaskId,
    /// Kind of agent; not empty.
    pub agent_type: String,
    /// How the agent is set up.
    pub agent_config: Value,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// What the agent reported, a JSON array.
    pub logs: Value,
    /// What went wrong.
    pub error_details: Option<Value>,
    /// Which attempt at the task this is, from 1.
    pub attempt: i32,
    /// Which worker runs it.
    pub worker: Option<String>,
    /// When it could have begun.
    pub queued_at: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
}

impl NewExecution {
    /// The first attempt of an agent at a task, not begun.
    #[must_use]
    pub fn new(task_id: TaskId, agent_type: impl Into<String>) -> Self {
        Self {
            id: ExecutionId::generate(),
            task_id,
            agent_type: agent_type.into(),
            agent_config: json!({}),
            status: ExecutionStatus::Pending,
            logs: json!([]),
            error_details: None,
            attempt: 1,
            worker: None,
            queued_at: None,
            started_at: None,
            completed_at: None,
        }
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

/// Inserts all of them in one statement, and returns how many there were.
///
/// # Errors
/// [`Error::Database`] when a constraint refuses a row, which refuses them all, or the server cannot be asked.
pub async fn insert_many(conn: &mut PgConnection, new: &[NewExecution]) -> Result<u64, Error> {
    let done = sqlx::query(
        "INSERT INTO task_executions (id, task_id, agent_type, agent_config, status, logs, error_details, attempt, \
             worker, queued_at, started_at, completed_at) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::text[], $6::jsonb[], \
             $7::jsonb[], $8::int[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[])",
    )
    .bind(new.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.task_id).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.agent_type.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| &row.agent_config).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.status.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| &row.logs).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.error_details.as_ref()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.attempt).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.worker.as_deref()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.queued_at).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.started_at).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.completed_at).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(Error::during("insert executions"))?;
    Ok(done.rows_affected())
}

/// Marks a pending execution as running from now.
///
/// # Errors
/// [`Error::Transition`] when it is not pending, [`Error::NotFound`] without such an execution, [`Error::Database`]
/// when the server cannot be asked.
pub async fn start(conn: &mut PgConnection, id: ExecutionId, worker: &str) -> Result<Execution, Error> {
    let started = sqlx::query_as(concat!(
        "UPDATE task_executions SET status = 'running', worker = $2, started_at = now() \
         WHERE id = $1 AND status = 'pending' RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(worker)
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::during("start an execution"))?;
    match started {
        Some(execution) => Ok(execution),
        None => Err(why_unchanged(conn, id, ExecutionStatus::Running).await?),
    }
}

/// Ends an execution now. A pending one can only be cancelled.
///
/// # Errors
/// [`Error::Transition`] when the outcome may not follow, [`Error::NotFound`] without such an execution,
/// [`Error::Database`] when the server cannot be asked.
pub async fn finish(
    conn: &mut PgConnection,
    id: ExecutionId,
    outcome: Outcome<'_>,
) -> Result<Execution, Error> {
    let to = outcome.status();
    let from: Vec<&str> =
        ExecutionStatus::ALL.iter().filter(|from| from.can_become(to)).map(|from| from.as_str()).collect();
    let details = match outcome {
        Outcome::Failed { details } => Some(details),
        Outcome::Completed | Outcome::Cancelled => None,
    };
    let finished = sqlx::query_as(concat!(
        "UPDATE task_executions SET status = $2, error_details = $3, completed_at = now() \
         WHERE id = $1 AND status = ANY($4) RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(to)
    .bind(details)
    .bind(from)
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::during("finish an execution"))?;
    match finished {
        Some(execution) => Ok(execution),
        None => Err(why_unchanged(conn, id, to).await?),
    }
}

/// The attempts at a task, in order.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn list_for_task(conn: &mut PgConnection, task_id: TaskId) -> Result<Vec<Execution>, Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM task_executions WHERE task_id = $1 ORDER BY attempt, created_at"
    ))
    .bind(task_id)
    .fetch_all(conn)
    .await
    .map_err(Error::during("list executions"))
}

async fn why_unchanged(
    conn: &mut PgConnection,
    id: ExecutionId,
    to: ExecutionStatus,
) -> Result<Error, Error> {
    let from: Option<ExecutionStatus> =
        sqlx::query_scalar("SELECT status FROM task_executions WHERE id = $1")
            .bind(id)
            .fetch_optional(conn)
            .await
            .map_err(Error::during("read the status of an execution"))?;
    Ok(match from {
        Some(from) => Error::Transition {
            table: "task_executions",
            id: id.into(),
            from: from.as_str(),
            to: to.as_str(),
        },
        None => Error::NotFound { table: "task_executions", id: id.into() },
    })
}
