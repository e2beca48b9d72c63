//! What can go wrong with a queue.

use db_core::{BoxError, Classify, Retry};
use db_model::TaskId;

/// An error of the queue or of a worker. A task that fails is no error of the worker: it is an outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Tasks would wait for each other for ever.
    #[error("tasks depend on each other in a circle: {}", path.join(" -> "))]
    Cycle {
        /// The titles along the circle; the first is also the last.
        path: Vec<String>,
    },
    /// An edge starts at a task that is not in the plan.
    #[error("task {task} is given a dependency, but is not in the plan; only new tasks can be made to wait")]
    UnknownDependent {
        /// The task.
        task: TaskId,
    },
    /// An edge ends at a task that exists neither in the plan nor in the database.
    #[error("task {task} depends on {missing}, which does not exist")]
    UnknownDependency {
        /// The task that would wait.
        task: TaskId,
        /// What it would wait for.
        missing: TaskId,
    },
    /// The same task stands in the plan twice.
    #[error("task {task} stands in the plan twice")]
    Duplicate {
        /// The task.
        task: TaskId,
    },
    /// The database refused a statement, or could not be asked.
    #[error("cannot {action}")]
    Database {
        /// What was tried.
        action: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// A statement of ours is wrong.
    #[error("cannot {action}: the statement cannot be built")]
    Build {
        /// What was tried.
        action: &'static str,
        /// What is wrong with it.
        #[source]
        source: db_query::BuildError,
    },
    /// A row could not be written.
    #[error("cannot write what a task left")]
    Model(#[from] db_model::Error),
    /// No connection could be had.
    #[error("a worker got no connection")]
    Pool(#[from] db_pool::Error),
    /// The handler could not store its outputs; their tasks were not completed.
    #[error("the handler could not store its outputs")]
    Store {
        /// The handler's reason.
        #[source]
        source: BoxError,
    },
}

impl Error {
    pub(crate) fn during(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::Pool(error) => error.retry(),
            Self::Model(error) => error.retry(),
            Self::Database { source, .. } => db_pool::retry_of(source),
            _ => Retry::Never,
        }
    }
}
