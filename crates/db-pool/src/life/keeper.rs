//! The pool's housekeeping, a task that looks in a few times a second at most: closes what idled for too long, renews what
//! is about to expire, keeps the minimum, follows the load, reports leaks, and passes the gauges on.

use super::{
    ages::ripe,
    leaks, opener,
    sizing::{self, Load, Memory},
};
use crate::{Sizing, conn::Conn, gate::Census, shared::Shared};
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest; what is timed more finely than this is done late by as much.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);
/// The side connection is closed after idling this long.
const SIDE_IDLE: Duration = Duration::from_secs(60);
/// How often the size may change.
const SIZING_WINDOW: Duration = Duration::from_secs(1);

/// Starts the keeper; it ends when the pool is closed or its last handle is dropped.
pub(crate) fn start(shared: &Arc<Shared>) {
    let every = interval(shared);
    let weak = Arc::downgrade(shared);
    shared.runtime.spawn(keep(weak, every));
}

fn interval(shared: &Shared) -> Duration {
    let config = &shared.config;
    // A connection is ripe for the last twentieth of its life: two looks at least must fall into that.
    let finest = [
        Some(config.idle_timeout / 4),
        Some(config.max_lifetime / 50),
        config.leak_threshold.map(|it| it / 4),
    ];
    finest.into_iter().flatten().min().unwrap_or(LOOK).clamp(SHORTEST_LOOK, LOOK)
}

async fn keep(weak: Weak<Shared>, every: Duration) {
    let mut sizer = Sizer::default();
    let renewing = Arc::new(AtomicBool::new(false));
    loop {
        sleep(every).await;
        let Some(shared) = weak.upgrade() else { return };
        if shared.gate.is_closed() {
            return;
        }
        let now = Instant::now();
        close_idle(&shared, now);
        renew(&shared, now, &renewing);
        opener::start(&shared, shared.gate.fill(shared.config.min_size));
        opener::start(&shared, shared.gate.wanted());
        leaks::report(&shared, now);
        sizer.follow(&shared, now);
        shared.side.close_idle(SIDE_IDLE);
        record(&shared, shared.gate.census(now));
    }
}

fn close_idle(shared: &Arc<Shared>, now: Instant) {
    let kept = shared.config.min_size;
    let gone = shared
        .gate
        .sift(|conn, left| now < conn.expires && !shared.ages.surplus(conn.idle_since, now, left, kept));
    gone.into_iter().for_each(|conn| shared.retire(conn));
}

/// Opens a successor for an idle connection that is about to expire, and only then closes the old one, so that callers
/// never wait for it. One at a time, and not against the limit: for that moment there may be one more.
fn renew(shared: &Arc<Shared>, now: Instant, renewing: &Arc<AtomicBool>) {
    let mut ready = false;
    // Nothing is taken out: the look alone needs the gate's lock.
    drop(shared.gate.sift(|conn, _| {
        ready |= is_ripe(conn, now);
        true
    }));
    if !ready || renewing.swap(true, Relaxed) {
        return;
    }
    let (shared, done) = (Arc::clone(shared), Done(Arc::clone(renewing)));
    shared.runtime.clone().spawn(async move {
        let _done = done;
        let Ok(successor) = opener::connect(&shared).await else { return };
        let now = Instant::now();
        let mut found = false;
        let old = shared.gate.sift(|conn, _| {
            let this = !found && is_ripe(conn, now);
            found |= this;
            !this
        });
        let useless = old.is_empty();
        old.into_iter().for_each(|conn| shared.retire(conn));
        let after = shared.gate.adopt(successor, now);
        shared.settle(after);
        if useless {
            // It is lent again and again: not to be tried at every look.
            sleep(shared.config.max_lifetime / 100).await;
        }
    });
}

fn is_ripe(conn: &Conn, now: Instant) -> bool {
    ripe(conn.opened, conn.expires, now)
}

/// Lets the next renewal begin, however this one ended.
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

/// Follows the load from window to window.
#[derive(Default)]
struct Sizer {
    memory: Memory,
    last: Option<(Instant, Census)>,
}

impl Sizer {
    fn follow(&mut self, shared: &Arc<Shared>, now: Instant) {
        if shared.config.sizing != Sizing::Adaptive {
            return;
        }
        let census = shared.gate.census(now);
        let Some((then, before)) = self.last.replace((now, census)) else { return };
        let window = now.saturating_duration_since(then);
        if window < SIZING_WINDOW.min(interval(shared)) {
            self.last = Some((then, before));
            return;
        }
        let load = Load {
            window,
            size: census.limit,
            min: shared.config.min_size,
            max: shared.config.max_size.get(),
            server_room: Some(shared.server_connections.load(Relaxed)).filter(|room| *room > 0),
            cores: available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            acquires: census.acquires.saturating_sub(before.acquires),
            busy: census.busy.saturating_sub(before.busy),
            waits: census.waits.saturating_sub(before.waits),
            waiting_now: census.waiting,
        };
        let size = sizing::decide(&load, &mut self.memory);
        if size != census.limit {
            tracing::debug!(from = census.limit, to = size, "the pool follows its load");
            let after = shared.gate.resize(size);
            shared.settle(after);
        }
    }
}

/// Gauges under OpenTelemetry's names; counted in connections and callers.
/// <https://opentelemetry.io/docs/specs/semconv/database/database-metrics/>
fn record(shared: &Shared, census: Census) {
    let Some(recorder) = &shared.config.recorder else { return };
    let pool = shared.label();
    let state = |state| [pool, ("db.client.connection.state", state)];
    recorder.gauge("db.client.connection.count", &state("idle"), census.idle.into());
    recorder.gauge("db.client.connection.count", &state("used"), census.lent.into());
    recorder.gauge("db.client.connection.max", &[pool], census.limit.into());
    recorder.gauge("db.client.connection.idle.min", &[pool], shared.config.min_size.into());
    recorder.gauge("db.client.connection.pending_requests", &[pool], census.waiting.into());
}
