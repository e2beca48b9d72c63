//! One lane of a loader: takes what waits, asks for all of it with one statement, and hands out the answers.

use super::loader::{Answer, Shared, Waiter};
use crate::Error;
use futures_util::future::{Either, select};
use sqlx::{
    Decode, Encode, FromRow, Postgres, Row, Type,
    postgres::{PgHasArrayType, PgRow},
};
use std::{
    collections::HashMap,
    future::poll_fn,
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    thread,
};
use tokio::sync::oneshot;

/// The count of one lane at work, given back however the lane ends.
pub(crate) struct Lane<K, V>
where
    Self: Revive,
{
    shared: Arc<Shared<K, V>>,
    /// Whether the lane was counted off already.
    ended: bool,
}

/// Starts another lane in the place of one that panicked. A trait so that `Drop` needs no bounds but this.
pub(crate) trait Revive {
    fn revive(&self);
}

impl<K, V> Revive for Lane<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    K: for<'q> Encode<'q, Postgres> + for<'r> Decode<'r, Postgres> + Type<Postgres> + PgHasArrayType,
    V: for<'r> FromRow<'r, PgRow> + Clone + Send + 'static,
{
    fn revive(&self) {
        let mut queue = self.shared.queue();
        queue.figures.lanes -= 1;
        let starts = self.shared.claim_lane(&mut queue);
        drop(queue);
        if starts {
            self.shared.start_lane();
        }
    }
}

impl<K, V> Lane<K, V>
where
    Self: Revive,
{
    pub(crate) fn new(shared: Arc<Shared<K, V>>) -> Self {
        Self { shared, ended: false }
    }
}

impl<K, V> Drop for Lane<K, V>
where
    Self: Revive,
{
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if thread::panicking() {
            return self.revive();
        }
        // The runtime ends: nobody will ever ask for those who wait, and dropping them tells them.
        let mut queue = self.shared.queue();
        queue.figures.lanes -= 1;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(waiting);
    }
}

/// Works until nothing waits.
pub(crate) async fn work<K, V>(mut lane: Lane<K, V>)
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    K: for<'q> Encode<'q, Postgres> + for<'r> Decode<'r, Postgres> + Type<Postgres> + PgHasArrayType,
    V: for<'r> FromRow<'r, PgRow> + Clone + Send + 'static,
{
    let mut batch = Batch { keys: Vec::new(), answers: Vec::new(), chains: HashMap::new() };
    loop {
        // Whoever is ready to run now may come along: the answers of the last batch have just woken its lookups.
        tokio::task::yield_now().await;
        if !batch.fill(&lane.shared) {
            let mut queue = lane.shared.queue();
            // Looked at once more under the lock, since a lookup starts no lane while this one counts.
            if queue.waiting.is_empty() {
                queue.figures.lanes -= 1;
                lane.ended = true;
                return;
            }
            continue;
        }
        serve(&lane.shared, &mut batch).await;
        batch.clear();
    }
}

/// Asks, and answers everybody, unless all of them leave before.
async fn serve<K, V>(shared: &Arc<Shared<K, V>>, batch: &mut Batch<K, V>)
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    K: for<'q> Encode<'q, Postgres> + for<'r> Decode<'r, Postgres> + Type<Postgres> + PgHasArrayType,
    V: for<'r> FromRow<'r, PgRow> + Clone + Send + 'static,
{
    let acquired = {
        let acquire = pin!(shared.pool.acquire());
        match select(acquire, pin!(all_gone(&mut batch.answers))).await {
            Either::Left((acquired, _)) => acquired,
            Either::Right(((), _)) => return,
        }
    };
    let rows = match acquired {
        Err(error) => Err(error),
        Ok(mut lease) => {
            // Waiting for the connection may have let more in.
            batch.fill(shared);
            let query = sqlx::query(shared.sql.clone()).bind(&batch.keys);
            shared.queue().figures.statements += 1;
            let fetched = pin!(query.fetch_all(&mut lease));
            match select(fetched, pin!(all_gone(&mut batch.answers))).await {
                Either::Left((fetched, _)) => fetched.map_err(Error::from),
                Either::Right(((), _)) => {
                    shared.queue().figures.abandoned += 1;
                    return;
                }
            }
        }
    };
    match rows {
        Ok(rows) => batch.answer(&rows, &shared.key_column),
        Err(error) => batch.fail(&Arc::new(error)),
    }
}

