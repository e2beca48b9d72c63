//! Writing a plan into the queue.

use crate::{
    Edge, Error, Plan,
    settle::tell_dependants,
    statement::{changed, rows, scalars},
};
use db_model::{TaskId, TaskStatus, task::NewTask};
use db_query::{Insert, Lock, OnConflict, Select, Update, asc, coalesce, col, constant, now, unnest};
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};

/// Rows of one INSERT; arrays of this length stay well below a megabyte.
const CHUNK: usize = 1_000;

/// What became of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// Tasks that were inserted.
    pub tasks: u64,
    /// Tasks that were left out, because one with the same queue and unique key is pending or in progress.
    pub duplicates: u64,
    /// Dependencies that were inserted.
    pub edges: u64,
}

/// Inserts the plan's tasks and edges. Call it in a transaction: before the commit no worker sees any of it.
///
/// A task that is left out as a duplicate takes its edges with it: who depends on it does not wait for it. A task whose
/// dependency has failed or was cancelled already is treated as if that happened just now: cancelled, or ready.
///
/// # Errors
/// [`Error::UnknownDependency`] when an edge ends at a task that does not exist; [`Error::Database`]. The caller's
/// transaction must then be rolled back.
pub async fn enqueue(conn: &mut PgConnection, plan: &Plan) -> Result<Enqueued, Error> {
    let outside = lock_outside(conn, plan).await?;
    let planned: HashSet<TaskId> = plan.tasks().iter().map(|task| task.id).collect();
    // Every edge counts at first; what is settled already is told at the end, in the one way in which tasks are told.
    let mut waiting: HashMap<TaskId, i32> = HashMap::new();
    for edge in plan.edges() {
        *waiting.entry(edge.task).or_default() += 1;
    }
    let mut inserted = HashSet::with_capacity(plan.tasks().len());
    for chunk in plan.tasks().chunks(CHUNK) {
        inserted.extend(insert(conn, chunk, &waiting).await?);
    }
    let duplicates = plan.tasks().len() - inserted.len();
    if duplicates > 0 {
        release_from_duplicates(conn, plan, &inserted).await?;
    }
    let edges: Vec<Edge> = plan
        .edges()
        .iter()
        .filter(|edge| inserted.contains(&edge.task))
        .filter(|edge| !planned.contains(&edge.depends_on) || inserted.contains(&edge.depends_on))
        .copied()
        .collect();
    for chunk in edges.chunks(CHUNK) {
        insert_edges(conn, chunk).await?;
    }
    let with = |wanted: fn(TaskStatus) -> bool| -> Vec<TaskId> {
        outside.iter().filter(|&&(_, status)| wanted(status)).map(|&(id, _)| id).collect()
    };
    let completed = with(|status| status == TaskStatus::Completed);
    let failed = with(|status| matches!(status, TaskStatus::Failed | TaskStatus::Cancelled));
    tell_dependants(conn, &completed, &failed).await?;
    Ok(Enqueued { tasks: inserted.len() as u64, duplicates: duplicates as u64, edges: edges.len() as u64 })
}

/// The tasks that the plan waits for and that exist already, with where they stand. They are locked, so that none
/// settles before the caller commits: whoever settles one later sees our edges.
async fn lock_outside(conn: &mut PgConnection, plan: &Plan) -> Result<Vec<(TaskId, TaskStatus)>, Error> {
    let planned: HashSet<TaskId> = plan.tasks().iter().map(|task| task.id).collect();
    let outside: HashMap<TaskId, TaskId> = plan
        .edges()
        .iter()
        .filter(|edge| !planned.contains(&edge.depends_on))
        .map(|edge| (edge.depends_on, edge.task))
        .collect();
    if outside.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<TaskId> = outside.keys().copied().collect();
    let statement = Select::from("tasks")
        .columns(["id", "status"])
        .filter(col("id").any(ids))
        .order_by(asc("id"))
        .lock(Lock::for_share())
        .build();
    let found: Vec<(TaskId, TaskStatus)> =
        rows(conn, "lock the tasks that others wait for", statement).await?;
    let there: HashSet<TaskId> = found.iter().map(|&(id, _)| id).collect();
    match outside.iter().find(|(id, _)| !there.contains(id)) {
        Some((&missing, &task)) => Err(Error::UnknownDependency { task, missing }),
        None => Ok(found),
    }
}

