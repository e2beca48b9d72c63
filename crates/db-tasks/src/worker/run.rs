//! The four parts of a running worker: one claims, several run handlers, one settles (`settler`), one keeps the leases.
//!
//! Claims travel from the claimer to the runners and on to the settler through bounded channels. The end travels the
//! same way: the claimer stops, the runners find the first channel closed, the settler the second.

use super::{Failure, Handler, Progress, Report, Settings};
use crate::{Claim, Claimed, Ending, Error, Outcome, Reclaim, claim, extend, reclaim, worker::held::Held};
use chrono::Utc;
use db_core::{Classify, Retry};
use db_model::ErrorType;
use db_pool::Pool;
use futures_util::FutureExt;
use sqlx::Connection;
use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::{JoinError, JoinSet},
    time::sleep,
};

/// When a worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Forever,
    UntilDrained,
}

/// Attempts at a statement that the server may let through next time.
pub(super) const TRIES: u32 = 8;
/// How long a ready task that somebody else has locked is left alone.
const LOCKED: Duration = Duration::from_millis(20);
/// An outcome that a runner hands to the settler, with the output if there is one.
pub(super) type Finished<T> = (Outcome, Option<T>);

pub(crate) struct Run<H> {
    shared: Arc<Shared<H>>,
}

/// What the parts share.
pub(super) struct Shared<H> {
    pub(super) pool: Pool,
    pub(super) handler: H,
    pub(super) settings: Settings,
    pub(super) progress: Arc<Progress>,
    pub(super) held: Held,
}

impl<H: Handler> Run<H> {
    pub(crate) fn new(pool: Pool, handler: H, settings: Settings, progress: Arc<Progress>) -> Self {
        Self { shared: Arc::new(Shared { pool, handler, settings, progress, held: Held::default() }) }
    }

    pub(crate) async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<Report, Error> {
        let started = Instant::now();
        let shared = &self.shared;
        let settings = &shared.settings;
        shared.take_back().await?;
        let (stop, stopped) = watch::channel(false);
        let (claims, claimed) = mpsc::channel(settings.batch.get() as usize);
        let (outcomes, finished) = mpsc::channel(settings.batch.get() as usize);
        let claimed = Arc::new(Mutex::new(claimed));

        // Everything spawned lives in these sets, so a dropped `run` aborts it all.
        let mut parts = JoinSet::new();
        let mut runners = JoinSet::new();
        parts.spawn(Arc::clone(shared).claim_all(claims, stopped.clone()));
        for _ in 0..settings.concurrency.get() {
            runners.spawn(Arc::clone(shared).run_all(
                Arc::clone(&claimed),
                outcomes.clone(),
                stopped.clone(),
            ));
        }
        drop(outcomes);
        parts.spawn(Arc::clone(shared).settle_all(finished));
        let mut keeper = JoinSet::new();
        keeper.spawn(Arc::clone(shared).keep_leases());

        let mut shutdown = pin!(shutdown.fuse());
        let mut stopping = false;
        let mut aborted = false;
        let mut deadline = pin!(sleep(Duration::MAX));
        loop {
            tokio::select! {
                () = &mut shutdown, if !stopping => {
                    stopping = true;
                    let _ = stop.send(true);
                    deadline.set(sleep(settings.grace));
                }
                // Handlers that do not end are dropped; what they held is given back below.
                () = &mut deadline, if stopping && !aborted => {
                    aborted = true;
                    runners.abort_all();
                }
                part = parts.join_next() => match part {
                    Some(result) => flatten(result)?,
                    None => break,
                },
                Some(result) = runners.join_next() => ignore_abort(result),
            }
        }
        keeper.shutdown().await;
        shared.give_back().await?;
        Ok(shared.report(started.elapsed()))
    }
}

impl<H: Handler> Shared<H> {
    /// Claims as long as there is room, and sends the claims on.
    async fn claim_all(
        self: Arc<Self>,
        claims: mpsc::Sender<Claimed>,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), Error> {
        // Half a batch at a time keeps the runners busy while the next half is fetched.
        let step = (self.settings.batch.get() as usize).div_ceil(2);
        loop {
            let permits = tokio::select! {
                permits = claims.reserve_many(step) => permits,
                _ = stopped.wait_for(|&stop| stop) => return Ok(()),
            };
            // Every runner is gone: nobody is left to work.
            let Ok(permits) = permits else { return Ok(()) };
            let new = self.claim_some(step).await?;
            let nothing = new.is_empty();
            for (permit, task) in permits.zip(new) {
                permit.send(task);
            }
            if !nothing {
                continue;
            }
            // In this order: what was settled before the look is seen by it, and while nothing is held nothing settles.
            if self.settings.mode == Mode::UntilDrained && self.held.is_empty() {
                match self.next_ready().await? {
                    None => return Ok(()),
                    Some(after) => {
                        self.pause(after.clamp(LOCKED, self.settings.poll.max(LOCKED)), &mut stopped).await;
                    }
                }
            } else {
                self.pause(self.settings.poll, &mut stopped).await;
            }
        }
    }

    /// Waits until something was settled, it is time to look again, or the worker is told to stop.
    async fn pause(&self, longest: Duration, stopped: &mut watch::Receiver<bool>) {
        tokio::select! {
            () = self.held.settled.notified() => {}
            () = sleep(longest) => {}
            _ = stopped.wait_for(|&stop| stop) => {}
        }
    }

