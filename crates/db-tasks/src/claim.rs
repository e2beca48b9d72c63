//! Taking tasks from the queue, keeping them, and taking back what dead workers hold.

use crate::Error;
use crate::statement::{changed, rows, scalars};
use chrono::{DateTime, Utc};
use db_model::{ExecutionStatus, Priority, TaskId, TaskStatus};
use db_query::{
    Condition, Expr, Lock, Op, Operand, Select, Update, asc, case, clock_timestamp, col, condition, constant,
    constant_null, cte, desc, func, make_interval, min, now, unnest, value,
};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use std::time::Duration;

/// What is noted of an execution whose worker was lost.
const TRACED: &[&str] = &[
    "task_id",
    "agent_type",
    "status",
    "error_details",
    "attempt",
    "worker",
    "queued_at",
    "started_at",
    "completed_at",
];

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
    let statement = Update::table("tasks")
        .with(cte("next").materialized(), |q| {
            q.from("tasks")
                .columns(["id"])
                .filter(col("queue").eq(claim.queue))
                .filter(has_status(TaskStatus::Pending))
                .filter(col("waiting_on").eq_to(constant(0)))
                .filter(col("run_after").cmp_to(Op::Le, now()))
                .order_by(desc("priority"))
                .order_by(asc("run_after"))
                .order_by(asc("id"))
                .limit(claim.limit)
                .lock(Lock::for_update().skip_locked())
        })
        .set_expr("status", constant(TaskStatus::InProgress.as_str()))
        .set("claimed_by", claim.worker)
        .set_expr("lease_token", col("lease_token") + constant(1))
        .set_expr("lease_expires_at", lease_end(claim.lease))
        .set_expr("attempts", col("attempts") + constant(1))
        .set_expr("started_at", clock_timestamp())
        .set_expr("updated_at", clock_timestamp())
        .from("next")
        .filter(col("tasks.id").eq_col("next.id"))
        .returning([
            "tasks.id",
            "title",
            "kind",
            "requirements",
            "priority",
            "attempts",
            "max_attempts",
            "lease_token",
            "run_after",
        ])
        .build();
    let mut claimed: Vec<Claimed> = rows(conn, "claim tasks", statement).await?;
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
    let statement = held_by_us(Update::table("tasks").set_expr("lease_expires_at", lease_end(lease)), held)
        .returning(["tasks.id"])
        .build();
    scalars(conn, "extend leases", statement).await
}

/// How many seconds until the next task of a queue may be claimed; `None` when none ever will be.
///
/// # Errors
/// [`Error::Database`].
pub(crate) async fn until_next(conn: &mut PgConnection, queue: &str) -> Result<Option<f64>, Error> {
    let left = func("date_part", (constant("epoch"), min(col("run_after")) - clock_timestamp()));
    let statement = Select::from("tasks")
        .columns(left.alias("seconds"))
        .filter(col("queue").eq(queue))
        .filter(has_status(TaskStatus::Pending))
        .filter(col("waiting_on").eq_to(constant(0)))
        .build();
    Ok(scalars(conn, "look for the next task", statement).await?.pop().flatten())
}

/// Gives back tasks that were never begun: the claims do not count as attempts. Answers with how many that were.
///
/// # Errors
/// [`Error::Database`].
pub(crate) async fn release(conn: &mut PgConnection, held: &[(TaskId, i64)]) -> Result<u64, Error> {
    let update = Update::table("tasks")
        .set_expr("status", constant(TaskStatus::Pending.as_str()))
        .set_expr("claimed_by", constant_null())
        .set_expr("lease_expires_at", constant_null())
        .set_expr("attempts", col("attempts") - constant(1))
        .set_expr("updated_at", clock_timestamp());
    changed(conn, "give back tasks", held_by_us(update, held).build()).await
}

/// Only tasks that are held under these tokens.
fn held_by_us(update: Update, held: &[(TaskId, i64)]) -> Update {
    let (ids, tokens): (Vec<TaskId>, Vec<i64>) = held.iter().copied().unzip();
    update
        .from(unnest("held", |arrays| {
            arrays.column("id", ids).column("token", tokens);
        }))
        .filter(col("tasks.id").eq_col("held.id"))
        .filter(has_status(TaskStatus::InProgress))
        .filter(col("lease_token").eq_col("held.token"))
}

/// A constant, as the partial indexes on the queue are about one status each.
fn has_status(status: TaskStatus) -> Condition<impl Expr> {
    col("status").eq_to(constant(status.as_str()))
}

/// By the server's clock, so that workers need not agree on the time.
fn lease_end(lease: Duration) -> Operand<impl Expr> {
    clock_timestamp() + make_interval(value(lease.as_secs_f64()))
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
    const ACTION: &str = "take back tasks";
    let ended = |q: Select| match which {
        Reclaim::Expired => q.filter(col("lease_expires_at").cmp_to(Op::Lt, now())),
        Reclaim::All => q,
    };
    let again = || col("again").holds();
    let statement = Update::table("tasks")
        .with(cte("lost").materialized(), |q| {
            let lost = q
                .from("tasks")
                .columns(["id", "attempts", "claimed_by", "started_at", "run_after"])
                .columns(condition(col("attempts").cmp_to(Op::Lt, col("max_attempts"))).alias("again"))
                .filter(col("queue").eq(queue))
                .filter(has_status(TaskStatus::InProgress))
                .order_by(asc("id"))
                .lock(Lock::for_update().skip_locked());
            ended(lost)
        })
        .with("traced", |q| {
            q.insert_into("task_executions", TRACED).from_query(|q| {
                q.from("lost").columns((
                    "id",
                    constant("worker").alias("agent_type"),
                    constant(ExecutionStatus::Failed.as_str()).alias("status"),
                    func("jsonb_build_object", (constant("message"), constant("the worker was lost")))
                        .alias("error_details"),
                    ["attempts", "claimed_by", "run_after", "started_at"],
                    clock_timestamp().alias("completed_at"),
                ))
            })
        })
        .set_expr(
            "status",
            case(again(), constant(TaskStatus::Pending.as_str()))
                .otherwise(constant(TaskStatus::Failed.as_str())),
        )
        .set_expr("claimed_by", constant_null())
        .set_expr("lease_expires_at", constant_null())
        .set_expr("completed_at", case(!again(), clock_timestamp()).end())
        .set_expr("updated_at", clock_timestamp())
        .from("lost")
        .filter(col("tasks.id").eq_col("lost.id"))
        .returning(["tasks.id", "again"])
        .build();
    let rows: Vec<(TaskId, bool)> = rows(conn, ACTION, statement).await?;
    let failed: Vec<TaskId> = rows.iter().filter(|&&(_, again)| !again).map(|&(id, _)| id).collect();
    crate::settle::tell_dependants(conn, &[], &failed).await?;
    Ok(Reclaimed { requeued: (rows.len() - failed.len()) as u64, failed: failed.len() as u64 })
}
