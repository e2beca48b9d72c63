//! Ending a claim: completed, failed, tried again, or given back untouched.

use crate::{Claimed, Error};
use chrono::{DateTime, Utc};
use db_model::{
    ErrorLogId, ErrorType, ExecutionId, ExecutionStatus, TaskId, TaskStatus,
    error_log::{self, NewErrorLog},
    execution::{self, NewExecution},
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
    sqlx::query_scalar(
        "WITH ended AS MATERIALIZED ( \
             SELECT tasks.id, new.status, new.result, new.delay, new.released \
             FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::jsonb[], $5::float8[], $6::bool[]) \
                 AS new (id, token, status, result, delay, released) \
             JOIN tasks USING (id) \
             WHERE tasks.status = 'in_progress' AND tasks.lease_token = new.token \
             ORDER BY tasks.id FOR UPDATE OF tasks) \
         UPDATE tasks SET status = ended.status, result = ended.result, claimed_by = NULL, \
             lease_expires_at = NULL, attempts = attempts - ended.released::int, \
             run_after = CASE WHEN ended.delay IS NULL THEN run_after \
                              ELSE clock_timestamp() + make_interval(secs => ended.delay) END, \
             completed_at = CASE WHEN ended.status <> 'pending' THEN clock_timestamp() END, \
             updated_at = clock_timestamp() \
         FROM ended WHERE tasks.id = ended.id RETURNING tasks.id",
    )
    .bind(outcomes.iter().map(|outcome| outcome.task.id).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|outcome| outcome.task.lease_token).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|outcome| outcome.ending.status().as_str()).collect::<Vec<_>>())
    .bind(outcomes.iter().map(result).collect::<Vec<_>>())
    .bind(outcomes.iter().map(delay).collect::<Vec<_>>())
    .bind(outcomes.iter().map(|outcome| outcome.ending == Ending::Released).collect::<Vec<_>>())
    .fetch_all(conn)
    .await
    .map_err(Error::during("settle tasks"))
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
                ..NewErrorLog::new(error_type, message)
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
    sqlx::query(
        "WITH told AS ( \
             UPDATE task_dependencies SET told = true \
             WHERE NOT told AND (depends_on = ANY($1) OR (depends_on = ANY($2) AND on_failure = 'continue')) \
             RETURNING task_id), \
         counted AS (SELECT task_id, count(*)::int AS n FROM told GROUP BY task_id), \
         waiting AS MATERIALIZED ( \
             SELECT tasks.id, counted.n FROM counted JOIN tasks ON tasks.id = counted.task_id \
             ORDER BY tasks.id FOR UPDATE OF tasks) \
         UPDATE tasks SET waiting_on = waiting_on - waiting.n, updated_at = clock_timestamp() \
         FROM waiting WHERE tasks.id = waiting.id",
    )
    .bind(completed)
    .bind(unsuccessful)
    .execute(conn)
    .await
    .map_err(Error::during("make waiting tasks ready"))?;
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
    sqlx::query_scalar(
        "WITH RECURSIVE blocked (id) AS ( \
             SELECT task_id FROM task_dependencies WHERE depends_on = ANY($1) AND on_failure = 'block' \
             UNION \
             SELECT task_id FROM task_dependencies JOIN blocked ON depends_on = blocked.id \
             WHERE on_failure = 'block'), \
         locked AS MATERIALIZED ( \
             SELECT tasks.id FROM tasks JOIN blocked USING (id) \
             WHERE tasks.status = 'pending' ORDER BY tasks.id FOR UPDATE OF tasks) \
         UPDATE tasks SET status = 'cancelled', completed_at = clock_timestamp(), updated_at = clock_timestamp() \
         FROM locked WHERE tasks.id = locked.id RETURNING tasks.id",
    )
    .bind(failed)
    .fetch_all(conn)
    .await
    .map_err(Error::during("cancel what depends on a failed task"))
}
