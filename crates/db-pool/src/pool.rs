//! The pool: a permit for each connection that may exist, and a stash of those that idle.

use crate::{
    Error, Lease, MobcStore, PoolConfig, Stats, Store,
    stash::{Ages, Fitness, Held, Stash, expiry},
    stats::{Counters, Raised},
};
use db_core::Recorder;
use sqlx::Connection;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{timeout, timeout_at},
};

/// A pool of connections to one server. Cloning it is cheap, and every clone is the same pool.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// Connects once, so that a wrong address or password is told here and now, and opens what `min_size` asks for.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::ConnectTimeout`] or [`Error::Password`] when the first connection fails.
    ///
    /// # Cancel safety
    /// A dropped future closes what it has opened.
    pub async fn connect(config: PoolConfig) -> Result<Self, Error> {
        let store = Arc::new(MobcStore::new(&config));
        Self::with_store(config, store).await
    }

    /// The same from a `postgresql://` URL and defaults.
    ///
    /// # Errors
    /// [`Error::Url`], and those of [`Pool::connect`].
    pub async fn connect_url(url: &str) -> Result<Self, Error> {
        Self::connect(PoolConfig::from_url(url)?).await
    }

    /// The same over another store.
    ///
    /// # Errors
    /// Those of [`Pool::connect`].
    pub async fn with_store(config: PoolConfig, store: Arc<dyn Store>) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            permits: Arc::new(Semaphore::new(config.max_size.get() as usize)),
            stash: Mutex::default(),
            counters: Counters::default(),
            store,
            recorder: Arc::clone(&config.recorder),
            runtime: Handle::current(),
            ages: Ages { check_after: config.check_after, idle_timeout: config.idle_timeout },
            kept: config.kept(),
            max_size: config.max_size.get(),
            acquire_timeout: config.acquire_timeout,
            reset_timeout: config.reset_timeout,
            max_lifetime: config.max_lifetime,
        });
        let pool = Self { shared };
        let mut leases = vec![pool.acquire().await?];
        while leases.len() < pool.shared.kept as usize {
            leases.push(pool.acquire().await?);
        }
        drop(leases);
        Ok(pool)
    }

    /// Lends a connection: the one that came back last, or a new one.
    ///
    /// # Errors
    /// [`Error::Exhausted`] at the deadline, [`Error::Closed`] after [`Pool::close`], and those of [`Pool::connect`] when
    /// a new connection is needed and cannot be made.
    ///
    /// # Cancel safety
    /// A dropped future leaves the queue and gives back what it held.
    pub async fn acquire(&self) -> Result<Lease, Error> {
        let started = Instant::now();
        let permit = match Arc::clone(&self.shared.permits).try_acquire_owned() {
            Ok(permit) => Permit::new(permit, &self.shared),
            Err(tokio::sync::TryAcquireError::Closed) => return Err(Error::Closed),
            Err(tokio::sync::TryAcquireError::NoPermits) => self.wait(started).await?,
        };
        let lease = match self.shared.take_fresh() {
            Taken::Fresh(held) => Lease::new(held, permit),
            Taken::Stale(held) => self.refresh(Some(held), permit, started).await?,
            Taken::None => self.refresh(None, permit, started).await?,
        };
        self.shared.counters.acquires.fetch_add(1, Relaxed);
        Ok(lease)
    }

    /// The figures of this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let idle = self.shared.stash().len();
        self.shared.counters.snapshot(self.shared.max_size, idle)
    }

    /// Lends nothing more, waits up to `grace` for what is lent, and closes what idles. Leases that come back later
    /// are closed then.
    ///
    /// # Cancel safety
    /// The pool stays closed to new callers; connections that idled are closed without a goodbye.
    pub async fn close(&self, grace: Duration) {
        // Taking every permit is waiting for every lease; closing the gate afterwards turns waiting callers away.
        let everything = self.shared.permits.acquire_many(self.shared.max_size);
        let all = timeout(grace, everything).await;
        self.shared.permits.close();
        drop(all);
        while let Some(held) = self.shared.take() {
            self.shared.counters.closes.fetch_add(1, Relaxed);
            self.shared.store.retire(held.live).await;
        }
    }

    /// Whether [`Pool::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.permits.is_closed()
    }

    async fn wait(&self, started: Instant) -> Result<Permit, Error> {
        let shared = &self.shared;
        let waiting = Raised::by_one(&shared.counters.waiting);
        let permit = timeout(shared.acquire_timeout, Arc::clone(&shared.permits).acquire_owned()).await;
        let waited = started.elapsed();
        let result = match permit {
            Ok(Ok(permit)) => Ok(Permit::new(permit, shared)),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(self.exhausted(waited)),
        };
        drop(waiting);
        shared.counters.waits.fetch_add(1, Relaxed);
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        shared.counters.wait_nanos.fetch_add(nanos, Relaxed);
        shared.recorder.timing("db.client.connection.wait_time", &[], waited);
        result
    }

    fn exhausted(&self, waited: Duration) -> Error {
        self.shared.counters.timeouts.fetch_add(1, Relaxed);
        self.shared.recorder.count("db.client.connection.timeouts", &[], 1);
        let stats = self.stats();
        Error::Exhausted { waited, in_use: stats.in_use, max: stats.max_size, waiting: stats.waiting }
    }

    /// The cold path: checks what has idled, and opens a connection when nothing else is left.
    async fn refresh(&self, first: Option<Held>, permit: Permit, started: Instant) -> Result<Lease, Error> {
        let deadline =
            tokio::time::Instant::now() + self.shared.acquire_timeout.saturating_sub(started.elapsed());
        match timeout_at(deadline, self.shared.ready(first)).await {
            Ok(Ok(held)) => Ok(Lease::new(held, permit)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.exhausted(started.elapsed())),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish()
    }
}

