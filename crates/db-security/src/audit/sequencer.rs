//! A task that gives events their places, signs what the log is, and tells witnesses.

mod options;
mod probe;
mod progress;

use super::{
    CheckpointSigner, Error, Sequenced, SignedCheckpoint, checkpoint, last_checkpoint,
    sequence::{Cursor, has_waiting, sequence_from},
};
use db_core::{Probe, with_causes};
use db_pool::Pool;
use futures_util::{FutureExt as _, future::join_all};
pub use options::SequencerOptions;
use parking_lot::Mutex;
use probe::SequencerProbe;
use progress::{Progress, Step, said};
use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// How long a batch may take, and a checkpoint, and a witness.
const STEP: Duration = Duration::from_secs(30);
const WITNESS: Duration = Duration::from_secs(10);
/// All of the inbox is looked through as often as this, in case something was passed over.
const WHOLE_EVERY: Duration = Duration::from_secs(600);
/// How long to wait after an error, at most.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Gives events their places for as long as it is there. Any number of processes may have one: one of them works, and the next goes on when
/// that is gone.
#[derive(Debug)]
pub struct Sequencer {
    shared: Arc<Shared>,
    ended: watch::Receiver<bool>,
    task: tokio::task::AbortHandle,
}

#[derive(Debug)]
struct Shared {
    pool: Pool,
    nudged: Notify,
    closing: watch::Sender<bool>,
    moved: AtomicU64,
    repeated: AtomicU64,
    erased: AtomicU64,
    refused: AtomicU64,
    checkpoints: AtomicU64,
    unkept: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
}

/// What is in its way.
#[derive(Clone, Debug)]
struct Trouble {
    what: String,
    since: Instant,
}

/// What a sequencer has done in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SequencerStats {
    /// Events that got their places.
    pub moved: u64,
    /// Events that were there already.
    pub repeated: u64,
    /// Events whose subject was erased after they happened: nobody reads what they say of the subject.
    pub erased: u64,
    /// Events that were put aside, as they cannot be moved.
    pub refused: u64,
    /// Checkpoints that were signed.
    pub checkpoints: u64,
    /// Times that a witness has not kept a checkpoint.
    pub unkept: u64,
}

impl Sequencer {
    /// Starts one.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use = "it ends when it is dropped"]
    pub fn start(pool: Pool, options: &SequencerOptions) -> Self {
        let (closing, closed) = watch::channel(false);
        let shared = Arc::new(Shared {
            pool,
            nudged: Notify::new(),
            closing,
            moved: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            erased: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            checkpoints: AtomicU64::new(0),
            unkept: AtomicU64::new(0),
            trouble: Mutex::new(None),
        });
        let (tell, ended) = watch::channel(false);
        let mut working = Working {
            shared: Arc::clone(&shared),
            options: options.clone(),
            cursor: Cursor::default(),
            whole_at: Instant::now() + WHOLE_EVERY,
            sign_at: Instant::now() + options.checkpoint_every,
            unkept: vec![None; options.witnesses.len()],
            has_told: false,
            backoff: options.interval,
        };
        let task = tokio::spawn(async move {
            working.run(closed).await;
            tell.send_replace(true);
        });
        Self { shared, ended, task: task.abort_handle() }
    }

