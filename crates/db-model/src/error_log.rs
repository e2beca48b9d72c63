//! Errors met while working, kept for people and for recovery.

use crate::{Answer, ErrorLogId, ExecutionId, TaskId, entity, repository, text_enum};
use chrono::{DateTime, Utc};
use db_query::{col, desc};
use serde_json::{Value, json};
use sqlx::PgConnection;

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

entity! {
    /// A row of `error_logs`.
    pub struct ErrorLog in "error_logs";
    /// An error to insert; no secrets.
    struct NewErrorLog;

    id {
        /// Key.
        id: ErrorLogId,
    }
    required {
        /// Where it came from.
        error_type: ErrorType,
    }
    optional {
        /// The task, while there is one.
        task_id: TaskId,
        /// The execution, while there is one; insert that first.
        execution_id: ExecutionId,
        /// What was said.
        error_message: String,
        /// Where in the code.
        error_stack: String,
    }
    default {
        /// What else is known.
        context: Value = json!({}),
        /// How often recovery was tried.
        recovery_attempts: i32 = 0,
        /// Whether nobody needs to look at it any more.
        resolved: bool = false,
    }
    database {
        /// When it was written.
        created_at: DateTime<Utc>,
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

/// Inserts all of them, and returns how many there were.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) when a constraint refuses a row, which refuses them all, [`Error::Database`](crate::Error::Database) when the server cannot
/// be asked.
#[track_caller]
pub fn insert_many<'c>(conn: &'c mut PgConnection, new: &'c [NewErrorLog]) -> Answer<'c, u64> {
    repository::insert_many(conn, new)
}

/// The errors that the filter names, newest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn list<'c>(conn: &'c mut PgConnection, filter: &ErrorLogFilter) -> Answer<'c, Vec<ErrorLog>> {
    repository::find(conn, |mut errors| {
        if let Some(error_type) = filter.error_type {
            errors = errors.filter(col("error_type").eq(error_type));
        }
        if let Some(task_id) = filter.task_id {
            errors = errors.filter(col("task_id").eq(task_id));
        }
        errors = match filter.resolved {
            Some(true) => errors.filter(col("resolved").holds()),
            // As the partial index has it.
            Some(false) => errors.filter(!col("resolved").holds()),
            None => errors,
        };
        errors.order_by(desc("created_at")).order_by(desc("id")).limit(filter.limit.into())
    })
}