/// What every clone of a pool and every lease share.
pub(crate) struct Shared {
    permits: Arc<Semaphore>,
    stash: Mutex<Stash>,
    counters: Counters,
    store: Arc<dyn Store>,
    recorder: Arc<dyn Recorder>,
    pub(crate) runtime: Handle,
    ages: Ages,
    kept: u32,
    max_size: u32,
    acquire_timeout: Duration,
    pub(crate) reset_timeout: Duration,
    max_lifetime: Duration,
}

enum Taken {
    Fresh(Held),
    Stale(Held),
    None,
}

impl Shared {
    /// Held only for a push or a pop; a panic inside cannot leave it half changed, so poison says nothing.
    fn stash(&self) -> MutexGuard<'_, Stash> {
        self.stash.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Held> {
        self.stash().take()
    }

    fn take_fresh(&self) -> Taken {
        let Some(held) = self.take() else { return Taken::None };
        match self.ages.fitness(held.expires, held.idle_since, Instant::now()) {
            Fitness::Fresh => Taken::Fresh(held),
            Fitness::Check | Fitness::Expired => Taken::Stale(held),
        }
    }

    /// Puts a connection back; what it answers with is to be retired. After the pool's close that is every one.
    pub(crate) fn put(&self, held: Held) -> Option<Held> {
        if self.permits.is_closed() {
            return Some(held);
        }
        let now = held.idle_since;
        self.stash().put(held, self.ages, now, self.kept)
    }

    /// A connection that may be lent: `candidate` or another idle one if it still answers, else a new one.
    async fn ready(&self, candidate: Option<Held>) -> Result<Held, Error> {
        let mut next = candidate;
        while let Some(held) = next {
            match self.ages.fitness(held.expires, held.idle_since, Instant::now()) {
                Fitness::Fresh => return Ok(held),
                Fitness::Expired => {
                    self.counters.closes.fetch_add(1, Relaxed);
                    self.store.retire(held.live).await;
                }
                Fitness::Check => {
                    let Held { live, expires, idle_since } = held;
                    // Counted as closed until it has answered, so that a dropped future leaves the count right.
                    self.counters.closes.fetch_add(1, Relaxed);
                    if let Some(live) = self.store.check(live).await {
                        self.counters.closes.fetch_sub(1, Relaxed);
                        return Ok(Held { live, expires, idle_since });
                    }
                }
            }
            next = self.take();
        }
        self.open().await
    }

    async fn open(&self) -> Result<Held, Error> {
        let started = Instant::now();
        let live = self.store.open().await.inspect_err(|_| {
            self.counters.open_failures.fetch_add(1, Relaxed);
        })?;
        self.counters.opens.fetch_add(1, Relaxed);
        self.recorder.timing("db.client.connection.create_time", &[], started.elapsed());
        let now = Instant::now();
        Ok(Held { live, expires: expiry(now, self.max_lifetime, rand::random()), idle_since: now })
    }

    /// Closes a connection politely, in the background.
    pub(crate) fn retire(self: &Arc<Self>, held: Held) {
        self.counters.closes.fetch_add(1, Relaxed);
        let shared = Arc::clone(self);
        self.runtime.spawn(async move { shared.store.retire(held.live).await });
    }

    /// Closes a connection that its last user left unusable: no goodbye, the server sees the socket close.
    pub(crate) fn discard(&self, held: Held) {
        self.counters.closes.fetch_add(1, Relaxed);
        self.counters.discards.fetch_add(1, Relaxed);
        tracing::debug!(
            in_transaction = held.live.is_in_transaction(),
            "connection came back unusable and is closed"
        );
        drop(held);
    }
}

/// The right to hold one connection; `in_use` counts these.
pub(crate) struct Permit {
    shared: Arc<Shared>,
    // Declared last: dropped after `in_use` went down in `Drop`, so that the gauge never exceeds the maximum.
    _permit: OwnedSemaphorePermit,
}

impl Permit {
    fn new(permit: OwnedSemaphorePermit, shared: &Arc<Shared>) -> Self {
        shared.counters.in_use.fetch_add(1, Relaxed);
        Self { shared: Arc::clone(shared), _permit: permit }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.counters.in_use.fetch_sub(1, Relaxed);
    }
}
