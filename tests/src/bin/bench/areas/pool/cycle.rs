//! What a pool itself costs: taking a connection that idles and giving it back, without a word to the server.
//!
//! deadpool's objects are nothing at all; ours are real connections, since the pool knows no others.

use super::{
    bed::Bed,
    load::{Load, load},
    peers,
};
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_pool::{Lease, Pool};
use deadpool::managed::{Manager, Metrics, Object, RecycleResult};
use std::{
    convert::Infallible,
    future::Future,
    num::NonZeroU32,
    time::{Duration, Instant},
};
use tokio::task::yield_now;

const PAIRS: usize = 7;
/// Long enough for every one of many tasks to come round often, on a busy machine too.
const TIME: Duration = Duration::from_millis(400);
const SIZE: u32 = 8;

const ONE: Work = Work {
    area: "pool",
    work: "cycle, 1 task (to be 100 or less)",
    peer: Some("deadpool, nothing inside"),
    unit: "ns of CPU",
    better: Better::Lower,
    goal: Some(1.67),
};
const CPU: Work = Work { work: "cycle over a yield, 16 tasks on 8", goal: Some(0.91), ..ONE };
const FAIRNESS: Work = Work {
    work: "least/most served of 16 tasks on 8 (to be 50 or more)",
    unit: "%",
    better: Better::Higher,
    goal: None,
    ..ONE
};
const TAIL: Work = Work {
    work: "p99 of the wait, 16 tasks on 8 (to be 200 or less)",
    unit: "% of p50",
    better: Better::Lower,
    goal: None,
    ..ONE
};
const MANY: [Work; 3] = [
    Work { work: "cycle over a yield, 256 tasks on 8", ..CPU },
    Work { work: "least/most served of 256 tasks on 8 (to be 50 or more)", ..FAIRNESS },
    Work { work: "p99 of the wait, 256 tasks on 8 (to be 200 or less)", ..TAIL },
];

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let size = NonZeroU32::new(SIZE).ok_or("the size is not zero")?;
    let ours = Pool::connect(&peers::config(bed.url())?.max_size(size).min_size(SIZE)).await?;
    let theirs = Theirs::builder(Nothing).max_size(SIZE as usize).build()?;
    let mut rows =
        in_turns([ONE], PAIRS, async || Ok([alone(&ours).await?]), async || Ok([alone(&theirs).await?]))
            .await?;
    for (tasks, works) in [(16, [CPU, FAIRNESS, TAIL]), (256, MANY)] {
        rows.extend(
            in_turns(works, PAIRS, async || crowd(&ours, tasks).await, async || crowd(&theirs, tasks).await)
                .await?,
        );
    }
    Ok(rows)
}

/// A pool to take from and give back to.
pub(super) trait Cycles: Clone + Send + Sync + 'static {
    /// Dropped, it goes back.
    type Taken: Send;

    /// Takes one of what idles, or waits in line.
    fn take(&self) -> impl Future<Output = Result<Self::Taken, Failure>> + Send;
}

impl Cycles for Pool {
    type Taken = Lease;

    async fn take(&self) -> Result<Lease, Failure> {
        Ok(self.acquire().await?)
    }
}

impl Cycles for Theirs {
    type Taken = Object<Nothing>;

    async fn take(&self) -> Result<Object<Nothing>, Failure> {
        Ok(self.get().await?)
    }
}

type Theirs = deadpool::managed::Pool<Nothing>;

/// deadpool's manager of nothing.
#[derive(Debug)]
pub(super) struct Nothing;

impl Manager for Nothing {
    type Type = ();
    type Error = Infallible;

    async fn create(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn recycle(&self, (): &mut (), _metrics: &Metrics) -> RecycleResult<Infallible> {
        Ok(())
    }
}

/// One task, nothing in between: processor time of a cycle in nanoseconds.
pub(super) async fn alone(pool: &impl Cycles) -> Result<f64, Failure> {
    let load: Load<u64> = load(1, TIME, |rounds| {
        let pool = pool.clone();
        async move {
            let mut cycles = 0;
            while rounds.go_on() {
                drop(pool.take().await?);
                cycles += 1;
            }
            Ok(cycles)
        }
    })
    .await?;
    Ok(load.cpu_nanos())
}

/// More tasks than connections, each held over one yield: processor time, fairness in percent, and the 99th percentile of
/// the wait in percent of the median. The waits are taken in a run of their own, since reading the clock costs too.
async fn crowd(pool: &impl Cycles, tasks: u32) -> Result<[f64; 3], Failure> {
    let counted: Load<u64> = load(tasks, TIME, |rounds| {
        let pool = pool.clone();
        async move {
            let mut cycles = 0;
            while rounds.go_on() {
                let taken = pool.take().await?;
                yield_now().await;
                drop(taken);
                cycles += 1;
            }
            Ok(cycles)
        }
    })
    .await?;
    let least = counted.answers.iter().min().copied().unwrap_or_default();
    let most = counted.answers.iter().max().copied().unwrap_or(1);
    let timed: Load<Vec<Duration>> = load(tasks, TIME, |rounds| {
        let pool = pool.clone();
        async move {
            let mut waits = Vec::with_capacity(1 << 16);
            while rounds.go_on() {
                let asked = Instant::now();
                let taken = pool.take().await?;
                waits.push(asked.elapsed());
                yield_now().await;
                drop(taken);
            }
            Ok(waits)
        }
    })
    .await?;
    Ok([counted.cpu_nanos(), least as f64 / most as f64 * 100.0, tail(timed.answers)])
}

/// The 99th percentile in percent of the median.
fn tail(waits: Vec<Vec<Duration>>) -> f64 {
    let mut waits: Vec<Duration> = waits.into_iter().flatten().collect();
    waits.sort_unstable();
    let at = |percent: usize| waits.get(waits.len() * percent / 100).map_or(f64::NAN, Duration::as_secs_f64);
    at(99) / at(50) * 100.0
}

#[cfg(test)]
mod tests {
    use super::tail;
    use std::time::Duration;

    #[test]
    fn the_tail_is_measured_by_the_median() {
        let waits = (1..=99).chain([300]).map(Duration::from_micros).collect();
        assert!((tail(vec![waits]) - 30_000.0 / 51.0).abs() < 1e-6);
    }
}
