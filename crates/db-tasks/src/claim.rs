//! Taking tasks from the queue, keeping them, and taking back what dead workers hold.

use crate::Error;
use chrono::{DateTime, Utc};
use db_model::{Priority, TaskId};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use std::time::Duration;

/// Which tasks to claim, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The queue.
    pub queue: &'a str,
    /// Who claims; shown in `claimed_by`.
    pub worker: &'a str,
    /// At most so many.
    pub limit: u32,
    /// How long the claim holds unless it is extended.
    pub lease: Duration,
}

/// A task that is ours until its lease ends.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Claimed {
    /// The task.
    pub id: TaskId,
    /// What is to be done, in one line.
    pub title: String,
    /// Which handler code it is for.
    pub kind: String,
    /// What the handler needs to know.
    pub requirements: Value,
    /// How urgent it is.
    pub priority: Priority,
    /// Which attempt this is, from 1.
    pub attempts: i32,
    /// After how many it is given up.
    pub max_attempts: i32,
    /// Must be brought along with every write about this task.
    pub lease_token: i64,
    /// Since when it could have been claimed, as far as its own time goes.
    pub run_after: DateTime<Utc>,
}

/// Claims ready tasks, the most urgent first and among equals the oldest. Tasks that another transaction is claiming
/// are passed over, so claimers never wait for each other.
///
/// # Errors
/// [`Error::Database`].
pub async fn claim(conn: &mut PgConnection, claim: &Claim<'_>) -> Result<Vec<Claimed>, Error> {
    let mut claimed: Vec<Claimed> = sqlx::query_as(
        "WITH next AS MATERIALIZED ( \
             SELECT id FROM tasks \
             WHERE queue = $1 AND status = 'pending' AND waiting_on = 0 AND run_after <= now() \
             ORDER BY priority DESC, run_after, id LIMIT $2 FOR UPDATE SKIP LOCKED) \
         UPDATE tasks SET status = 'in_progress', claimed_by = $3, lease_token = lease_token + 1, \
             lease_expires_at = clock_timestamp() + make_interval(secs => $4), attempts = attempts + 1, \
             started_at = clock_timestamp(), updated_at = clock_timestamp() \
         FROM next WHERE tasks.id = next.id \
         RETURNING tasks.id, title, kind, requirements, priority, attempts, max_attempts, lease_token, run_after",
    )
    .bind(claim.queue)
    .bind(i64::from(claim.limit))
    .bind(claim.worker)
    .bind(claim.lease.as_secs_f64())
    .fetch_all(conn)
    .await
    .map_err(Error::during("claim tasks"))?;
    // An UPDATE returns rows in no order.
    claimed.sort_by(|a, b| (b.priority, a.run_after, a.id).cmp(&(a.priority, b.run_after, b.id)));
    Ok(claimed)
}

/// Extends leases; answers with the tasks that are still ours. One that is missing was taken over.
///
/// # Errors
/// [`Error::Database`].
pub async fn extend(
    conn: &mut PgConnection,
    held: &[(TaskId, i64)],
    lease: Duration,
) -> Result<Vec<TaskId>, Error> {
    let (ids, tokens): (Vec<TaskId>, Vec<i64>) = held.iter().copied().unzip();
    sqlx::query_scalar(
        "UPDATE tasks SET lease_expires_at = clock_timestamp() + make_interval(secs => $3) \
         FROM unnest($1::uuid[], $2::bigint[]) AS held (id, token) \
         WHERE tasks.id = held.id AND status = 'in_progress' AND lease_token = held.token RETURNING tasks.id",
    )
    .bind(ids)
    .bind(tokens)
    .bind(lease.as_secs_f64())
    .fetch_all(conn)
    .await
    .map_err(Error::during("extend leases"))
}

/// Whose tasks are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaim {
    /// Those whose lease has ended.
    Expired,
    /// All that are in progress: right only for a caller who knows that no worker of the queue lives.
    All,
}

/// What was taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Tasks that wait again.
    pub requeued: u64,
    /// Tasks that have no attempt left, and failed.
    pub failed: u64,
}

/// Takes back tasks of a queue whose workers are gone. Each leaves a failed execution that says so. What depends on a
/// task that fails here is told of it like of any other failure.
///
/// # Errors
/// [`Error::Database`]. Call it in a transaction.
pub async fn reclaim(conn: &mut PgConnection, queue: &str, which: Reclaim) -> Result<Reclaimed, Error> {
    let rows: Vec<(TaskId, bool)> = sqlx::query_as(
        "WITH lost AS MATERIALIZED ( \
             SELECT id, attempts, claimed_by, started_at, run_after, attempts < max_attempts AS again FROM tasks \
             WHERE queue = $1 AND status = 'in_progress' AND ($2 OR lease_expires_at < now()) \
             ORDER BY id FOR UPDATE SKIP LOCKED), \
         traced AS ( \
             INSERT INTO task_executions (task_id, agent_type, status, error_details, attempt, worker, queued_at, \
                 started_at, completed_at) \
             SELECT id, 'worker', 'failed', jsonb_build_object('message', 'the worker was lost'), attempts, \
                 claimed_by, run_after, started_at, clock_timestamp() FROM lost) \
         UPDATE tasks SET status = CASE WHEN again THEN 'pending' ELSE 'failed' END, claimed_by = NULL, \
             lease_expires_at = NULL, completed_at = CASE WHEN again THEN NULL ELSE clock_timestamp() END, \
             updated_at = clock_timestamp() \
         FROM lost WHERE tasks.id = lost.id RETURNING tasks.id, again",
    )
    .bind(queue)
    .bind(which == Reclaim::All)
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::during("take back tasks"))?;
    let failed: Vec<TaskId> = rows.iter().filter(|&&(_, again)| !again).map(|&(id, _)| id).collect();
    crate::settle::tell_dependants(conn, &[], &failed).await?;
    Ok(Reclaimed { requeued: (rows.len() - failed.len()) as u64, failed: failed.len() as u64 })
}