async fn insert(
    conn: &mut PgConnection,
    tasks: &[NewTask],
    waiting: &HashMap<TaskId, i32>,
) -> Result<Vec<TaskId>, Error> {
    fn column<'a, T>(tasks: &'a [NewTask], pick: impl Fn(&'a NewTask) -> T) -> Vec<T> {
        tasks.iter().map(pick).collect()
    }
    const COLUMNS: [&str; 13] = [
        "id",
        "title",
        "description",
        "requirements",
        "metadata",
        "priority",
        "created_by",
        "assigned_to",
        "parent_task_id",
        "queue",
        "kind",
        "unique_key",
        "max_attempts",
    ];
    let all: Vec<&str> = COLUMNS.into_iter().chain(["run_after", "waiting_on"]).collect();
    let is_open = col("status")
        .eq_to(constant(TaskStatus::Pending.as_str()))
        .or(col("status").eq_to(constant(TaskStatus::InProgress.as_str())));
    let statement = Insert::into("tasks", &all)
        .from_query(|q| {
            q.from(unnest("new", |arrays| {
                arrays
                    .column("id", column(tasks, |task| task.id))
                    .column("title", column(tasks, |task| task.title.as_str()))
                    .column("description", column(tasks, |task| task.description.as_deref()))
                    .column("requirements", column(tasks, |task| &task.requirements))
                    .column("metadata", column(tasks, |task| &task.metadata))
                    .column("priority", column(tasks, |task| i16::from(task.priority.get())))
                    .column("created_by", column(tasks, |task| task.created_by.as_deref()))
                    .column("assigned_to", column(tasks, |task| task.assigned_to.as_deref()))
                    .column("parent_task_id", column(tasks, |task| task.parent_task_id))
                    .column("queue", column(tasks, |task| task.queue.as_str()))
                    .column("kind", column(tasks, |task| task.kind.as_str()))
                    .column("unique_key", column(tasks, |task| task.unique_key.as_deref()))
                    .column("max_attempts", column(tasks, |task| task.max_attempts))
                    .column("run_after", column(tasks, |task| task.run_after))
                    .column("waiting_on", column(tasks, |task| waiting.get(&task.id).copied().unwrap_or(0)));
            }))
            .columns(COLUMNS)
            .columns((coalesce((col("run_after"), now())).alias("run_after"), "waiting_on"))
        })
        .on_conflict(
            OnConflict::columns(&["queue", "unique_key"])
                .only(col("unique_key").is_not_null().and(is_open))
                .do_nothing(),
        )
        .returning(["id"])
        .build();
    scalars(conn, "enqueue tasks", statement).await
}

/// Takes back the wait for tasks that were not inserted after all.
async fn release_from_duplicates(
    conn: &mut PgConnection,
    plan: &Plan,
    inserted: &HashSet<TaskId>,
) -> Result<(), Error> {
    let left_out: HashSet<TaskId> =
        plan.tasks().iter().map(|task| task.id).filter(|id| !inserted.contains(id)).collect();
    let mut released: HashMap<TaskId, i32> = HashMap::new();
    for edge in plan.edges().iter().filter(|edge| left_out.contains(&edge.depends_on)) {
        *released.entry(edge.task).or_default() += 1;
    }
    let (ids, counts): (Vec<TaskId>, Vec<i32>) = released.into_iter().unzip();
    let statement = Update::table("tasks")
        .set_expr("waiting_on", col("waiting_on") - col("released.n"))
        .from(unnest("released", |arrays| {
            arrays.column("id", ids).column("n", counts);
        }))
        .filter(col("tasks.id").eq_col("released.id"))
        .build();
    changed(conn, "release tasks from duplicates", statement).await?;
    Ok(())
}

async fn insert_edges(conn: &mut PgConnection, edges: &[Edge]) -> Result<(), Error> {
    const COLUMNS: &[&str] = &["task_id", "depends_on", "on_failure"];
    let statement = Insert::into("task_dependencies", COLUMNS)
        .from_query(|q| {
            q.from(unnest("new", |arrays| {
                arrays
                    .column("task_id", edges.iter().map(|edge| edge.task).collect())
                    .column("depends_on", edges.iter().map(|edge| edge.depends_on).collect())
                    .column("on_failure", edges.iter().map(|edge| edge.on_failure.as_str()).collect());
            }))
            .columns(COLUMNS)
        })
        .build();
    changed(conn, "enqueue dependencies", statement).await?;
    Ok(())
}