    /// Has it look now rather than at the end of its interval.
    pub fn nudge(&self) {
        self.shared.nudged.notify_one();
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> SequencerStats {
        SequencerStats {
            moved: self.shared.moved.load(Relaxed),
            repeated: self.shared.repeated.load(Relaxed),
            erased: self.shared.erased.load(Relaxed),
            refused: self.shared.refused.load(Relaxed),
            checkpoints: self.shared.checkpoints.load(Relaxed),
            unkept: self.shared.unkept.load(Relaxed),
        }
    }

    /// A look at how it is, for whoever asks about health.
    #[must_use]
    pub fn probe(&self) -> Arc<dyn Probe> {
        Arc::new(SequencerProbe { shared: Arc::clone(&self.shared), ended: self.ended.clone() })
    }

    /// Moves what has committed, signs, and ends, within this time. Whether it was enough.
    ///
    /// # Cancel safety
    /// It ends when it is dropped, and what is left waits in the inbox.
    pub async fn close(self, within: Duration) -> bool {
        self.shared.closing.send_replace(true);
        let mut ended = self.ended.clone();
        matches!(tokio::time::timeout(within, ended.wait_for(|ended| *ended)).await, Ok(Ok(_)))
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        // A transaction that is under way is rolled back, and its events wait in the inbox.
        self.task.abort();
    }
}

/// The task.
struct Working {
    shared: Arc<Shared>,
    options: SequencerOptions,
    cursor: Cursor,
    whole_at: Instant,
    sign_at: Instant,
    /// For each witness the last checkpoint, where it has not kept that.
    unkept: Vec<Option<SignedCheckpoint>>,
    /// Whether the witnesses were told anything by this process.
    has_told: bool,
    backoff: Duration,
}

impl Working {
    async fn run(&mut self, mut closing: watch::Receiver<bool>) {
        loop {
            let is_last = *closing.borrow();
            // One event that nobody has thought of must not end it for all others.
            let worked = AssertUnwindSafe(self.work(is_last)).catch_unwind().await;
            if is_last {
                return;
            }
            let pause = match worked {
                Ok(Ok(Progress::More)) => Duration::ZERO,
                Ok(Ok(Progress::Drained)) => {
                    *self.shared.trouble.lock() = None;
                    self.backoff = self.options.interval;
                    self.options.interval
                }
                Ok(Err(error)) => {
                    self.trouble(with_causes(&error), matches!(error, Error::NotThere { .. }));
                    self.back_off()
                }
                Err(panic) => {
                    self.trouble(format!("a sequencer has panicked: {}", said(&*panic)), false);
                    self.cursor = Cursor::default();
                    self.back_off()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.nudged.notified() => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
    }

    fn back_off(&mut self) -> Duration {
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
        self.backoff
    }

    /// Moves what had committed as it began, and signs it when that is due, however much comes meanwhile.
    async fn work(&mut self, is_last: bool) -> Result<Progress, Error> {
        if Instant::now() >= self.whole_at {
            self.cursor = Cursor::default();
            self.whole_at = Instant::now() + WHOLE_EVERY;
        }
        loop {
            let step = within(self.step()).await?;
            if step == Step::OfPass && Instant::now() >= self.sign_at {
                self.sign_in_time().await?;
            }
            let progress = match step {
                Step::OfPass if is_last || !*self.shared.closing.borrow() => continue,
                Step::OfPass | Step::PassEnded => Progress::More,
                Step::Quiet => Progress::Drained,
            };
            if is_last || Instant::now() >= self.sign_at {
                self.sign_in_time().await?;
            }
            return Ok(progress);
        }
    }

    async fn sign_in_time(&mut self) -> Result<(), Error> {
        self.sign_at = Instant::now() + self.options.checkpoint_every;
        within(self.sign()).await
    }

    /// Moves one batch.
    async fn step(&mut self) -> Result<Step, Error> {
        let mut lease = self.shared.pool.acquire().await?;
        if !has_waiting(lease.vouched(), &self.cursor).await? {
            return Ok(Step::Quiet);
        }
        drop(lease);
        let mut tx = self.shared.pool.begin().await?;
        // What the transaction does not keep is not known.
        let mut cursor = self.cursor.clone();
        let (master, max_events) = (self.options.master.as_ref(), self.options.max_events);
        let done = sequence_from(&mut tx, master, max_events, &mut cursor, self.options.clock).await?;
        let Sequenced::Moved { events, repeated, erased, refused, is_drained, .. } = done else {
            return Ok(Step::Quiet);
        };
        tx.commit().await?;
        self.cursor = cursor;
        self.shared.moved.fetch_add(events, Relaxed);
        self.shared.repeated.fetch_add(repeated, Relaxed);
        self.shared.erased.fetch_add(erased, Relaxed);
        self.shared.refused.fetch_add(refused, Relaxed);
        Ok(match is_drained {
            false => Step::OfPass,
            true if events + repeated >= u64::from(max_events) => Step::PassEnded,
            true => Step::Quiet,
        })
    }

    async fn sign(&mut self) -> Result<(), Error> {
        let Some(signer) = &self.options.signer else { return Ok(()) };
        let mut tx = self.shared.pool.begin().await?;
        let signed = checkpoint(&mut tx, signer).await?;
        tx.commit().await?;
        if signed.is_some() {
            self.shared.checkpoints.fetch_add(1, Relaxed);
        }
        // Whoever signed the last one may have died before it told anybody.
        let signed = match signed {
            None if !self.has_told && !self.options.witnesses.is_empty() => self.last_signed(signer).await?,
            signed => signed,
        };
        self.has_told = true;
        if let Some(signed) = signed {
            // It says all that an older one did.
            self.unkept.fill(Some(signed));
        }
        let keeping = self.options.witnesses.iter().zip(&mut self.unkept).map(|(witness, unkept)| async {
            let Some(signed) = unkept else { return None };
            let why = match tokio::time::timeout(WITNESS, witness.keep(signed)).await {
                Ok(Ok(())) => {
                    *unkept = None;
                    return None;
                }
                Ok(Err(error)) => with_causes(&*error),
                Err(_) => format!("it took more than {WITNESS:?}"),
            };
            tracing::error!(witness = witness.name(), why, "a witness has not kept a checkpoint");
            Some(why)
        });
        let failed = join_all(keeping).await.into_iter().flatten().count();
        self.shared.unkept.fetch_add(failed as u64, Relaxed);
        Ok(())
    }

    /// The last checkpoint that is there, where it is by this key.
    async fn last_signed(&self, signer: &CheckpointSigner) -> Result<Option<SignedCheckpoint>, Error> {
        let mut lease = self.shared.pool.acquire().await?;
        let last = last_checkpoint(lease.vouched()).await?;
        Ok(last.filter(|last| signer.verifier().verify(last).is_ok()))
    }

    fn trouble(&self, what: String, is_not_there: bool) {
        // Before the migrations there is nothing that could wait, and whoever asks about health looks for the log first.
        if is_not_there {
            return;
        }
        let mut trouble = self.shared.trouble.lock();
        if trouble.as_ref().is_none_or(|trouble| trouble.what != what) {
            tracing::error!(error = what, "events get no places in the audit log and wait in the inbox");
            *trouble = Some(Trouble { what, since: Instant::now() });
        }
    }
}

/// A step within its time.
async fn within<T>(step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(STEP, step).await {
        Ok(done) => done,
        Err(_) => Err(Error::Away { waited: STEP }),
    }
}
