//! The seam to the work itself.

use crate::{Claimed, Ending, worker::backoff};
use db_core::BoxError;
use db_model::{ErrorType, TaskId};
use serde_json::Value;
use sqlx::PgConnection;
use std::{future::Future, sync::Arc};

/// Does the work of a task.
pub trait Handler: Send + Sync + 'static {
    /// What a run produces for [`Handler::store`].
    type Output: Send + 'static;

    /// Does the work. Called on a runtime's thread for one task at a time, up to the worker's concurrency at once; work
    /// that keeps a processor busy belongs on a blocking thread. A panic is a failure of the task, not of the worker.
    ///
    /// # Errors
    /// A [`Failure`], which says whether another attempt has a chance.
    ///
    /// # Cancel safety
    /// Dropped when the worker's grace ends or its future is dropped; the task is then run again by somebody.
    fn run(&self, task: &Claimed) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// Stores what runs have produced, in the transaction that completes their tasks: both happen or neither does.
    /// Called once a batch, with tasks whose lease still holds; after an error that the database may recover from, the
    /// transaction is rolled back and this is called again with the same outputs.
    ///
    /// # Errors
    /// Ends the worker; the tasks stay in progress until their lease ends. An error that is a `sqlx::Error` or
    /// `db_model::Error` is retried where its class allows.
    ///
    /// # Cancel safety
    /// A dropped future rolls the transaction back.
    fn store(
        &self,
        conn: &mut PgConnection,
        done: &[Done<Self::Output>],
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// What is kept of an output in the task's `result`; nothing unless this is overridden.
    fn result(&self, _output: &Self::Output) -> Option<Value> {
        None
    }
}

impl<H: Handler> Handler for Arc<H> {
    type Output = H::Output;

    fn run(&self, task: &Claimed) -> impl Future<Output = Result<Self::Output, Failure>> + Send {
        (**self).run(task)
    }

    fn store(
        &self,
        conn: &mut PgConnection,
        done: &[Done<Self::Output>],
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        (**self).store(conn, done)
    }

    fn result(&self, output: &Self::Output) -> Option<Value> {
        (**self).result(output)
    }
}

/// A task with what its run produced.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// The task.
    pub task: TaskId,
    /// What its run produced.
    pub output: T,
}

/// Why a run failed, and whether another has a chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    error_type: ErrorType,
    message: String,
    again: bool,
}

impl Failure {
    /// Another attempt would fail as well.
    pub fn permanent(error_type: ErrorType, message: impl Into<String>) -> Self {
        Self { error_type, message: storable(message.into()), again: false }
    }

    /// Another attempt may succeed; it is made while the task has attempts left.
    pub fn transient(error_type: ErrorType, message: impl Into<String>) -> Self {
        Self { error_type, message: storable(message.into()), again: true }
    }

    /// What the failure means for the task. `chance` is in [0, 1).
    pub(crate) fn ending(self, task: &Claimed, chance: f64) -> Ending {
        let Self { error_type, message, again } = self;
        if again && task.attempts < task.max_attempts {
            Ending::Retry { error_type, message, after: backoff::delay(task.attempts, chance) }
        } else {
            Ending::Failed { error_type, message }
        }
    }
}

/// PostgreSQL's texts hold no NUL.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
