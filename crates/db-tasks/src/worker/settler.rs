//! The part of a worker that settles: in batches that grow with the load, and one by one where a batch is refused.

use super::{
    Done, Handler,
    run::{Finished, Shared, TRIES, again},
};
use crate::{Ending, Error, Outcome, Settled, settle};
use db_core::{Classify, Retry};
use db_model::ErrorType;
use sqlx::Connection;
use std::{
    slice,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::sync::mpsc;

impl<H: Handler> Shared<H> {
    /// Settles whatever has gathered since the last time, so batches grow with the load.
    pub(super) async fn settle_all(
        self: Arc<Self>,
        mut finished: mpsc::Receiver<Finished<H::Output>>,
    ) -> Result<(), Error> {
        let limit = self.settings.batch.get() as usize;
        let mut batch = Vec::with_capacity(limit);
        while finished.recv_many(&mut batch, limit).await > 0 {
            let (mut outcomes, outputs): (Vec<Outcome>, Vec<Option<H::Output>>) = batch.drain(..).unzip();
            let mut done: Vec<Done<H::Output>> = outcomes
                .iter()
                .zip(outputs)
                .filter_map(|(outcome, output)| Some(Done { task: outcome.task.id, output: output? }))
                .collect();
            let settled = match self.settle_batch(&outcomes, &mut done).await {
                Err(error) if is_of_a_row(&error) => self.settle_each(&mut outcomes, done).await?,
                result => result?,
            };
            self.count(&outcomes, &settled);
            self.held.remove(outcomes.iter().map(|outcome| &outcome.task.id));
        }
        Ok(())
    }

    async fn settle_batch(
        &self,
        outcomes: &[Outcome],
        done: &mut Vec<Done<H::Output>>,
    ) -> Result<Settled, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.settle_once(outcomes, done).await {
                Err(error) if tries < TRIES && error.retry() != Retry::Never => again(tries, &error).await,
                result => return result,
            }
        }
    }

    /// One outcome that cannot be written must not hold up the others, nor end the worker: its task fails with the reason.
    async fn settle_each(
        &self,
        outcomes: &mut [Outcome],
        mut done: Vec<Done<H::Output>>,
    ) -> Result<Settled, Error> {
        let mut all = Settled::default();
        for outcome in outcomes {
            let (mut own, others): (Vec<_>, Vec<_>) =
                done.into_iter().partition(|done| done.task == outcome.task.id);
            done = others;
            let settled = match self.settle_batch(slice::from_ref(outcome), &mut own).await {
                Err(error) if is_of_a_row(&error) => {
                    let message = format!("what it produced cannot be stored: {}", reason(&error));
                    outcome.ending = Ending::Failed { error_type: ErrorType::Database, message };
                    self.settle_batch(slice::from_ref(outcome), &mut Vec::new()).await?
                }
                result => result?,
            };
            all.written.extend(settled.written);
            all.lost.extend(settled.lost);
            all.cancelled += settled.cancelled;
        }
        Ok(all)
    }

    async fn settle_once(
        &self,
        outcomes: &[Outcome],
        done: &mut Vec<Done<H::Output>>,
    ) -> Result<Settled, Error> {
        let mut lease = self.pool.acquire().await?;
        let mut tx = lease.begin().await.map_err(Error::during("begin to settle"))?;
        let settled = settle(&mut tx, &self.settings.name, outcomes).await?;
        // What was lost stays lost: leaving it out is right for the next try as well.
        done.retain(|done| settled.written.contains(&done.task));
        if !done.is_empty() {
            self.handler.store(&mut tx, done).await.map_err(store_error)?;
        }
        tx.commit().await.map_err(Error::during("commit what was settled"))?;
        Ok(settled)
    }

    fn count(&self, outcomes: &[Outcome], settled: &Settled) {
        let progress = &self.progress;
        for outcome in outcomes.iter().filter(|outcome| settled.written.contains(&outcome.task.id)) {
            let counter = match outcome.ending {
                Ending::Completed { .. } => &progress.completed,
                Ending::Failed { .. } => &progress.failed,
                Ending::Retry { .. } => &progress.retried,
                Ending::Released => &progress.released,
            };
            counter.fetch_add(1, Relaxed);
        }
        progress.lost.fetch_add(settled.lost.len() as u64, Relaxed);
        progress.cancelled.fetch_add(settled.cancelled, Relaxed);
    }
}

/// Whether the database refused what was to be written, for good: then it may be one outcome's fault.
fn is_of_a_row(error: &Error) -> bool {
    matches!(error, Error::Database { .. } | Error::Model(_)) && error.retry() == Retry::Never
}

/// The database's own words, without what surrounds them.
fn reason(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().replace('\0', "\u{fffd}")
}

/// Keeps the class of an error that the handler passed through.
fn store_error(error: db_core::BoxError) -> Error {
    match error.downcast::<db_model::Error>() {
        Ok(error) => Error::Model(*error),
        Err(error) => match error.downcast::<sqlx::Error>() {
            Ok(source) => Error::Database { action: "store what tasks produced", source: *source },
            Err(source) => Error::Store { source },
        },
    }
}
