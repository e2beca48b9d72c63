//! Tasks: work to be done, which is also the queue that workers claim from.

use crate::text_enum::text_enum;
use crate::{Error, Priority, TaskId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};
use std::time::Duration;

text_enum! {
    /// Where a task stands.
    pub enum TaskStatus {
        /// Waits to be claimed, for its time, or for its dependencies.
        Pending = "pending",
        /// A worker holds a lease on it.
        InProgress = "in_progress",
        /// Done; nothing follows.
        Completed = "completed",
        /// Given up; may be queued again.
        Failed = "failed",
        /// No longer wanted; may be queued again.
        Cancelled = "cancelled",
    }
}

impl TaskStatus {
    /// Whether `next` may follow; the trigger `tasks_status_change` says the same, and a test compares the two.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        use TaskStatus::{Cancelled, Completed, Failed, InProgress, Pending};
        matches!(
            (self, next),
            (Pending, InProgress | Cancelled)
                | (InProgress, Completed | Failed | Cancelled | Pending)
                | (Failed | Cancelled, Pending)
        )
    }

    /// Whether the task is at rest: completed, failed or cancelled.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A row of `tasks`.
#[derive(Clone, Debug, PartialEq, FromRow, Serialize, Deserialize)]
pub struct Task {
    /// Key.
    pub id: TaskId,
    /// What is to be done, in one line.
    pub title: String,
    /// What is to be done, at length.
    pub description: Option<String>,
    /// What the worker needs to know.
    pub requirements: Value,
    /// What others want to remember about the task.
    pub metadata: Value,
    /// Where it stands.
    pub status: TaskStatus,
    /// How urgent it is.
    pub priority: Priority,
    /// Who asked for it.
    pub created_by: Option<String>,
    /// Who is to do it.
    pub assigned_to: Option<String>,
    /// The task that this one is a part of.
    pub parent_task_id: Option<TaskId>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
    /// When its latest attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it became final.
    pub completed_at: Option<DateTime<Utc>>,
    /// The queue it is in.
    pub queue: String,
    /// Which worker code it is for.
    pub kind: String,
    /// At most one task of a queue with this key is pending or in progress.
    pub unique_key: Option<String>,
    /// Claims so far.
    pub attempts: i32,
    /// Claims after which it is given up.
    pub max_attempts: i32,
    /// It is not claimed before.
    pub run_after: DateTime<Utc>,
    /// Dependencies not yet settled; 0 means ready.
    pub waiting_on: i32,
    /// The worker that holds the lease.
    pub claimed_by: Option<String>,
    /// Fencing token: grows with each claim.
    pub lease_token: i64,
    /// After this another worker may take it over.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// What the worker returned.
    pub result: Option<Value>,
}

macro_rules! columns {
    () => {
        "id, title, description, requirements, metadata, status, priority, created_by, assigned_to, \
         parent_task_id, created_at, updated_at, started_at, completed_at, queue, kind, unique_key, attempts, \
         max_attempts, run_after, waiting_on, claimed_by, lease_token, lease_expires_at, result"
    };
}

/// A task to insert. Make it with [`NewTask::new`] and name what differs:
/// `NewTask { priority, ..NewTask::new("title") }`.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// Key, made here so that other rows may refer to the task before it is inserted.
    pub id: TaskId,
    /// What is to be done, in one line; not empty.
    pub title: String,
    /// What is to be done, at length.
    pub description: Option<String>,
    /// What the worker needs to know.
    pub requirements: Value,
    /// What others want to remember about the task.
    pub metadata: Value,
    /// How urgent it is.
    pub priority: Priority,
    /// Who asks for it.
    pub created_by: Option<String>,
    /// Who is to do it.
    pub assigned_to: Option<String>,
    /// The task that this one is a part of.
    pub parent_task_id: Option<TaskId>,
    /// The queue; not empty.
    pub queue: String,
    /// Which worker code it is for; not empty.
    pub kind: String,
    /// At most one task of a queue with this key is pending or in progress.
    pub unique_key: Option<String>,
    /// Claims after which it is given up; at least 1.
    pub max_attempts: i32,
    /// Not to be claimed before; `None` means at once.
    pub run_after: Option<DateTime<Utc>>,
}

