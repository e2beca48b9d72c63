//! What the demonstration asks the database besides running tasks.

use super::plan::{FILE, Known, Seen};
use chrono::{DateTime, Utc};
use db_model::TaskStatus;
use db_query::{BuildError, Select, col, count_all, desc};
use serde::Serialize;
use sqlx::{Executor, FromRow, PgConnection};
use std::collections::{BTreeMap, HashMap};

/// An error of a query here.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused it or could not be asked.
    #[error("the database cannot be asked")]
    Database(#[from] sqlx::Error),
    /// A row could not be written or read.
    #[error("the analyses cannot be read")]
    Model(#[from] db_model::Error),
    /// A statement of ours is wrong.
    #[error("a statement cannot be built")]
    Build(#[from] BuildError),
}

/// A file of the final table.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct TopFile {
    /// Below the root.
    pub file_path: String,
    /// Its package.
    pub package: String,
    /// Its language, where known.
    pub language: Option<String>,
    /// All lines.
    pub lines: i32,
    /// Functions.
    pub functions: i32,
    /// Deepest nesting.
    pub max_nesting: i32,
    /// Sum of the functions' complexity.
    pub complexity: i32,
    /// How it was measured.
    pub method: String,
}

/// Takes the demonstration for this session; `false` when another has it. It ends with the connection.
pub(crate) async fn try_lock(conn: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended('cairn demo', 0))")
        .fetch_one(conn)
        .await?)
}

/// Drops tasks that an interrupted run has left waiting: they are planned anew from what the tree is like now.
pub(crate) async fn drop_waiting(conn: &mut PgConnection, queue: &str) -> Result<u64, StoreError> {
    let dropped =
        sqlx::query("DELETE FROM tasks WHERE queue = $1 AND status = 'pending'").bind(queue).execute(conn);
    Ok(dropped.await?.rows_affected())
}

/// The files that need no second look: those that were measured, and those that were refused for what is in them. A
/// file that was too large is looked at again once the limit has passed its size.
pub(crate) async fn known(
    conn: &mut PgConnection,
    root: &str,
    queue: &str,
    max_file_size: u64,
) -> Result<Known, StoreError> {
    const MEASURED: &str =
        "SELECT file_path, size_bytes, modified_ns, package FROM code_analysis WHERE root = $1";
    const REFUSED: &str = "SELECT DISTINCT ON (title) title, (requirements->>'size')::bigint, \
             (requirements->>'modified_ns')::bigint, requirements->>'package' \
         FROM tasks JOIN error_logs ON error_logs.task_id = tasks.id \
         WHERE queue = $1 AND kind = $2 AND status = 'failed' \
             AND (error_type = 'validation' OR (requirements->>'size')::bigint > $3) \
         ORDER BY title, tasks.completed_at DESC";
    let measured: Vec<(String, i64, i64, String)> =
        sqlx::query_as(MEASURED).bind(root).fetch_all(&mut *conn).await?;
    let refused: Vec<(String, i64, i64, String)> = sqlx::query_as(REFUSED)
        .bind(queue)
        .bind(FILE)
        .bind(i64::try_from(max_file_size).unwrap_or(i64::MAX))
        .fetch_all(conn)
        .await?;
    let mut files = HashMap::with_capacity(measured.len() + refused.len());
    // Measures are forgotten when a file is looked at again, so where there are some they are newer than a refusal.
    for (path, size_bytes, modified_ns, package) in measured.into_iter().chain(refused) {
        files.entry(path).or_insert(Seen { size_bytes, modified_ns, package });
    }
    Ok(Known { files })
}

/// Forgets files that are no more, or that are about to be looked at again.
pub(crate) async fn forget(conn: &mut PgConnection, root: &str, paths: &[String]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM code_analysis WHERE root = $1 AND file_path = ANY($2)")
        .bind(root)
        .bind(paths)
        .execute(conn)
        .await?;
    Ok(())
}

/// The most complex files, the worst first.
pub(crate) async fn top(conn: &mut PgConnection, root: &str, files: u32) -> Result<Vec<TopFile>, StoreError> {
    let statement = Select::from("code_analysis")
        .columns([
            "file_path",
            "package",
            "language",
            "lines",
            "functions",
            "max_nesting",
            "complexity",
            "method",
        ])
        .filter(col("root").eq(root))
        .filter(col("complexity").gt(0_i32))
        .order_by(desc("complexity"))
        .order_by(db_query::asc("file_path"))
        .limit(files)
        .build()?;
    let rows = conn.fetch_all(statement).await?;
    Ok(rows.iter().map(TopFile::from_row).collect::<Result<_, _>>()?)
}

/// How many tasks of the queue stand where, over all runs; every status has a number.
pub(crate) async fn by_status(
    conn: &mut PgConnection,
    queue: &str,
) -> Result<BTreeMap<&'static str, i64>, StoreError> {
    let statement = Select::from("tasks")
        .columns(("status", count_all().alias("n")))
        .filter(col("queue").eq(queue))
        .group_by(&["status"])
        .build()?;
    let mut counts: BTreeMap<&'static str, i64> =
        TaskStatus::ALL.iter().map(|status| (status.as_str(), 0)).collect();
    for row in conn.fetch_all(statement).await? {
        let (status, n): (TaskStatus, i64) = FromRow::from_row(&row)?;
        counts.insert(status.as_str(), n);
    }
    Ok(counts)
}

/// Failures since a time, as title and reason.
pub(crate) async fn failures(
    conn: &mut PgConnection,
    queue: &str,
    since: DateTime<Utc>,
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT title, coalesce(error_message, '') FROM tasks JOIN error_logs ON error_logs.task_id = tasks.id \
         WHERE queue = $1 AND status = 'failed' AND error_logs.created_at >= $2 ORDER BY title",
    )
    .bind(queue)
    .bind(since)
    .fetch_all(conn)
    .await?)
}
