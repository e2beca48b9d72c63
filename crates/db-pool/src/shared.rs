//! What every clone of a pool and every lease share.

use crate::{
    ConnectError, Error, PoolConfig, Store,
    clock::Clock,
    conn::Conn,
    gate::{After, Gate, Rules},
    life::{
        ages::{Ages, Fitness},
        breaker::Breaker,
        budget::Budget,
        leaks::Checkout,
        opener,
        sweeper::Sweeper,
    },
    recover::side::Side,
    stats::{Counters, tally},
    store::connector::{Connector, describe},
};
use db_core::Label;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};
use tokio::{runtime::Handle, time::timeout};

pub(crate) struct Shared {
    pub(crate) gate: Gate<Box<Conn>, Checkout, Error>,
    pub(crate) config: PoolConfig,
    pub(crate) ages: Ages,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) side: Side,
    pub(crate) sweeper: Sweeper,
    /// Where tasks of the pool run, wherever a lease is dropped.
    pub(crate) runtime: Handle,
    pub(crate) counters: Counters,
    pub(crate) budget: Mutex<Budget>,
    pub(crate) breaker: Mutex<Breaker>,
    /// Counts the times that a prepared statement turned out to belong to an older schema.
    pub(crate) epoch: AtomicU64,
    /// What the server grants to ordinary users; zero while it is not known.
    pub(crate) server_connections: AtomicU32,
    /// When a connection was last found broken, on the pool's clock; zero while none was.
    broken: AtomicU64,
    last_failure: Mutex<Option<(Instant, ConnectError)>>,
    name: String,
}

impl Shared {
    pub(crate) fn new(config: PoolConfig, store: Arc<dyn Store>, limit: u32) -> Self {
        let rules =
            Rules { limit, max_waiting: config.max_waiting.get(), aging: config.aging, codel: config.codel };
        Self {
            gate: Gate::new(rules),
            ages: Ages { check_after: config.check_after, idle_timeout: config.idle_timeout },
            clock: Clock::new(),
            store,
            side: Side::new(Connector::new(&config), config.reset_timeout),
            sweeper: Sweeper::default(),
            runtime: Handle::current(),
            counters: Counters::default(),
            budget: Mutex::new(Budget::new(config.connects_per_second)),
            breaker: Mutex::new(Breaker::new(config.breaker)),
            epoch: AtomicU64::new(0),
            server_connections: AtomicU32::new(0),
            broken: AtomicU64::new(0),
            last_failure: Mutex::new(None),
            name: config.name.clone().unwrap_or_else(|| describe(&config.connect)),
            config,
        }
    }

    /// Does what the gate has left to do.
    pub(crate) fn settle(self: &Arc<Self>, mut after: After<Box<Conn>>) {
        after.wake_all();
        if after.is_done() && self.config.recorder.is_none() {
            return;
        }
        self.settle_rest(after);
    }

    #[cold]
    fn settle_rest(self: &Arc<Self>, after: After<Box<Conn>>) {
        if after.open > 0 {
            opener::start(self, after.open);
        }
        for conn in after.retire {
            self.retire(conn);
        }
        if let (Some(recorder), Some(held)) = (&self.config.recorder, after.ended) {
            recorder.timing("db.client.connection.use_time", &[self.label()], held);
        }
        if let Some(held) = after.ended.filter(|_| after.reported) {
            tracing::info!(?held, "a lease that was reported as held for too long has come back");
        }
    }

    /// Closes a connection politely, in the background, and counts it.
    pub(crate) fn retire(self: &Arc<Self>, conn: Box<Conn>) {
        tally(&self.counters.closes);
        self.say_goodbye(conn);
    }

    /// Closes a connection politely, in the background; whoever took it from its seat has counted it.
    pub(crate) fn say_goodbye(self: &Arc<Self>, conn: Box<Conn>) {
        let shared = Arc::clone(self);
        let limit = self.config.check_timeout * 2;
        self.runtime.spawn(async move { timeout(limit, shared.store.retire(conn.live)).await });
    }

    /// A connection that its last user left unusable is about to be closed: no goodbye, the server sees the socket close.
    pub(crate) fn discarding(&self, conn: &Conn) {
        tally(&self.counters.discards);
        tracing::debug!(
            backend = conn.identity.map(|identity| identity.pid),
            "a connection came back unusable and is closed"
        );
    }

    /// A connection broke under a statement: those that idled at that time may be broken as well, and are asked before they
    /// are lent again.
    pub(crate) fn suspect_idle(&self) {
        self.broken.fetch_max(self.clock.since_start(Instant::now()), Relaxed);
    }

    /// What to do with a connection that is about to be lent.
    pub(crate) fn fitness(&self, conn: &Conn, now: Instant) -> Fitness {
        let fitness = self.ages.fitness(conn.expires, conn.idle_since, now);
        let broken = self.broken.load(Relaxed);
        if fitness == Fitness::Fresh && broken != 0 && self.clock.since_start(conn.idle_since) <= broken {
            return Fitness::Check;
        }
        fitness
    }

    pub(crate) fn failed_to_connect(&self, error: ConnectError) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), error));
    }

    /// The last failure to connect.
    pub(crate) fn last_failure(&self) -> Option<ConnectError> {
        self.last_failure_since(None)
    }

    /// The last failure to connect, if it happened since then.
    pub(crate) fn last_failure_since(&self, since: Option<Instant>) -> Option<ConnectError> {
        let last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .filter(|(when, _)| since.is_none_or(|since| *when >= since))
            .map(|(_, error)| error.clone())
    }

    /// Where the server is, without user or password.
    pub(crate) fn server(&self) -> String {
        describe(&self.config.connect)
    }

    /// Which pool a measurement is of.
    pub(crate) fn label(&self) -> Label<'_> {
        ("db.client.connection.pool.name", &self.name)
    }
}
