//! Turns concurrent lookups by key into one statement for many of them.

use super::lane;
use crate::{Error, Pool};
use sqlx::{
    Decode, Encode, FromRow, Postgres, SqlSafeStr, SqlStr, Type,
    postgres::{PgHasArrayType, PgRow},
};
use std::{
    collections::VecDeque,
    fmt,
    hash::Hash,
    marker::PhantomData,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{runtime::Handle, sync::oneshot};

/// Looks rows up by key, many lookups with one statement. Cloning it is cheap, and every clone is the same loader.
///
/// Nothing waits for a timer: a lookup starts a statement while fewer than `lanes` are under way, and what arrives in the
/// meantime is the next batch (natural batching). Alone, a lookup costs one round trip; at 32 tasks, a statement serves a
/// dozen of them. A key that several lookups want is asked for once.
///
/// The statement has one parameter, an array of keys, and answers with at most one row for each key; of several, the
/// first counts. It must only read, and nothing that depends on a transaction: each batch is a statement of its own, on
/// a connection of its own. Lookups of one batch see one snapshot; two lookups may see two, in either order. Nothing is
/// remembered from one batch to the next.
/// ```no_run
/// use db_pool::{Loader, LoaderOptions, Pool};
///
/// #[derive(Clone, sqlx::FromRow)]
/// struct Task {
///     title: String,
///     priority: i32,
/// }
///
/// # async fn example(pool: &Pool) -> Result<(), std::sync::Arc<db_pool::Error>> {
/// let tasks: Loader<i64, Task> = Loader::new(
///     pool,
///     "SELECT id, title, priority FROM tasks WHERE id = ANY($1)",
///     "id",
///     LoaderOptions::default(),
/// );
/// // In as many tasks as there are:
/// if let Some(task) = tasks.load(7).await? {
///     println!("{} {}", task.title, task.priority);
/// }
/// let three = tasks.load_many([1, 2, 3]).await?;
/// assert_eq!(three.len(), 3);
/// # Ok(())
/// # }
/// ```
pub struct Loader<K, V> {
    pub(crate) shared: Arc<Shared<K, V>>,
}

/// The limits of a [`Loader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoaderOptions {
    /// Statements under way at once, each on a connection of the pool's; 2.
    pub lanes: NonZeroU32,
    /// Lookups of one statement; 1,000.
    pub max_batch: NonZeroU32,
    /// Lookups that may wait for a statement to take them along; 100,000. A lookup beyond is refused at once, and
    /// counted.
    pub max_waiting: NonZeroU32,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { lanes: number(2), max_batch: number(1_000), max_waiting: number(100_000) }
    }
}

impl LoaderOptions {
    /// With another number of lanes.
    #[must_use]
    pub fn lanes(mut self, lanes: NonZeroU32) -> Self {
        self.lanes = lanes;
        self
    }

    /// With another size of a batch.
    #[must_use]
    pub fn max_batch(mut self, max_batch: NonZeroU32) -> Self {
        self.max_batch = max_batch;
        self
    }

    /// With another number that may wait.
    #[must_use]
    pub fn max_waiting(mut self, max_waiting: NonZeroU32) -> Self {
        self.max_waiting = max_waiting;
        self
    }
}

/// The figures of a [`Loader`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoaderStats {
    /// Lookups taken since the beginning.
    pub loads: u64,
    /// Lookups refused since the beginning, since too many waited.
    pub refusals: u64,
    /// Statements sent since the beginning.
    pub statements: u64,
    /// Statements given up since the beginning, since nobody waited for them any more.
    pub abandoned: u64,
    /// Lookups that wait for a statement to take them along.
    pub waiting: usize,
    /// Lanes at work.
    pub lanes: u32,
}

/// What a lookup is answered with.
pub(crate) type Answer<V> = Result<Option<V>, Arc<Error>>;