impl NewTask {
    /// A task of the queue `default` and the kind `task`, of the lowest priority, tried once, ready at once.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            id: TaskId::generate(),
            title: title.into(),
            description: None,
            requirements: json!({}),
            metadata: json!({}),
            priority: Priority::LOWEST,
            created_by: None,
            assigned_to: None,
            parent_task_id: None,
            queue: "default".to_owned(),
            kind: "task".to_owned(),
            unique_key: None,
            max_attempts: 1,
            run_after: None,
        }
    }
}

/// Which tasks to list; what is `None` is not asked.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskFilter {
    /// Where they stand.
    pub status: Option<TaskStatus>,
    /// The queue they are in.
    pub queue: Option<String>,
    /// The worker code they are for.
    pub kind: Option<String>,
    /// Who is to do them.
    pub assigned_to: Option<String>,
    /// The task they are a part of.
    pub parent_task_id: Option<TaskId>,
    /// Only tasks older than this one: time of creation and key of the last task of the page before.
    pub before: Option<(DateTime<Utc>, TaskId)>,
    /// At most so many; 100 unless told.
    pub limit: u16,
}

impl Default for TaskFilter {
    fn default() -> Self {
        Self {
            status: None,
            queue: None,
            kind: None,
            assigned_to: None,
            parent_task_id: None,
            before: None,
            limit: 100,
        }
    }
}

/// A step from one status to another, with what the new status needs.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusChange<'a> {
    /// A worker takes the task for the length of a lease; counts as an attempt.
    Start {
        /// Who takes it.
        worker: &'a str,
        /// For how long from now.
        lease: Duration,
    },
    /// The work is done.
    Complete {
        /// What it gave.
        result: Option<&'a Value>,
    },
    /// The work is given up.
    Fail,
    /// The work is no longer wanted.
    Cancel,
    /// The task waits again.
    Requeue,
}

impl StatusChange<'_> {
    /// The status it leads to.
    #[must_use]
    pub const fn to(&self) -> TaskStatus {
        match self {
            Self::Start { .. } => TaskStatus::InProgress,
            Self::Complete { .. } => TaskStatus::Completed,
            Self::Fail => TaskStatus::Failed,
            Self::Cancel => TaskStatus::Cancelled,
            Self::Requeue => TaskStatus::Pending,
        }
    }
}

/// Inserts a pending task and returns its row.
///
/// # Errors
/// [`Error::Database`] when a constraint refuses the row ([`Error::constraint`] names it, for instance
/// `tasks_unique_key_idx`) or the server cannot be asked.
pub async fn insert(conn: &mut PgConnection, new: &NewTask) -> Result<Task, Error> {
    sqlx::query_as(concat!(
        "INSERT INTO tasks (id, title, description, requirements, metadata, priority, created_by, assigned_to, \
             parent_task_id, queue, kind, unique_key, max_attempts, run_after) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, coalesce($14, now())) \
         RETURNING ",
        columns!()
    ))
    .bind(new.id)
    .bind(&new.title)
    .bind(&new.description)
    .bind(&new.requirements)
    .bind(&new.metadata)
    .bind(new.priority)
    .bind(&new.created_by)
    .bind(&new.assigned_to)
    .bind(new.parent_task_id)
    .bind(&new.queue)
    .bind(&new.kind)
    .bind(&new.unique_key)
    .bind(new.max_attempts)
    .bind(new.run_after)
    .fetch_one(conn)
    .await
    .map_err(Error::during("insert a task"))
}

/// The task with this key, or `None`.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn get(conn: &mut PgConnection, id: TaskId) -> Result<Option<Task>, Error> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM tasks WHERE id = $1"))
        .bind(id)
        .fetch_optional(conn)
        .await
        .map_err(Error::during("read a task"))
}

