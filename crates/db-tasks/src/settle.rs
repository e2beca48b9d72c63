//! Ending a claim: completed, failed, tried again, or given back untouched.

use crate::{
    Claimed, Error, OnFailure,
    statement::{changed, scalars},
};
use chrono::{DateTime, Utc};
use db_model::{
    ErrorLogId, ErrorType, ExecutionId, ExecutionStatus, TaskId, TaskStatus,
    error_log::{self, NewErrorLog},
    execution::{self, NewExecution},
};
use db_query::{
    Lock, SqlType, Update, asc, case, clock_timestamp, col, constant, constant_null, count_all, cte,
    make_interval, unnest,
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::{collections::HashSet, time::Duration};

/// How one claim ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The claim.
    pub task: Claimed,
    /// How it ended.
    pub ending: Ending,
    /// When the handler began; when it never did, the time of the ending.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
}

/// How a claim ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The work is done.
    Completed {
        /// What is kept in the task's `result`.
        result: Option<Value>,
    },
    /// The work failed, for good.
    Failed {
        /// Where the error came from.
        error_type: ErrorType,
        /// What went wrong; no secrets.
        message: String,
    },
    /// The work failed, and is tried again after a while.
    Retry {
        /// Where the error came from.
        error_type: ErrorType,
        /// What went wrong; no secrets.
        message: String,
        /// How long from now.
        after: Duration,
    },
    /// The work was never begun: the claim does not count as an attempt.
    Released,
}

impl Ending {
    fn status(&self) -> TaskStatus {
        match self {
            Self::Completed { .. } => TaskStatus::Completed,
            Self::Failed { .. } => TaskStatus::Failed,
            Self::Retry { .. } | Self::Released => TaskStatus::Pending,
        }
    }

    fn error(&self) -> Option<(ErrorType, &str)> {
        match self {
            Self::Failed { error_type, message } | Self::Retry { error_type, message, .. } => {
                Some((*error_type, message))
            }
            Self::Completed { .. } | Self::Released => None,
        }
    }
}

/// What became of outcomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Tasks whose outcome was written.
    pub written: HashSet<TaskId>,
    /// Tasks that had been taken over by another worker; nothing was written for them.
    pub lost: Vec<TaskId>,
    /// Tasks that were cancelled because one they depend on failed.
    pub cancelled: u64,
}

/// Writes outcomes, an execution and where due an error each, and makes ready what waited for them. Call it in a
/// transaction, together with whatever belongs to the outcome.
///
/// # Errors
/// [`Error::Database`] or [`Error::Model`]; the caller's transaction must then be rolled back.
pub async fn settle(conn: &mut PgConnection, worker: &str, outcomes: &[Outcome]) -> Result<Settled, Error> {
    if outcomes.is_empty() {
        return Ok(Settled::default());
    }
    let written: HashSet<TaskId> = write(conn, outcomes).await?.into_iter().collect();
    let ours: Vec<&Outcome> = outcomes.iter().filter(|outcome| written.contains(&outcome.task.id)).collect();
    trace(conn, worker, &ours).await?;
    let ended = |status: TaskStatus| -> Vec<TaskId> {
        ours.iter()
            .filter(|outcome| outcome.ending.status() == status)
            .map(|outcome| outcome.task.id)
            .collect()
    };
    let cancelled = tell_dependants(conn, &ended(TaskStatus::Completed), &ended(TaskStatus::Failed)).await?;
    let lost = outcomes.iter().map(|outcome| outcome.task.id).filter(|id| !written.contains(id)).collect();
    Ok(Settled { written, lost, cancelled })
}

/// Changes the tasks whose lease is still ours, and answers with them.
async fn write(conn: &mut PgConnection, outcomes: &[Outcome]) -> Result<Vec<TaskId>, Error> {
    let delay = |outcome: &Outcome| match &outcome.ending {
        Ending::Retry { after, .. } => Some(after.as_secs_f64()),
        _ => None,
    };
    let result = |outcome: &Outcome| match &outcome.ending {
        Ending::Completed { result } => result.clone(),
        _ => None,
    };
    let is_open = || col("ended.status").eq_to(constant(TaskStatus::Pending.as_str()));
    let statement = Update::table("tasks")
        .with(cte("ended").materialized(), |q| {
            q.from(unnest("new", |arrays| {
                arrays
                    .column("id", column(outcomes, |outcome| outcome.task.id))
                    .column("token", column(outcomes, |outcome| outcome.task.lease_token))
                    .column("status", column(outcomes, |outcome| outcome.ending.status().as_str()))
                    .column("result", column(outcomes, result))
                    .column("delay", column(outcomes, delay))
                    .column("released", column(outcomes, |outcome| outcome.ending == Ending::Released));
            }))
            .columns(["tasks.id", "new.status", "new.result", "new.delay", "new.released"])
            .join_using("tasks", &["id"])
            .filter(col("tasks.status").eq_to(constant(TaskStatus::InProgress.as_str())))
            .filter(col("tasks.lease_token").eq_col("new.token"))
            .order_by(asc("tasks.id"))
            .lock(Lock::for_update().of(&["tasks"]))
        })
        .set_expr("status", col("ended.status"))
        .set_expr("result", col("ended.result"))
        .set_expr("claimed_by", constant_null())
        .set_expr("lease_expires_at", constant_null())
        .set_expr("attempts", col("attempts") - col("ended.released").cast(SqlType::Int4))
        .set_expr(
            "run_after",
            case(col("ended.delay").is_null(), col("run_after"))
                .otherwise(clock_timestamp() + make_interval(col("ended.delay"))),
        )
        .set_expr("completed_at", case(!is_open(), clock_timestamp()).end())
        .set_expr("updated_at", clock_timestamp())
        .from("ended")
        .filter(col("tasks.id").eq_col("ended.id"))
        .returning(["tasks.id"])
        .build();
    scalars(conn, "settle tasks", statement).await
}

