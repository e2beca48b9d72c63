//! What the demonstration asks the database besides running tasks.

use super::{
    handler::PackageSums,
    plan::{FILE, Known, Seen},
};
use chrono::{DateTime, Utc};
use db_model::{ErrorType, TaskStatus};
use db_query::{
    BuildError, Delete, Select, SqlType, Statement, asc, coalesce, col, constant, count_all, desc, func, sum,
};
use serde::Serialize;
use sqlx::{Executor, FromRow, PgConnection, Row, postgres::PgRow};
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
    let key = func("hashtextextended", (constant("cairn demo"), constant(0)));
    let statement = Select::of(func("pg_try_advisory_lock", key).alias("locked")).build()?;
    Ok(conn.fetch_one(statement).await?.try_get("locked")?)
}

/// Drops tasks that an interrupted run has left waiting: they are planned anew from what the tree is like now.
pub(crate) async fn drop_waiting(conn: &mut PgConnection, queue: &str) -> Result<u64, StoreError> {
    let pending = col("status").eq_to(constant(TaskStatus::Pending.as_str()));
    let statement = Delete::from("tasks").filter(col("queue").eq(queue)).filter(pending).build()?;
    Ok(conn.execute(statement).await?.rows_affected())
}

/// The files that need no second look: those that were measured, and those that were refused for what is in them. A
/// file that was too large is looked at again once the limit has passed its size.
pub(crate) async fn known(
    conn: &mut PgConnection,
    root: &str,
    queue: &str,
    max_file_size: u64,
) -> Result<Known, StoreError> {
    let measured = Select::from("code_analysis")
        .columns(["file_path", "size_bytes", "modified_ns", "package"])
        .filter(col("root").eq(root))
        .build()?;
    let measured: Vec<(String, i64, i64, String)> = rows(conn, measured).await?;
    let told = |key: &'static str| col("requirements").get_text(constant(key));
    let size = || told("size").cast(SqlType::Int8);
    let refused = Select::from("tasks")
        .distinct_on(&["title"])
        .columns((
            "title",
            size().alias("size_bytes"),
            told("modified_ns").cast(SqlType::Int8).alias("modified_ns"),
            told("package").alias("package"),
        ))
        .join("error_logs", col("error_logs.task_id").eq_col("tasks.id"))
        .filter(col("queue").eq(queue))
        .filter(col("kind").eq(FILE))
        .filter(col("status").eq_to(constant(TaskStatus::Failed.as_str())))
        .filter(
            col("error_type")
                .eq_to(constant(ErrorType::Validation.as_str()))
                .or(size().gt(i64::try_from(max_file_size).unwrap_or(i64::MAX))),
        )
        .order_by(asc("title"))
        .order_by(desc("tasks.completed_at"))
        .build()?;
    let refused: Vec<(String, i64, i64, String)> = rows(conn, refused).await?;
    let mut files = HashMap::with_capacity(measured.len() + refused.len());
    // Measures are forgotten when a file is looked at again, so where there are some they are newer than a refusal.
    for (path, size_bytes, modified_ns, package) in measured.into_iter().chain(refused) {
        files.entry(path).or_insert(Seen { size_bytes, modified_ns, package });
    }
    Ok(Known { files })
}

/// Forgets files that are no more, or that are about to be looked at again.
pub(crate) async fn forget(conn: &mut PgConnection, root: &str, paths: &[String]) -> Result<(), StoreError> {
    let statement = Delete::from("code_analysis")
        .filter(col("root").eq(root))
        .filter(col("file_path").any(paths.to_vec()))
        .build()?;
    conn.execute(statement).await?;
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
        .order_by(asc("file_path"))
        .limit(files)
        .build()?;
    rows(conn, statement).await
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
    for (status, n) in rows::<(TaskStatus, i64)>(conn, statement).await? {
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
    let statement = Select::from("tasks")
        .columns(("title", coalesce((col("error_message"), constant(""))).alias("message")))
        .join("error_logs", col("error_logs.task_id").eq_col("tasks.id"))
        .filter(col("queue").eq(queue))
        .filter(col("status").eq_to(constant(TaskStatus::Failed.as_str())))
        .filter(col("error_logs.created_at").ge(since))
        .order_by(asc("title"))
        .build()?;
    rows(conn, statement).await
}

/// Sums over the files of a package.
pub(crate) async fn package_sums(
    conn: &mut PgConnection,
    root: &str,
    package: &str,
) -> Result<PackageSums, StoreError> {
    let total = |column| coalesce((sum(col(column)), constant(0)));
    let statement = Select::from("code_analysis")
        .columns((
            count_all().alias("files"),
            total("lines").alias("lines"),
            total("functions").alias("functions"),
            total("complexity").alias("complexity"),
        ))
        .filter(col("root").eq(root))
        .filter(col("package").eq(package))
        .build()?;
    Ok(PackageSums::from_row(&conn.fetch_one(statement).await?)?)
}

async fn rows<T>(conn: &mut PgConnection, statement: Statement) -> Result<Vec<T>, StoreError>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    let rows = conn.fetch_all(statement).await?;
    Ok(rows.iter().map(T::from_row).collect::<Result<_, _>>()?)
}