/// Ends when every lookup was dropped. It watches one of them at a time, so that a batch costs one registration.
async fn all_gone<V>(answers: &mut [Pending<V>]) {
    let mut next = 0;
    poll_fn(|cx| {
        while let Some(pending) = answers.get_mut(next) {
            let Some(answer) = &mut pending.answer else {
                next += 1;
                continue;
            };
            if answer.poll_closed(cx).is_pending() {
                return Poll::Pending;
            }
            next += 1;
        }
        Poll::Ready(())
    })
    .await;
}

/// The lookups of one statement.
struct Batch<K, V> {
    /// Each key once.
    keys: Vec<K>,
    answers: Vec<Pending<V>>,
    /// The place in `answers` of each key's last lookup.
    chains: HashMap<K, usize>,
}

/// A lookup under way, and the place of another one of the same key.
struct Pending<V> {
    answer: Option<oneshot::Sender<Answer<V>>>,
    next: Option<usize>,
}

impl<K, V> Batch<K, V>
where
    K: Eq + Hash + Clone + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    V: for<'r> FromRow<'r, PgRow> + Clone,
{
    /// Takes along what waits, up to the limit; whether there is anything to ask for.
    fn fill(&mut self, shared: &Shared<K, V>) -> bool {
        let room = (shared.options.max_batch.get() as usize).saturating_sub(self.answers.len());
        // Moved out first: hashing under the lock would hold everybody up.
        let taken: Vec<_> = {
            let mut queue = shared.queue();
            let count = queue.waiting.len().min(room);
            queue.waiting.drain(..count).collect()
        };
        for Waiter { key, answer } in taken.into_iter().filter(|waiter| !waiter.answer.is_closed()) {
            let at = self.answers.len();
            let next = match self.chains.get_mut(&key) {
                Some(last) => Some(std::mem::replace(last, at)),
                None => {
                    self.keys.push(key.clone());
                    self.chains.insert(key, at);
                    None
                }
            };
            self.answers.push(Pending { answer: Some(answer), next });
        }
        !self.answers.is_empty()
    }

    fn answer(&mut self, rows: &[PgRow], key_column: &str) {
        for row in rows {
            let key = match caught(|| row.try_get::<K, _>(key_column)) {
                Ok(key) => key,
                // Whose row it is cannot be told, so it is everybody's error.
                Err(error) => return self.fail(&Arc::new(error)),
            };
            let Some(last) = self.chains.remove(&key) else { continue };
            let value = caught(|| V::from_row(row)).map_err(Arc::new);
            self.give(last, value);
        }
        for pending in &mut self.answers {
            if let Some(answer) = pending.answer.take() {
                let _ = answer.send(Ok(None));
            }
        }
    }

    /// Gives the value to every lookup of a key; the last of them needs no copy.
    fn give(&mut self, last: usize, value: Result<V, Arc<Error>>) {
        let mut at = last;
        while let Some(next) = self.answers[at].next {
            let copy = match &value {
                Ok(value) => caught(|| Ok(value.clone())).map_err(Arc::new),
                Err(error) => Err(Arc::clone(error)),
            };
            self.send(at, copy);
            at = next;
        }
        self.send(at, value);
    }

    fn send(&mut self, at: usize, value: Result<V, Arc<Error>>) {
        if let Some(answer) = self.answers[at].answer.take() {
            let _ = answer.send(value.map(Some));
        }
    }

    fn fail(&mut self, error: &Arc<Error>) {
        for pending in &mut self.answers {
            if let Some(answer) = pending.answer.take() {
                let _ = answer.send(Err(Arc::clone(error)));
            }
        }
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.answers.clear();
        self.chains.clear();
    }
}

/// Runs the caller's decoding: its panic is one row's error, not the end of the lane.
fn caught<T>(decode: impl FnOnce() -> sqlx::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(Error::from),
        Err(_) => Err(Error::LoaderPanic),
    }
}