/// The tasks that the filter names, newest first.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn list(conn: &mut PgConnection, filter: &TaskFilter) -> Result<Vec<Task>, Error> {
    let (before_time, before_id) = filter.before.unzip();
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM tasks \
         WHERE ($1::text IS NULL OR status = $1) \
           AND ($2::text IS NULL OR queue = $2) \
           AND ($3::text IS NULL OR kind = $3) \
           AND ($4::text IS NULL OR assigned_to = $4) \
           AND ($5::uuid IS NULL OR parent_task_id = $5) \
           AND (created_at, id) < (coalesce($6, 'infinity'), \
                                   coalesce($7, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)) \
         ORDER BY created_at DESC, id DESC LIMIT $8"
    ))
    .bind(filter.status)
    .bind(&filter.queue)
    .bind(&filter.kind)
    .bind(&filter.assigned_to)
    .bind(filter.parent_task_id)
    .bind(before_time)
    .bind(before_id)
    .bind(i64::from(filter.limit))
    .fetch_all(conn)
    .await
    .map_err(Error::during("list tasks"))
}

/// How many tasks stand where; a status without tasks is left out. Reads the whole table.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn count_by_status(conn: &mut PgConnection) -> Result<Vec<(TaskStatus, i64)>, Error> {
    sqlx::query_as("SELECT status, count(*) FROM tasks GROUP BY status ORDER BY status")
        .fetch_all(conn)
        .await
        .map_err(Error::during("count tasks"))
}

/// Changes the status of one task, with all columns that go with it, and returns the row.
///
/// An illegal change is found before the row is touched, so the caller's transaction stays usable.
///
/// # Errors
/// [`Error::Transition`] when the new status may not follow, [`Error::NotFound`] without such a task,
/// [`Error::Database`] when the server cannot be asked.
pub async fn set_status(
    conn: &mut PgConnection,
    id: TaskId,
    change: &StatusChange<'_>,
) -> Result<Task, Error> {
    const ACTION: &str = "change the status of a task";
    let to = change.to();
    let from: Vec<&str> =
        TaskStatus::ALL.iter().filter(|from| from.can_become(to)).map(|from| from.as_str()).collect();
    let (worker, lease_seconds) = match change {
        StatusChange::Start { worker, lease } => (Some(*worker), Some(lease.as_secs_f64())),
        _ => (None, None),
    };
    let result = match change {
        StatusChange::Complete { result } => *result,
        _ => None,
    };
    let changed = sqlx::query_as(concat!(
        "UPDATE tasks SET status = $2, \
             claimed_by = $3, \
             lease_expires_at = clock_timestamp() + make_interval(secs => $4), \
             lease_token = lease_token + ($2 = 'in_progress')::int, \
             attempts = attempts + ($2 = 'in_progress')::int, \
             started_at = CASE WHEN $2 = 'in_progress' THEN now() ELSE started_at END, \
             completed_at = CASE WHEN $2 IN ('completed', 'failed', 'cancelled') THEN now() END, \
             result = $5, \
             updated_at = now() \
         WHERE id = $1 AND status = ANY($6) RETURNING ",
        columns!()
    ))
    .bind(id)
    .bind(to)
    .bind(worker)
    .bind(lease_seconds)
    .bind(result)
    .bind(from)
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::during(ACTION))?;
    match changed {
        Some(task) => Ok(task),
        None => Err(why_unchanged(conn, id, to).await?),
    }
}

async fn why_unchanged(conn: &mut PgConnection, id: TaskId, to: TaskStatus) -> Result<Error, Error> {
    let from: Option<TaskStatus> = sqlx::query_scalar("SELECT status FROM tasks WHERE id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await
        .map_err(Error::during("read the status of a task"))?;
    Ok(match from {
        Some(from) => {
            Error::Transition { table: "tasks", id: id.into(), from: from.as_str(), to: to.as_str() }
        }
        None => Error::NotFound { table: "tasks", id: id.into() },
    })
}
