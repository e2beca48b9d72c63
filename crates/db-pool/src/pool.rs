//! The pool's handle: connecting, acquiring, resizing, closing.

use crate::{
    DirectStore, Error, Lease, PoolConfig, Priority, Reset, SessionSettings, Sizing, Stats, Store,
    conn::Conn,
    gate::{Answer, Asked, Key, Refusal, Seat},
    held::Held,
    life::{
        ages::Fitness,
        keeper,
        leaks::Checkout,
        opener,
        sweeper::{self, OWN_TIMER},
    },
    settings::{dress, forget_plans, plans_serve},
    shared::Shared,
    stats::tally,
};
use futures_util::future::{join_all, join3};
use std::{
    fmt,
    future::{Future, poll_fn},
    num::NonZeroU32,
    panic::Location,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::time::{timeout, timeout_at};

/// A pool of connections to one server. Cloning it is cheap, and every clone is the same pool.
///
/// `&pool` is a sqlx executor, so `sqlx::query("..").fetch_one(&pool)` and the `query!` macros take it as they take a
/// `PgPool`.
///
/// It belongs to the tokio runtime it was connected on. Leases may be dropped anywhere.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    /// What is put into each session that is lent; of this handle, not of the pool.
    session: Option<Arc<SessionSettings>>,
}

/// How long a close waits for what is lent, where the caller does not say.
const CLOSE_GRACE: Duration = Duration::from_secs(30);

/// What one request for a connection may ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct AcquireOptions {
    priority: Priority,
    timeout: Option<Duration>,
}

impl AcquireOptions {
    /// Normal priority, and the pool's acquire timeout.
    #[must_use]
    pub const fn new() -> Self {
        Self { priority: Priority::Normal, timeout: None }
    }

    /// How urgent the request is among those that wait.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// How long the request may take in all, instead of the pool's acquire timeout. A request that the queue cannot
    /// serve in this time is turned away at once.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// When a request that was made at `started` must have been served.
    fn deadline(self, shared: &Shared, started: Instant) -> Instant {
        let patience = self.timeout.unwrap_or(shared.config.acquire_timeout);
        // A patience beyond what the clock can hold is a year.
        started.checked_add(patience).unwrap_or_else(|| started + Duration::from_secs(31_536_000))
    }
}

/// What [`Pool::close`] had to leave behind.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// The leases that had not come back at the end of the grace.
    pub abandoned: Vec<AbandonedLease>,
}

/// A lease that outlived its pool; its connection is closed when it is dropped.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AbandonedLease {
    /// Where it was acquired.
    pub taken_at: &'static Location<'static>,
    /// How long it has been held.
    pub held: Duration,
    /// The server process behind it.
    pub backend: Option<i32>,
}

impl Pool {
    /// Connects once, so that a wrong address or password is told here and now, and opens what `min_size` asks for.
    ///
    /// # Errors
    /// [`Error::Config`] when the values contradict each other; [`Error::Connect`] when the first connection fails.
    ///
    /// # Cancel safety
    /// A dropped future closes what it has opened.
    pub async fn connect(config: &PoolConfig) -> Result<Self, Error> {
        Self::with_store(config, Arc::new(DirectStore::new(config))).await
    }

    /// The same from a `postgresql://` URL and defaults.
    ///
    /// # Errors
    /// [`Error::Url`], and those of [`Pool::connect`].
    pub async fn connect_url(url: &str) -> Result<Self, Error> {
        Self::connect(&PoolConfig::from_url(url)?).await
    }

    /// The same over another store.
    ///
    /// # Errors
    /// Those of [`Pool::connect`].
    pub async fn with_store(config: &PoolConfig, store: Arc<dyn Store>) -> Result<Self, Error> {
        config.validate()?;
        let config = config.clone().bounded();
        let limit = match config.sizing {
            Sizing::Fixed => config.max_size.get(),
            Sizing::Adaptive => config.min_size.max(1),
        };
        let pool = Self { shared: Arc::new(Shared::new(config, store, limit)), session: None };
        let mut leases = vec![pool.acquire().await?];
        while leases.len() < pool.shared.config.min_size as usize {
            leases.push(pool.acquire().await?);
        }
        drop(leases);
        keeper::start(&pool.shared);
        sweeper::start(&pool.shared);
        Ok(pool)
    }