fn column<'a, T>(outcomes: &'a [Outcome], pick: impl Fn(&'a Outcome) -> T) -> Vec<T> {
    outcomes.iter().map(pick).collect()
}

/// Writes an execution for each attempt, and an error for each that failed.
async fn trace(conn: &mut PgConnection, worker: &str, outcomes: &[&Outcome]) -> Result<(), Error> {
    let mut executions = Vec::with_capacity(outcomes.len());
    let mut errors = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.ending != Ending::Released) {
        let id = ExecutionId::generate();
        let error = outcome.ending.error();
        let details =
            error.map(|(error_type, message)| json!({ "type": error_type.as_str(), "message": message }));
        executions.push(NewExecution {
            id,
            status: if error.is_some() { ExecutionStatus::Failed } else { ExecutionStatus::Completed },
            error_details: details,
            attempt: outcome.task.attempts,
            worker: Some(worker.to_owned()),
            queued_at: Some(outcome.task.run_after),
            started_at: Some(outcome.started_at),
            completed_at: Some(outcome.ended_at),
            ..NewExecution::new(outcome.task.id, outcome.task.kind.clone())
        });
        if let Some((error_type, message)) = error {
            errors.push(NewErrorLog {
                id: ErrorLogId::generate(),
                task_id: Some(outcome.task.id),
                execution_id: Some(id),
                context: json!({ "task": outcome.task.title, "attempt": outcome.task.attempts }),
                ..NewErrorLog::new(error_type).error_message(message)
            });
        }
    }
    if !executions.is_empty() {
        execution::insert_many(conn, &executions).await?;
    }
    if !errors.is_empty() {
        error_log::insert_many(conn, &errors).await?;
    }
    Ok(())
}

/// Makes ready what waited only for these, and cancels what cannot run any more; answers with how many that were.
///
/// It must be a statement of its own after the one that settled the tasks, so that it sees edges that were committed
/// while that one waited for its rows.
pub(crate) async fn tell_dependants(
    conn: &mut PgConnection,
    completed: &[TaskId],
    failed: &[TaskId],
) -> Result<u64, Error> {
    if completed.is_empty() && failed.is_empty() {
        return Ok(0);
    }
    let cancelled = cancel_blocked(conn, failed).await?;
    let unsuccessful: Vec<TaskId> = failed.iter().chain(&cancelled).copied().collect();
    let statement = Update::table("tasks")
        .with("told", |q| {
            q.update("task_dependencies")
                .set("told", true)
                .filter(!col("told").holds())
                .filter(
                    col("depends_on").any(completed.to_vec()).or(col("depends_on")
                        .any(unsuccessful)
                        .and(col("on_failure").eq_to(constant(OnFailure::Continue.as_str())))),
                )
                .returning(["task_id"])
        })
        .with("counted", |q| {
            q.from("told")
                .columns(("task_id", count_all().cast(SqlType::Int4).alias("n")))
                .group_by(&["task_id"])
        })
        .with(cte("waiting").materialized(), |q| {
            q.from("counted")
                .columns(["tasks.id", "counted.n"])
                .join("tasks", col("tasks.id").eq_col("counted.task_id"))
                .order_by(asc("tasks.id"))
                .lock(Lock::for_update().of(&["tasks"]))
        })
        .set_expr("waiting_on", col("waiting_on") - col("waiting.n"))
        .set_expr("updated_at", clock_timestamp())
        .from("waiting")
        .filter(col("tasks.id").eq_col("waiting.id"))
        .build();
    changed(conn, "make waiting tasks ready", statement).await?;
    Ok(cancelled.len() as u64)
}

/// Cancels all that waits, directly or not, for a success that will not come. It looks again until nothing is left: while
/// it waited for a row, somebody may have committed another task that waits for that one.
async fn cancel_blocked(conn: &mut PgConnection, failed: &[TaskId]) -> Result<Vec<TaskId>, Error> {
    let mut cancelled = Vec::new();
    let mut latest = failed.to_vec();
    while !latest.is_empty() {
        latest = cancel_pass(conn, &latest).await?;
        cancelled.extend_from_slice(&latest);
    }
    Ok(cancelled)
}

async fn cancel_pass(conn: &mut PgConnection, failed: &[TaskId]) -> Result<Vec<TaskId>, Error> {
    let blocks = || col("on_failure").eq_to(constant(OnFailure::Block.as_str()));
    let statement = Update::table("tasks")
        .with(cte("blocked").columns(&["id"]).recursive(), |q| {
            q.from("task_dependencies")
                .columns(["task_id"])
                .filter(col("depends_on").any(failed.to_vec()))
                .filter(blocks())
                .union(|q| {
                    q.from("task_dependencies")
                        .columns(["task_id"])
                        .join("blocked", col("depends_on").eq_col("blocked.id"))
                        .filter(blocks())
                })
        })
        .with(cte("locked").materialized(), |q| {
            q.from("tasks")
                .columns(["tasks.id"])
                .join_using("blocked", &["id"])
                .filter(col("tasks.status").eq_to(constant(TaskStatus::Pending.as_str())))
                .order_by(asc("tasks.id"))
                .lock(Lock::for_update().of(&["tasks"]))
        })
        .set_expr("status", constant(TaskStatus::Cancelled.as_str()))
        .set_expr("completed_at", clock_timestamp())
        .set_expr("updated_at", clock_timestamp())
        .from("locked")
        .filter(col("tasks.id").eq_col("locked.id"))
        .returning(["tasks.id"])
        .build();
    scalars(conn, "cancel what depends on a failed task", statement).await
}