    async fn claim_some(&self, limit: usize) -> Result<Vec<Claimed>, Error> {
        let settings = &self.settings;
        let wanted = Claim {
            queue: &settings.queue,
            worker: &settings.name,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            lease: settings.lease,
        };
        let new = persist(|| async {
            let mut lease = self.pool.acquire().await?;
            claim(lease.vouched(), &wanted).await
        })
        .await?;
        self.held.add(new.iter().map(|task| (task.id, task.lease_token)));
        self.progress.claimed.fetch_add(new.len() as u64, Relaxed);
        Ok(new)
    }

    /// How long until the next task of the queue may be claimed; `None` when none ever will be.
    async fn next_ready(&self) -> Result<Option<Duration>, Error> {
        let seconds: Option<f64> = persist(|| async {
            let mut lease = self.pool.acquire().await?;
            claim::until_next(lease.vouched(), &self.settings.queue).await
        })
        .await?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::ZERO)))
    }

    /// Runs one claim after the other. After a stop what was not begun is released.
    async fn run_all(
        self: Arc<Self>,
        claims: Arc<Mutex<mpsc::Receiver<Claimed>>>,
        outcomes: mpsc::Sender<Finished<H::Output>>,
        stopped: watch::Receiver<bool>,
    ) {
        loop {
            let next = claims.lock().await.recv().await;
            let Some(task) = next else { return };
            let started_at = Utc::now();
            let (ending, output) =
                if *stopped.borrow() { (Ending::Released, None) } else { self.run_one(&task).await };
            let outcome = Outcome { task, ending, started_at, ended_at: Utc::now() };
            if outcomes.send((outcome, output)).await.is_err() {
                return;
            }
        }
    }

    async fn run_one(&self, task: &Claimed) -> (Ending, Option<H::Output>) {
        let run = AssertUnwindSafe(async {
            let output = self.handler.run(task).await?;
            let result = self.handler.result(&output);
            Ok((output, result))
        });
        let result = run.catch_unwind().await.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Failure::permanent(ErrorType::System, format!("the handler panicked: {text}")))
        });
        match result {
            Ok((output, result)) => (Ending::Completed { result }, Some(output)),
            Err(failure) => (failure.ending(task, chance(task)), None),
        }
    }

    /// Takes back tasks of this queue whose workers are gone.
    async fn take_back(&self) -> Result<(), Error> {
        let back = persist(|| async {
            let mut lease = self.pool.acquire().await?;
            let mut tx = lease.vouched().begin().await.map_err(Error::during("begin to take back tasks"))?;
            let back = reclaim(&mut tx, &self.settings.queue, Reclaim::Expired).await?;
            tx.commit().await.map_err(Error::during("commit what was taken back"))?;
            Ok(back)
        })
        .await?;
        self.progress.reclaimed.fetch_add(back.requeued + back.failed, Relaxed);
        if back.requeued > 0 {
            self.held.settled.notify_one();
        }
        Ok(())
    }

    /// Extends our leases, and takes back those of others that have ended, until it is aborted. A lease that could not be
    /// extended is found lost when it is settled.
    async fn keep_leases(self: Arc<Self>) {
        loop {
            sleep(self.settings.lease / 3).await;
            if let Err(error) = self.take_back().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "ended leases could not be taken back"
                );
            }
            let held = self.held.list();
            if held.is_empty() {
                continue;
            }
            let result = async {
                let mut lease = self.pool.acquire().await?;
                extend(lease.vouched(), &held, self.settings.lease).await
            };
            if let Err(error) = result.await {
                tracing::warn!(error = &error as &dyn std::error::Error, "leases could not be extended");
            }
        }
    }

    /// Gives back what nobody settled: claims of handlers that were dropped.
    async fn give_back(&self) -> Result<(), Error> {
        let held = self.held.list();
        if held.is_empty() {
            return Ok(());
        }
        let released = persist(|| async {
            let mut lease = self.pool.acquire().await?;
            claim::release(lease.vouched(), &held).await
        })
        .await?;
        self.progress.released.fetch_add(released, Relaxed);
        self.held.remove(held.iter().map(|(id, _)| id));
        Ok(())
    }

    fn report(&self, elapsed: Duration) -> Report {
        let progress = &self.progress;
        Report {
            claimed: progress.claimed.load(Relaxed),
            completed: progress.completed.load(Relaxed),
            failed: progress.failed.load(Relaxed),
            retried: progress.retried.load(Relaxed),
            released: progress.released.load(Relaxed),
            lost: progress.lost.load(Relaxed),
            reclaimed: progress.reclaimed.load(Relaxed),
            cancelled: progress.cancelled.load(Relaxed),
            elapsed,
        }
    }
}

/// Tries a statement again that runs by itself and may be repeated: claiming, looking, giving back.
async fn persist<T, F: Future<Output = Result<T, Error>>>(attempt: impl Fn() -> F) -> Result<T, Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt().await {
            Err(error) if tries < TRIES && error.retry() != Retry::Never => again(tries, &error).await,
            result => return result,
        }
    }
}

/// Waits a little longer each time: 50 ms, 100 ms … 3.2 s.
pub(super) async fn again(tries: u32, error: &Error) {
    tracing::debug!(tries, error = error as &dyn std::error::Error, "the queue tries again");
    sleep(Duration::from_millis(25 << tries.min(7))).await;
}

/// A number in [0, 1) that differs from task to task: enough to keep retries apart.
fn chance(task: &Claimed) -> f64 {
    f64::from(task.id.as_uuid().as_fields().0 ^ u32::from(task.id.as_uuid().as_bytes()[15]) << 24)
        / f64::from(u32::MAX)
}

fn flatten(result: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    match result {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Ok(()),
    }
}

fn ignore_abort(result: Result<(), JoinError>) {
    if let Err(error) = result
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