    /// Lends a connection: the one that came back last, or a new one.
    ///
    /// # Errors
    /// At the deadline [`Error::Exhausted`], or [`Error::SelfDeadlock`] when the waiting task itself holds a connection
    /// and none came back meanwhile. At once [`Error::QueueFull`], [`Error::TooLate`] and, while nothing is lent,
    /// [`Error::Connect`] or [`Error::BreakerOpen`]; [`Error::Shed`] under CoDel; [`Error::Closed`] after
    /// [`Pool::close`].
    ///
    /// # Cancel safety
    /// A dropped future leaves the queue, and a connection that was meant for it goes to the next in line.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Lease, Error>> + Send + use<> {
        acquire(self.clone(), AcquireOptions::new(), Location::caller())
    }

    /// The same with a priority or a deadline of its own.
    ///
    /// # Errors
    /// Those of [`Pool::acquire`].
    ///
    /// # Cancel safety
    /// That of [`Pool::acquire`].
    #[track_caller]
    pub fn acquire_with(
        &self,
        options: AcquireOptions,
    ) -> impl Future<Output = Result<Lease, Error>> + Send + use<> {
        acquire(self.clone(), options, Location::caller())
    }

    /// Lends a connection if one idles and nobody waits; never waits, connects, or checks. A handle
    /// [with settings](Self::with_session) gives none, since setting them takes a round trip; nor is one lent that served
    /// another role last.
    #[track_caller]
    #[must_use]
    pub fn try_acquire(&self) -> Option<Lease> {
        if self.session.is_some() {
            return None;
        }
        let now = self.shared.clock.now();
        let label = Checkout::by_caller(Location::caller());
        let (conn, seat) = self.shared.gate.try_take(label, now)?.ok()?;
        let held = Held::new(Arc::clone(&self.shared), conn, seat);
        match self.shared.fitness(held.conn(), now) {
            Fitness::Fresh => {
                let mut lease = Lease::new(held);
                plans_serve(&mut lease, None).then_some(lease)
            }
            Fitness::Check | Fitness::Expired => {
                held.give_back();
                None
            }
        }
    }

    /// The figures of this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let now = Instant::now();
        let breaker = self.shared.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let state = (breaker.state(now), breaker.opened());
        drop(breaker);
        let config = &self.shared.config;
        self.shared.counters.snapshot(config.max_size.get(), self.shared.gate.census(now), state)
    }

    /// Sets how many connections may exist from now on. Surplus that idles is closed now, surplus that is lent when it
    /// comes back; new room goes to those who wait. An adaptive pool goes on from there.
    pub fn resize(&self, size: NonZeroU32) {
        let after = self.shared.gate.resize(size.get());
        self.shared.settle(after);
    }

    /// Closes the pool with a grace of 30 s; see [`Pool::close_within`].
    ///
    /// # Cancel safety
    /// That of [`Pool::close_within`].
    pub async fn close(&self) -> CloseReport {
        self.close_within(CLOSE_GRACE).await
    }

    /// Turns away everybody who waits, lends nothing more, closes what idles, and waits up to `grace` for what is lent.
    /// Leases that come back later are closed then; the report names them.
    ///
    /// # Cancel safety
    /// The pool stays closed; leases that come back are closed.
    pub async fn close_within(&self, grace: Duration) -> CloseReport {
        let shared = &self.shared;
        let mut after = shared.gate.close();
        after.wake_all();
        let goodbyes = after.retire.drain(..).map(|conn| {
            tally(&shared.counters.closes);
            shared.store.retire(conn.live)
        });
        let drained = poll_fn(|context| shared.gate.poll_drained(context));
        let _ = timeout(grace, join3(join_all(goodbyes), drained, shared.side.close())).await;
        let now = Instant::now();
        let abandoned = shared.gate.holders().into_iter().map(|holder| AbandonedLease {
            taken_at: holder.label.site,
            held: now.saturating_duration_since(holder.since),
            backend: holder.backend,
        });
        CloseReport { abandoned: abandoned.collect() }
    }

    /// How many connections there are, lent, idle and being opened.
    #[must_use]
    pub fn size(&self) -> u32 {
        let stats = self.stats();
        stats.in_use + stats.idle + stats.opening
    }

    /// How many connections idle.
    #[must_use]
    pub fn num_idle(&self) -> usize {
        self.stats().idle as usize
    }

    /// Whether [`Pool::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.gate.is_closed()
    }

    /// The same pool for somebody on whose behalf statements are run: each connection that this handle lends carries these
    /// settings and acts in their role, whichever way it is used: `&pool` as an executor, [`run`](Self::run),
    /// [`acquire`](Self::acquire), [`begin`](Self::begin), a [`Loader`](crate::Loader). They replace those of the handle
    /// that this is called on. Cheap to make and to clone; the other handles go on without.
    ///
    /// Setting them takes one round trip, after the connection was acquired. In a transaction that the pool begins they hold
    /// until its end, elsewhere until the session is reset. It is [`Reset`] in the background when the lease ends, however it
    /// ends, after a transaction too: a function that was called in it may have set more, and for longer. What the settings are for must not be able to change them: whoever runs SQL of
    /// their own on the lease may set others, or act as the login again.
    ///
    /// What a session has planned for one role it forgets before another works in it, as a plan would not ask again whether
    /// that one may call a function in it: one more round trip where the role is another than the connection's last.
    ///
    /// Behind a pooler that gives each transaction another session, only transactions can carry them. Where the pool is told
    /// by [`Reset::Never`] that sessions are not its own, leases and single statements are refused
    /// ([`Error::SharedSession`]); so they are by any pool whose session turns out to be another than the one it opened.
    /// [`Lease::detach`] keeps the settings in the connection.
    ///
    /// ```no_run
    /// # async fn example(pool: &db_pool::Pool) -> Result<(), Box<dyn std::error::Error>> {
    /// use db_pool::SessionSettings;
    ///
    /// let alice = pool.with_session(SessionSettings::new().set("cairn.actor", "alice")?.role("clerk")?);
    /// sqlx::query("UPDATE tasks SET priority = 1 WHERE title = $1").bind("ship").execute(&alice).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What acquires or begins on it fails with [`Error::Role`] where the server refuses the role, with
    /// [`Error::Statement`] where it refuses the settings, and with [`Error::StatementTimeout`] where it does not
    /// answer within what the acquire timeout leaves.
    #[must_use]
    pub fn with_session(&self, settings: SessionSettings) -> Self {
        let session = (!settings.is_empty()).then(|| Arc::new(settings));
        Self { shared: Arc::clone(&self.shared), session }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn into_parts(self) -> (Arc<Shared>, Option<Arc<SessionSettings>>) {
        (self.shared, self.session)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish()
    }
}

