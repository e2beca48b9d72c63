//! A worker: claims, runs handlers, settles in batches, and stops when it is told.

mod backoff;
mod handler;
mod held;
mod run;
mod settler;

pub use handler::{Done, Failure, Handler};

use crate::Error;
use db_pool::Pool;
use run::{Mode, Run};
use std::{
    future::Future,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Runs the tasks of one queue through a handler.
#[derive(Debug)]
#[must_use = "a worker does nothing until it is run"]
pub struct Worker<H> {
    pool: Pool,
    handler: H,
    settings: Settings,
    progress: Arc<Progress>,
}

/// How a worker goes about it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) queue: String,
    pub(crate) name: String,
    pub(crate) concurrency: NonZeroU32,
    pub(crate) batch: NonZeroU32,
    pub(crate) lease: Duration,
    pub(crate) poll: Duration,
    pub(crate) grace: Duration,
    pub(crate) mode: Mode,
}

/// A worker's figures, readable while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    pub(crate) claimed: AtomicU64,
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) released: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) reclaimed: AtomicU64,
    pub(crate) cancelled: AtomicU64,
}

impl Progress {
    /// Tasks that ended for good: completed, failed, or cancelled since one that they depend on failed.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.completed.load(Relaxed) + self.failed.load(Relaxed) + self.cancelled.load(Relaxed)
    }

    /// Tasks that failed for good.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}

/// What a worker has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Claims.
    pub claimed: u64,
    /// Tasks completed.
    pub completed: u64,
    /// Tasks failed for good.
    pub failed: u64,
    /// Attempts that failed and will be repeated.
    pub retried: u64,
    /// Claims that were given back untouched.
    pub released: u64,
    /// Claims that another worker had taken over before they were settled.
    pub lost: u64,
    /// Tasks taken back from workers that were gone.
    pub reclaimed: u64,
    /// Tasks cancelled since one that they depend on failed.
    pub cancelled: u64,
    /// From start to end.
    pub elapsed: Duration,
}

impl<H: Handler> Worker<H> {
    /// A worker for the queue `default`: 4 tasks at a time, claimed and settled up to 64 at once, leases of 30 s, a look
    /// for new tasks every second, and 30 s to finish what runs when it is told to stop.
    pub fn new(pool: Pool, handler: H) -> Self {
        let settings = Settings {
            queue: "default".to_owned(),
            name: format!("worker-{}", std::process::id()),
            concurrency: const { NonZeroU32::new(4).expect("four is not zero") },
            batch: const { NonZeroU32::new(64).expect("64 is not zero") },
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(30),
            mode: Mode::Forever,
        };
        Self { pool, handler, settings, progress: Arc::default() }
    }

    /// The queue.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.settings.queue = queue.into();
        self
    }

    /// The worker's name, as it stands in `claimed_by` and in executions.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// How many handlers run at once.
    pub fn concurrency(mut self, handlers: NonZeroU32) -> Self {
        self.settings.concurrency = handlers;
        self
    }

    /// How many tasks are claimed, and settled, at once.
    pub fn batch(mut self, tasks: NonZeroU32) -> Self {
        self.settings.batch = tasks;
        self
    }

    /// How long a claim holds; it is extended every third of it while the worker lives.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// How often an idle worker looks for tasks.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.settings.poll = interval;
        self
    }

    /// How long running handlers may take after the worker was told to stop; then they are dropped and their tasks
    /// given back.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Ends when no task of the queue is ready or due later and this worker holds none, instead of waiting for new ones.
    pub fn until_drained(mut self) -> Self {
        self.settings.mode = Mode::UntilDrained;
        self
    }

    /// The figures, to be read while the worker runs.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Takes back what dead workers hold, then works until `shutdown` is ready, then claims no more, lets what runs finish, and gives back what has not begun.
    ///
    /// # Errors
    /// [`Error::Pool`] or [`Error::Database`] when the database stays away, [`Error::Store`] when the handler cannot
    /// store its outputs. Tasks in hand come back to the queue when their lease ends.
    ///
    /// # Cancel safety
    /// A dropped future drops the running handlers; their tasks come back to the queue when their lease ends.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<Report, Error> {
        Run::new(self.pool, self.handler, self.settings, self.progress).run(shutdown).await
    }
}
