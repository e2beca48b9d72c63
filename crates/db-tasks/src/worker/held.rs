//! The claims that a worker holds: what to extend, and what is still out.

use db_model::TaskId;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Claims by task, with their fencing tokens.
#[derive(Default)]
pub(crate) struct Held {
    tokens: Mutex<HashMap<TaskId, i64>>,
    /// Rung when claims are settled: waiting tasks may have become ready, and room may have come.
    pub(crate) settled: Notify,
}

impl Held {
    pub(crate) fn add(&self, claims: impl IntoIterator<Item = (TaskId, i64)>) {
        self.tokens().extend(claims);
    }

    pub(crate) fn remove<'a>(&self, tasks: impl IntoIterator<Item = &'a TaskId>) {
        let mut tokens = self.tokens();
        for task in tasks {
            tokens.remove(task);
        }
        drop(tokens);
        self.settled.notify_one();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens().is_empty()
    }

    pub(crate) fn list(&self) -> Vec<(TaskId, i64)> {
        self.tokens().iter().map(|(&task, &token)| (task, token)).collect()
    }

    /// Never held across an await; a panic cannot leave the map half changed.
    fn tokens(&self) -> MutexGuard<'_, HashMap<TaskId, i64>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