impl<K, V> Loader<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    K: for<'q> Encode<'q, Postgres> + for<'r> Decode<'r, Postgres> + Type<Postgres> + PgHasArrayType,
    V: for<'r> FromRow<'r, PgRow> + Clone + Send + 'static,
{
    /// A loader of `sql`, whose `$1` is an array of keys and whose answer names each row's key in `key_column`.
    ///
    /// # Panics
    /// Outside a tokio runtime, since lanes are its tasks.
    #[must_use]
    pub fn new(
        pool: &Pool,
        sql: impl SqlSafeStr,
        key_column: impl Into<Arc<str>>,
        options: LoaderOptions,
    ) -> Self {
        #[expect(
            clippy::redundant_clone,
            reason = "the clone of an owned text is a shared one, cheap to clone again"
        )]
        let sql = sql.into_sql_str().clone();
        let shared = Shared {
            pool: pool.clone(),
            sql,
            key_column: key_column.into(),
            options,
            runtime: Handle::current(),
            queue: Mutex::new(Queue { waiting: VecDeque::new(), figures: LoaderStats::default() }),
            value: PhantomData,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Looks one key up; `None` when it has no row.
    ///
    /// # Errors
    /// [`Error::LoaderFull`] at once when too many wait; those of [`Pool::acquire`]; [`Error::Statement`] when the
    /// statement fails or the row cannot be decoded; [`Error::LoaderPanic`] when decoding it panicked;
    /// [`Error::LoaderLost`] when its lane ended without an answer. A failed statement fails every lookup of its batch, hence the `Arc`.
    ///
    /// # Cancel safety
    /// A dropped lookup leaves nothing behind; a statement that nobody waits for any more is given up.
    pub async fn load(&self, key: K) -> Answer<V> {
        let answer = self.shared.enter(key)?;
        answer.await.unwrap_or_else(|_| Err(Arc::new(Error::LoaderLost)))
    }

    /// Looks many keys up, and answers in their order. All of them wait together, or none of them is taken.
    ///
    /// # Errors
    /// Those of [`Loader::load`]: the first, in the order of the keys.
    ///
    /// # Cancel safety
    /// That of [`Loader::load`].
    pub async fn load_many(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<V>>, Arc<Error>> {
        let answers = self.shared.enter_many(keys.into_iter().collect())?;
        let mut values = Vec::with_capacity(answers.len());
        for answer in answers {
            values.push(answer.await.unwrap_or_else(|_| Err(Arc::new(Error::LoaderLost)))?);
        }
        Ok(values)
    }
}

impl<K, V> Loader<K, V> {
    /// The figures of this moment.
    #[must_use]
    pub fn stats(&self) -> LoaderStats {
        let queue = self.shared.queue();
        let waiting = queue.waiting.iter().filter(|waiter| !waiter.answer.is_closed()).count();
        LoaderStats { waiting, ..queue.figures }
    }
}

impl<K, V> Clone for Loader<K, V> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K, V> fmt::Debug for Loader<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("stats", &self.stats()).finish()
    }
}

/// What every clone of a loader and its lanes share.
pub(crate) struct Shared<K, V> {
    pub(crate) pool: Pool,
    pub(crate) sql: SqlStr,
    pub(crate) key_column: Arc<str>,
    pub(crate) options: LoaderOptions,
    runtime: Handle,
    queue: Mutex<Queue<K, V>>,
    value: PhantomData<fn() -> V>,
}

/// Lookups that no statement has taken along yet, and the figures, which the same lock guards.
pub(crate) struct Queue<K, V> {
    pub(crate) waiting: VecDeque<Waiter<K, V>>,
    pub(crate) figures: LoaderStats,
}

/// One lookup.
pub(crate) struct Waiter<K, V> {
    pub(crate) key: K,
    pub(crate) answer: oneshot::Sender<Answer<V>>,
}

impl<K, V> Shared<K, V> {
    /// Held only to move lookups in and out; a panic inside cannot leave it half changed, so poison says nothing.
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue<K, V>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Shared<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    K: for<'q> Encode<'q, Postgres> + for<'r> Decode<'r, Postgres> + Type<Postgres> + PgHasArrayType,
    V: for<'r> FromRow<'r, PgRow> + Clone + Send + 'static,
{
    fn enter(self: &Arc<Self>, key: K) -> Result<oneshot::Receiver<Answer<V>>, Arc<Error>> {
        let (answer, answered) = oneshot::channel();
        let mut queue = self.queue();
        self.admit(&mut queue, 1)?;
        queue.waiting.push_back(Waiter { key, answer });
        let starts = self.claim_lane(&mut queue);
        drop(queue);
        if starts {
            self.start_lane();
        }
        Ok(answered)
    }

    fn enter_many(self: &Arc<Self>, keys: Vec<K>) -> Result<Vec<oneshot::Receiver<Answer<V>>>, Arc<Error>> {
        let (waiters, answers): (Vec<_>, Vec<_>) = keys
            .into_iter()
            .map(|key| {
                let (answer, answered) = oneshot::channel();
                (Waiter { key, answer }, answered)
            })
            .unzip();
        let mut queue = self.queue();
        self.admit(&mut queue, waiters.len())?;
        queue.waiting.extend(waiters);
        let starts = self.claim_lane(&mut queue);
        drop(queue);
        if starts {
            self.start_lane();
        }
        Ok(answers)
    }

    /// Lets so many in, or counts them as refused. Dropped lookups still stand in the queue until a lane comes by; they
    /// are cleared away before anybody is refused for their sake.
    fn admit(&self, queue: &mut Queue<K, V>, more: usize) -> Result<(), Arc<Error>> {
        let max = self.options.max_waiting.get() as usize;
        if queue.waiting.len() + more > max {
            queue.waiting.retain(|waiter| !waiter.answer.is_closed());
        }
        let waiting = queue.waiting.len();
        if waiting + more > max {
            queue.figures.refusals += more as u64;
            return Err(Arc::new(Error::LoaderFull { waiting }));
        }
        queue.figures.loads += more as u64;
        Ok(())
    }

    /// Whether a lane is to be started, which then is counted already.
    pub(crate) fn claim_lane(&self, queue: &mut Queue<K, V>) -> bool {
        let starts = queue.figures.lanes < self.options.lanes.get() && !queue.waiting.is_empty();
        queue.figures.lanes += u32::from(starts);
        starts
    }

    pub(crate) fn start_lane(self: &Arc<Self>) {
        self.runtime.spawn(lane::work(lane::Lane::new(Arc::clone(self))));
    }
}
