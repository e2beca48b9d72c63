//! What it costs to be watched: a recorder, a slow-query threshold and a `tracing` subscriber, against none of them.

use super::{
    bed::Bed,
    peers::{self},
    select::selects,
};
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_core::{Label, Recorder};
use db_pool::{Pool, PoolConfig};
use std::{
    cell::RefCell,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};
use tracing::{Dispatch, Level, subscriber::DefaultGuard};

/// The difference is small, so there are many short pairs.
const PAIRS: usize = 25;
const TIME: Duration = Duration::from_millis(250);
const TASKS: u32 = 8;

const RATE: Work = Work {
    area: "pool",
    work: "watched: recorder, slow-query threshold, subscriber; 8 tasks",
    peer: Some("the same pool, unwatched"),
    unit: "queries/s",
    better: Better::Higher,
    goal: Some(0.98),
};
const CPU: Work = Work {
    work: "the same, processor time of the client",
    unit: "ns/query",
    better: Better::Lower,
    goal: None,
    ..RATE
};

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let config = peers::config(bed.url())?;
    let recorder = Arc::new(Counter::default());
    let seen = Arc::clone(&recorder) as Arc<dyn Recorder>;
    let watched = config.clone().recorder(seen).slow_threshold(Duration::from_secs(3600));
    let watched = Side::start(watched, Some(subscriber())).await?;
    let unwatched = Side::start(config, None).await?;
    let rows =
        in_turns([RATE, CPU], PAIRS, async || watched.rate().await, async || unwatched.rate().await).await;
    watched.stop();
    unwatched.stop();
    if recorder.0.load(Relaxed) == 0 {
        return Err("the recorder was told nothing".into());
    }
    rows
}

/// Counts what it is told, and keeps nothing of it.
#[derive(Default)]
struct Counter(AtomicU64);

impl Recorder for Counter {
    fn count(&self, _name: &'static str, _labels: &[Label<'_>], _n: u64) {
        self.0.fetch_add(1, Relaxed);
    }

    fn gauge(&self, _name: &'static str, _labels: &[Label<'_>], _value: f64) {
        self.0.fetch_add(1, Relaxed);
    }

    fn timing(&self, _name: &'static str, _labels: &[Label<'_>], _elapsed: Duration) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What a program has that logs at its usual level.
fn subscriber() -> Dispatch {
    tracing_subscriber::fmt().with_max_level(Level::INFO).with_writer(io::sink).finish().into()
}

thread_local! {
    static SUBSCRIBED: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// A pool on a runtime of its own, whose workers have the subscriber or have none.
struct Side {
    runtime: Runtime,
    pool: Pool,
}

impl Side {
    async fn start(config: PoolConfig, subscriber: Option<Dispatch>) -> Result<Self, Failure> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(super::WORKERS).enable_all();
        if let Some(subscriber) = subscriber {
            builder.on_thread_start(move || {
                SUBSCRIBED.set(Some(tracing::dispatcher::set_default(&subscriber)));
            });
        }
        let runtime = builder.build()?;
        let pool = runtime.spawn(async move { Pool::connect(&config).await }).await??;
        Ok(Self { runtime, pool })
    }

    async fn rate(&self) -> Result<[f64; 2], Failure> {
        let pool = self.pool.clone();
        let load = self.runtime.spawn(async move { selects(&pool, TASKS, TIME).await }).await??;
        Ok([load.per_second(), load.cpu_nanos()])
    }

    fn stop(self) {
        self.runtime.shutdown_background();
    }
}
