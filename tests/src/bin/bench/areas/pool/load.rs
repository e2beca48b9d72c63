//! Puts a load on a pool: tasks that do the same thing over and over for a while, and what it costs this process.

use crate::Failure;
use rustix::time::{ClockId, clock_gettime};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep_until};

/// Rows of the table that is read; keys go from 1 to this.
pub(super) const ROWS: u32 = 100_000;

/// What a task of the load asks before each round.
pub(super) struct Rounds {
    over: Arc<AtomicBool>,
    random: u64,
}

impl Rounds {
    /// Whether to go on for another round.
    pub(super) fn go_on(&self) -> bool {
        !self.over.load(Relaxed)
    }

    /// A key by chance, the same ones in every run (`SplitMix64`: Steele, Lea, Flood 2014).
    pub(super) fn key(&mut self) -> i64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::from((mixed >> 40) as u32 % ROWS) + 1
    }
}

/// What came of a load.
pub(super) struct Load<T> {
    /// What each task answered with.
    pub(super) answers: Vec<T>,
    pub(super) took: Duration,
    /// Processor time of this process.
    pub(super) cpu: Duration,
}

impl Load<u64> {
    pub(super) fn per_second(&self) -> f64 {
        self.total() / self.took.as_secs_f64()
    }

    /// Processor time of this process, in nanoseconds, for each of what the tasks have counted.
    pub(super) fn cpu_nanos(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.total()
    }

    fn total(&self) -> f64 {
        self.answers.iter().map(|rounds| *rounds as f64).sum()
    }
}

/// Runs so many tasks on the current runtime's workers until the time is over.
pub(super) async fn load<T, F>(
    tasks: u32,
    time: Duration,
    mut task: impl FnMut(Rounds) -> F,
) -> Result<Load<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let over = Arc::new(AtomicBool::new(false));
    let mut running = JoinSet::new();
    let (started, cpu_before) = (Instant::now(), cpu_time());
    for number in 0..tasks {
        running.spawn(task(Rounds { over: Arc::clone(&over), random: u64::from(number) << 32 }));
    }
    // The time that is measured.
    sleep_until(tokio::time::Instant::now() + time).await;
    over.store(true, Relaxed);
    let mut answers = Vec::with_capacity(tasks as usize);
    while let Some(answer) = running.join_next().await {
        answers.push(answer??);
    }
    Ok(Load { answers, took: started.elapsed(), cpu: cpu_time().saturating_sub(cpu_before) })
}

/// What this process has used of the processors.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}
