//! Tasks: work to be done, which is also the queue that workers claim from.

use crate::{
    Answer, Priority, TaskId, entity,
    error_log::ErrorLog,
    execution::Execution,
    relation::{BelongsTo, HasMany},
    repository,
    run::Call,
    text_enum,
};
use chrono::{DateTime, Utc};
use db_query::{
    Op, Select, asc, clock_timestamp, col, constant, count_all, desc, make_interval, now, row_of, value,
};
use serde_json::{Value, json};
use sqlx::PgConnection;
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
    transitions {
        Pending => InProgress | Cancelled,
        InProgress => Completed | Failed | Cancelled | Pending,
        Failed => Pending,
        Cancelled => Pending,
    }
}

impl TaskStatus {
    /// Whether the task is at rest: completed, failed or cancelled.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

entity! {
    /// A row of `tasks`.
    pub struct Task in "tasks";
    /// A task to insert: of the queue `default` and the kind `task`, of the lowest priority, tried once, ready at once,
    /// unless told otherwise.
    struct NewTask;

    id {
        /// Key.
        id: TaskId,
    }
    required {
        /// What is to be done, in one line; not empty.
        title: String,
    }
    optional {
        /// What is to be done, at length.
        description: String,
        /// Who asked for it.
        created_by: String,
        /// Who is to do it.
        assigned_to: String,
        /// The task that this one is a part of.
        parent_task_id: TaskId,
        /// At most one task of a queue with this key is pending or in progress.
        unique_key: String,
    }
    default {
        /// What the worker needs to know.
        requirements: Value = json!({}),
        /// What others want to remember about the task.
        metadata: Value = json!({}),
        /// How urgent it is.
        priority: Priority = Priority::LOWEST,
        /// The queue it is in; not empty.
        queue: String = "default".to_owned(),
        /// Which worker code it is for; not empty.
        kind: String = "task".to_owned(),
        /// Claims after which it is given up; at least 1.
        max_attempts: i32 = 1,
    }
    status by database {
        /// Where it stands.
        status: TaskStatus,
    }
    now {
        /// It is not claimed before.
        run_after: DateTime<Utc>,
    }
    database {
        /// When it was asked for.
        created_at: DateTime<Utc>,
        /// When the row last changed.
        updated_at: DateTime<Utc>,
        /// When its latest attempt began.
        started_at: Option<DateTime<Utc>>,
        /// When it became final.
        completed_at: Option<DateTime<Utc>>,
        /// Claims so far.
        attempts: i32,
        /// Dependencies not yet settled; 0 means ready.
        waiting_on: i32,
        /// The worker that holds the lease.
        claimed_by: Option<String>,
        /// Fencing token: grows with each claim.
        lease_token: i64,
        /// After this another worker may take it over.
        lease_expires_at: Option<DateTime<Utc>>,
        /// What the worker returned.
        result: Option<Value>,
    }
}

/// The attempts at a task, in order.
pub const EXECUTIONS: HasMany<Task, Execution> =
    HasMany::new("task_executions.task_id", |execution: &Execution| Some(execution.task_id))
        .arranged(|executions| executions.order_by(asc("attempt")).order_by(asc("created_at")));

/// The errors that stopped a task, the latest first.
pub const ERRORS: HasMany<Task, ErrorLog> =
    HasMany::new("error_logs.task_id", |error: &ErrorLog| error.task_id)
        .arranged(|errors| errors.order_by(desc("created_at")).order_by(desc("id")));

/// The parts of a task, in no order.
pub const PARTS: HasMany<Task, Task> =
    HasMany::new("tasks.parent_task_id", |task: &Task| task.parent_task_id);

/// The task that a task is a part of.
pub const PARENT: BelongsTo<Task, Task> = BelongsTo::new(|task: &Task| task.parent_task_id);

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
/// [`Error::Refused`](crate::Error::Refused) by a constraint ([`Error::constraint`](crate::Error::constraint) names it, for instance `tasks_unique_key_idx`),
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn insert<'c>(conn: &'c mut PgConnection, new: &'c NewTask) -> Answer<'c, Task> {
    repository::insert(conn, new)
}

/// The task with this key, or `None`.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn get<'c>(conn: &'c mut PgConnection, id: TaskId) -> Answer<'c, Option<Task>> {
    repository::get(conn, &id)
}

/// The tasks that the filter names, newest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn list<'c>(conn: &'c mut PgConnection, filter: &TaskFilter) -> Answer<'c, Vec<Task>> {
    repository::find(conn, |tasks| filter.apply(tasks))
}

impl TaskFilter {
    fn apply(&self, mut tasks: Select) -> Select {
        if let Some(status) = self.status {
            tasks = tasks.filter(col("status").eq_to(constant(status.as_str())));
        }
        if let Some(queue) = &self.queue {
            tasks = tasks.filter(col("queue").eq(queue));
        }
        if let Some(kind) = &self.kind {
            tasks = tasks.filter(col("kind").eq(kind));
        }
        if let Some(assigned_to) = &self.assigned_to {
            tasks = tasks.filter(col("assigned_to").eq(assigned_to));
        }
        if let Some(parent) = self.parent_task_id {
            tasks = tasks.filter(col("parent_task_id").eq(parent));
        }
        if let Some((time, id)) = self.before {
            let last = row_of((value(time), value(id)));
            tasks = tasks.filter(row_of((col("created_at"), col("id"))).cmp_to(Op::Lt, last));
        }
        tasks.order_by(desc("created_at")).order_by(desc("id")).limit(self.limit.into())
    }
}

/// How many tasks stand where; a status without tasks is left out. Reads the whole table.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn count_by_status<'c>(conn: &'c mut PgConnection) -> Answer<'c, Vec<(TaskStatus, i64)>> {
    let call = Call::new::<Task>("count");
    let statement = Select::from("tasks")
        .columns(("status", count_all().alias("tasks")))
        .group_by(&["status"])
        .order_by(asc("status"))
        .build();
    Box::pin(async move { call.decode(&call.rows(conn, statement).await?) })
}

/// Changes the status of one task, with all columns that go with it, and returns the row.
///
/// An illegal change is found before the row is touched, so the caller's transaction stays usable.
///
/// # Errors
/// [`Error::Transition`](crate::Error::Transition) when the new status may not follow, [`Error::NotFound`](crate::Error::NotFound) without such a task,
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn set_status<'c>(conn: &'c mut PgConnection, id: TaskId, change: &StatusChange<'_>) -> Answer<'c, Task> {
    let to = change.to();
    let (worker, result) = match change {
        StatusChange::Start { worker, .. } => (Some(*worker), None),
        StatusChange::Complete { result } => (None, *result),
        StatusChange::Fail | StatusChange::Cancel | StatusChange::Requeue => (None, None),
    };
    repository::set_status_with(conn, &id, to, |tasks| {
        let mut tasks = tasks.set("claimed_by", worker).set("result", result);
        tasks = if to.is_final() {
            tasks.set_expr("completed_at", now())
        } else {
            tasks.set("completed_at", None::<DateTime<Utc>>)
        };
        let StatusChange::Start { lease, .. } = change else {
            return tasks.set("lease_expires_at", None::<DateTime<Utc>>);
        };
        let lease = make_interval(value(lease.as_secs_f64()));
        tasks
            .set_expr("lease_expires_at", clock_timestamp() + lease)
            .set_expr("lease_token", col("lease_token") + constant(1))
            .set_expr("attempts", col("attempts") + constant(1))
            .set_expr("started_at", now())
    })
}