/// Lends a connection that carries what the handle says.
pub(crate) async fn acquire(
    pool: Pool,
    options: AcquireOptions,
    site: &'static Location<'static>,
) -> Result<Lease, Error> {
    match pool.session {
        None => {
            let mut lease = lend(pool.shared, options, site).await?;
            if !plans_serve(&mut lease, None) {
                Box::pin(forget_plans(&mut lease, None)).await?;
            }
            Ok(lease)
        }
        Some(session) => Box::pin(lend_as(pool.shared, session, options, site)).await,
    }
}

/// The same with settings, all within the deadline. Whatever is dropped or fails after the lease was had, the lease sees to
/// it that the session is reset.
async fn lend_as(
    shared: Arc<Shared>,
    session: Arc<SessionSettings>,
    options: AcquireOptions,
    site: &'static Location<'static>,
) -> Result<Lease, Error> {
    // Whoever never resets may stand behind a pooler, where another client has the session next.
    if shared.config.reset == Reset::Never {
        return Err(Error::SharedSession);
    }
    let started = Instant::now();
    let deadline = options.deadline(&shared, started);
    let mut lease = lend(shared, options, site).await?;
    match timeout_at(deadline.into(), dress(&mut lease, &session)).await {
        Ok(dressed) => dressed.map(|()| lease),
        Err(_) => {
            let limit = deadline.saturating_duration_since(started);
            Err(Error::StatementTimeout { shape: "SELECT set_config".to_owned(), limit })
        }
    }
}

/// The road of every request. Nothing is allocated, no timer is set and nothing is spawned while an idle connection is
/// there and fresh. The session is as the server makes it.
pub(crate) async fn lend(
    mut shared: Arc<Shared>,
    options: AcquireOptions,
    site: &'static Location<'static>,
) -> Result<Lease, Error> {
    let label = Checkout::by_caller(site);
    let mut deadline = None;
    loop {
        let now = shared.clock.now();
        let (conn, seat) = {
            let mut waiting = Waiting { shared: &shared, options, label, now, deadline, queued: None };
            let asked = poll_fn(|context| Poll::Ready(Pin::new(&mut waiting).poll(context))).await;
            deadline = waiting.deadline;
            match asked {
                Poll::Ready(answer) => answer.map_err(|refusal| refused(refusal, &shared, deadline))?,
                Poll::Pending => wait(waiting).await?,
            }
        };
        let held = Held::new(shared, conn, seat);
        match held.shared().fitness(held.conn(), now) {
            Fitness::Fresh => return Ok(Lease::new(held)),
            // However short a life is configured, a connection that was just opened is lent once.
            Fitness::Expired if held.conn().is_new() => return Ok(Lease::new(held)),
            Fitness::Expired => {
                shared = Arc::clone(held.shared());
                shared.say_goodbye(held.take());
            }
            Fitness::Check => {
                shared = Arc::clone(held.shared());
                let until = *deadline.get_or_insert_with(|| options.deadline(&shared, Instant::now()));
                if let Some(held) = Box::pin(check(held, until)).await {
                    return Ok(Lease::new(held));
                }
            }
        }
    }
}

