//! Errors met while working, kept for people and for recovery.

use crate::text_enum::text_enum;
use crate::{Error, ErrorLogId, ExecutionId, TaskId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};

text_enum! {
    /// Where an error came from.
    pub enum ErrorType {
        /// A database.
        Database = "database",
        /// A service that was called.
        Api = "api",
        /// Input that was refused.
        Validation = "validation",
        /// The network.
        Network = "network",
        /// A deadline that passed.
        Timeout = "timeout",
        /// Somebody who could not prove who they are.
        Authentication = "authentication",
        /// Somebody who may not do what they asked for.
        Authorization = "authorization",
        /// All else: disk, memory, operating system, defects.
        System = "system",
    }
}

/// A row of `error_logs`.
#[derive(Clone, Debug, PartialEq, FromRow, Serialize, Deserialize)]
pub struct ErrorLog {
    /// Key.
    pub id: ErrorLogId,
    /// The task, while there is one.
    pub task_id: Option<TaskId>,
    /// The execution, while there is one.
    pub execution_id: Option<ExecutionId>,
    /// Where it came from.
    pub error_type: ErrorType,
    /// What was said.
    pub error_message: Option<String>,
    /// Where in the code.
    pub error_stack: Option<String>,
    /// What else is known.
    pub context: Value,
    /// How often recovery was tried.
    pub recovery_attempts: i32,
    /// Whether nobody needs to look at it any more.
    pub resolved: bool,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

macro_rules! columns {
    () => {
        "id, task_id, execution_id, error_type, error_message, error_stack, context, recovery_attempts, resolved, \
         created_at"
    };
}

/// An error to insert, unresolved.
#[derive(Clone, Debug, PartialEq)]
pub struct NewErrorLog {
    /// Key.
    pub id: ErrorLogId,
    /// The task it stopped.
    pub task_id: Option<TaskId>,
    /// The execution it stopped; insert that first.
    pub execution_id: Option<ExecutionId>,
    /// Where it came from.
    pub error_type: ErrorType,
    /// What was said; no secrets.
    pub error_message: Option<String>,
    /// Where in the code.
    pub error_stack: Option<String>,
    /// What else is known; no secrets.
    pub context: Value,
}

impl NewErrorLog {
    /// An error of this type that belongs to no task.
    #[must_use]
    pub fn new(error_type: ErrorType, message: impl Into<String>) -> Self {
        Self {
            id: ErrorLogId::generate(),
            task_id: None,
            execution_id: None,
            error_type,
            error_message: Some(message.into()),
            error_stack: None,
            context: json!({}),
        }
    }
}

/// Which errors to list; what is `None` is not asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorLogFilter {
    /// Where they came from.
    pub error_type: Option<ErrorType>,
    /// The task they stopped.
    pub task_id: Option<TaskId>,
    /// Whether they are resolved.
    pub resolved: Option<bool>,
    /// At most so many; 100 unless told.
    pub limit: u16,
}

impl Default for ErrorLogFilter {
    fn default() -> Self {
        Self { error_type: None, task_id: None, resolved: None, limit: 100 }
    }
}

/// Inserts all of them in one statement, and returns how many there were.
///
/// # Errors
/// [`Error::Database`] when a constraint refuses a row, which refuses them all, or the server cannot be asked.
pub async fn insert_many(conn: &mut PgConnection, new: &[NewErrorLog]) -> Result<u64, Error> {
    let done = sqlx::query(
        "INSERT INTO error_logs (id, task_id, execution_id, error_type, error_message, error_stack, context) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::jsonb[])",
    )
    .bind(new.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.task_id).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.execution_id).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.error_type.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.error_message.as_deref()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.error_stack.as_deref()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| &row.context).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(Error::during("insert errors"))?;
    Ok(done.rows_affected())
}

/// The errors that the filter names, newest first.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn list(conn: &mut PgConnection, filter: &ErrorLogFilter) -> Result<Vec<ErrorLog>, Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM error_logs \
         WHERE ($1::text IS NULL OR error_type = $1) \
           AND ($2::uuid IS NULL OR task_id = $2) \
           AND ($3::bool IS NULL OR resolved = $3) \
         ORDER BY created_at DESC, id DESC LIMIT $4"
    ))
    .bind(filter.error_type)
    .bind(filter.task_id)
    .bind(filter.resolved)
    .bind(i64::from(filter.limit))
    .fetch_all(conn)
    .await
    .map_err(Error::during("list errors"))
}