/// Asks a connection that idled for long whether it is alive; one that is not, or not by the deadline, is closed.
///
/// # Cancel safety
/// A dropped future closes the connection and gives its seat up.
async fn check(held: Held, deadline: Instant) -> Option<Held> {
    let (place, conn) = held.part();
    let Conn { live, identity, opened, open_took, expires, idle_since, epoch, plans_of } = *conn;
    let answer = timeout_at(deadline.into(), place.shared().store.check(live)).await;
    let live = answer.ok().flatten()?;
    Some(place.join(Box::new(Conn {
        live,
        identity,
        opened,
        open_took,
        expires,
        idle_since,
        epoch,
        plans_of,
    })))
}

/// Waits in the queue until the deadline.
async fn wait(waiting: Waiting<'_>) -> Result<(Box<Conn>, Seat), Error> {
    let (shared, label) = (waiting.shared, waiting.label);
    let Some((Queued { since, returns, .. }, deadline)) = waiting.queued.zip(waiting.deadline) else {
        return waiting.await.map_err(|refusal| refused(refusal, shared, None));
    };
    let patience = deadline.saturating_duration_since(since);
    let answer = if patience >= OWN_TIMER && shared.sweeper.watches() {
        Ok(waiting.await)
    } else {
        timeout_at(deadline.into(), waiting).await
    };
    if let Some(recorder) = &shared.config.recorder {
        recorder.timing("db.client.connection.wait_time", &[shared.label()], since.elapsed());
    }
    match answer {
        Ok(Ok(taken)) => Ok(taken),
        Ok(Err(Refusal::Overdue)) | Err(_) => Err(gave_up(shared, label, since, returns)),
        Ok(Err(refusal)) => Err(refused(refusal, shared, Some(deadline))),
    }
}

/// A request, in the queue once it was polled in vain. Dropped, it leaves.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    options: AcquireOptions,
    label: Checkout,
    now: Instant,
    /// Set when there is something to wait for.
    deadline: Option<Instant>,
    queued: Option<Queued>,
}

/// A place in the queue.
#[derive(Clone, Copy)]
struct Queued {
    key: Key,
    since: Instant,
    returns: u64,
}

impl Future for Waiting<'_> {
    type Output = Answer<Box<Conn>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (shared, options) = (this.shared, this.options);
        if let Some(queued) = this.queued {
            let answer = shared.gate.poll(queued.key, context);
            if answer.is_ready() {
                this.queued = None;
            }
            return answer;
        }
        let deadline = &mut this.deadline;
        let exact = || {
            let now = Instant::now();
            (now, *deadline.get_or_insert_with(|| options.deadline(shared, now)))
        };
        match shared.gate.ask(this.label, options.priority, this.now, exact, context.waker()) {
            Asked::Answered(answer) => Poll::Ready(answer),
            Asked::Queued { key, open, since, returns } => {
                this.queued = Some(Queued { key, since, returns });
                if open > 0 {
                    opener::start(shared, open);
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(queued) = self.queued.take() {
            let after = self.shared.gate.leave(queued.key, Instant::now());
            self.shared.settle(after);
        }
    }
}

fn refused(refusal: Refusal<Error>, shared: &Shared, deadline: Option<Instant>) -> Error {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    match refusal {
        Refusal::Closed => Error::Closed,
        Refusal::Full => Error::QueueFull { waiting: shared.config.max_waiting.get() },
        Refusal::Late { expected } => Error::TooLate { expected, left: left.unwrap_or_default() },
        // Only of those who wait, and `wait` tells it with more.
        Refusal::Overdue => Error::TooLate { expected: Duration::ZERO, left: Duration::ZERO },
        Refusal::Standing { waited } => Error::Shed { waited },
        Refusal::Open(error) => error,
    }
}

/// Names what kept a request from being served within its deadline.
#[cold]
fn gave_up(shared: &Shared, label: Checkout, since: Instant, returns: u64) -> Error {
    let waited = since.elapsed();
    tally(&shared.counters.timeouts);
    if let Some(recorder) = &shared.config.recorder {
        recorder.count("db.client.connection.timeouts", &[shared.label()], 1);
    }
    let census = shared.gate.census(Instant::now());
    // Futures that one task runs side by side share its number, so only a pool in which nothing has moved is stuck.
    if census.lent >= census.limit
        && census.returns == returns
        && let Some(own) = shared.gate.holders().into_iter().find(|holder| holder.label.who == label.who)
    {
        return Error::SelfDeadlock {
            waited,
            wanted_at: label.site,
            held_at: own.label.site,
            held_for: own.since.elapsed(),
        };
    }
    Error::Exhausted {
        waited,
        in_use: census.lent,
        max: census.limit,
        opening: census.opening,
        waiting: census.waiting + 1,
        last_failure: shared.last_failure_since(Some(since)).map(Box::new),
    }
}
