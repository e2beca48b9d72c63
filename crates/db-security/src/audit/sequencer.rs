//! A task that gives events their places, signs what the log is, and tells witnesses.

use super::{
    CheckpointSigner, Error, MasterKey, Sequenced, SignedCheckpoint, Witness, checkpoint,
    log::state,
    sequence::{Cursor, has_waiting, sequence_from},
};
use async_trait::async_trait;
use db_core::{Finding, Probe, Status, with_causes};
use db_pool::Pool;
use parking_lot::Mutex;
use std::{
    fmt,
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
/// Events that have waited for longer than this are worth a look.
const SLOW: Duration = Duration::from_secs(60);

/// How a sequencer works.
#[derive(Clone, Debug)]
#[must_use]
pub struct SequencerOptions {
    interval: Duration,
    max_events: u32,
    master: Option<MasterKey>,
    signer: Option<CheckpointSigner>,
    checkpoint_every: Duration,
    witnesses: Vec<Arc<dyn Witness>>,
}

impl Default for SequencerOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            max_events: 10_000,
            master: None,
            signer: None,
            checkpoint_every: Duration::from_secs(60),
            witnesses: Vec::new(),
        }
    }
}

impl SequencerOptions {
    /// Looks twice a second, moves at most 10,000 events at once, and with a key signs once a minute.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often to look for events.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How many events to move in one transaction.
    pub fn max_events(mut self, events: u32) -> Self {
        self.max_events = events.max(1);
        self
    }

    /// Encrypts what triggers find personal; without it that waits in the inbox.
    pub fn master_key(mut self, master: MasterKey) -> Self {
        self.master = Some(master);
        self
    }

    /// Signs what the log is by this key.
    pub fn signer(mut self, signer: CheckpointSigner) -> Self {
        self.signer = Some(signer);
        self
    }

    /// How often to sign, when the log has grown.
    pub fn checkpoint_every(mut self, every: Duration) -> Self {
        self.checkpoint_every = every;
        self
    }

    /// Keeps checkpoints elsewhere.
    pub fn witness(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witnesses.push(witness);
        self
    }
}

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
            unkept: None,
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
            checkpoints: self.shared.checkpoints.load(Relaxed),
            unkept: self.shared.unkept.load(Relaxed),
        }
    }

    /// A look at how it is, for whoever asks about health.
    #[must_use]
    pub fn probe(&self) -> Arc<dyn Probe> {
        Arc::new(SequencerProbe { shared: Arc::clone(&self.shared) })
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
    /// The last checkpoint, where a witness has not kept it.
    unkept: Option<SignedCheckpoint>,
    backoff: Duration,
}

impl Working {
    async fn run(&mut self, mut closing: watch::Receiver<bool>) {
        loop {
            let is_last = *closing.borrow();
            let worked = self.work(is_last).await;
            if is_last {
                return;
            }
            let pause = match worked {
                Ok(()) => {
                    *self.shared.trouble.lock() = None;
                    self.backoff = self.options.interval;
                    self.options.interval
                }
                Err(error) => {
                    self.trouble(&error);
                    self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
                    self.backoff
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.nudged.notified() => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
    }

    /// Moves all there is, and signs it when that is due.
    async fn work(&mut self, is_last: bool) -> Result<(), Error> {
        if Instant::now() >= self.whole_at {
            self.cursor = Cursor::default();
            self.whole_at = Instant::now() + WHOLE_EVERY;
        }
        while !within(self.step()).await? {}
        if is_last || Instant::now() >= self.sign_at {
            self.sign_at = Instant::now() + self.options.checkpoint_every;
            within(self.sign()).await?;
        }
        Ok(())
    }

    /// Moves one batch. Whether there is nothing more.
    async fn step(&mut self) -> Result<bool, Error> {
        let mut lease = self.shared.pool.acquire().await?;
        if !has_waiting(lease.vouched(), &self.cursor).await? {
            return Ok(true);
        }
        drop(lease);
        let mut tx = self.shared.pool.begin().await?;
        // What the transaction does not keep is not known.
        let mut cursor = self.cursor.clone();
        let master = self.options.master.as_ref();
        let done = sequence_from(&mut tx, master, self.options.max_events, &mut cursor).await?;
        let Sequenced::Moved { events, repeated, is_drained, .. } = done else { return Ok(true) };
        tx.commit().await?;
        self.cursor = cursor;
        self.shared.moved.fetch_add(events, Relaxed);
        self.shared.repeated.fetch_add(repeated, Relaxed);
        Ok(is_drained)
    }

    async fn sign(&mut self) -> Result<(), Error> {
        let Some(signer) = &self.options.signer else { return Ok(()) };
        let mut tx = self.shared.pool.begin().await?;
        let signed = checkpoint(&mut tx, signer).await?;
        tx.commit().await?;
        if signed.is_some() {
            self.shared.checkpoints.fetch_add(1, Relaxed);
        }
        let Some(signed) = signed.or_else(|| self.unkept.take()) else { return Ok(()) };
        for witness in &self.options.witnesses {
            let why = match tokio::time::timeout(WITNESS, witness.keep(&signed)).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => with_causes(&*error),
                Err(_) => format!("it took more than {WITNESS:?}"),
            };
            self.shared.unkept.fetch_add(1, Relaxed);
            tracing::error!(witness = witness.name(), why, "a witness has not kept a checkpoint");
            self.unkept = Some(signed.clone());
        }
        Ok(())
    }

    fn trouble(&self, error: &Error) {
        let what = with_causes(error);
        let mut trouble = self.shared.trouble.lock();
        if trouble.as_ref().is_none_or(|trouble| trouble.what != what) {
            // Before the first migration there is nothing that could wait.
            if !matches!(error, Error::NotThere { .. }) {
                tracing::error!(error = what, "events get no places in the audit log and wait in the inbox");
            }
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

struct SequencerProbe {
    shared: Arc<Shared>,
}

#[async_trait]
impl Probe for SequencerProbe {
    fn name(&self) -> &str {
        NAME
    }

    async fn probe(&self) -> Finding {
        let trouble = self.shared.trouble.lock().clone();
        let finding = match trouble {
            Some(trouble) => Finding::new(NAME, Status::Unhealthy, trouble.what)
                .with("for_seconds", &trouble.since.elapsed().as_secs()),
            None => Finding::healthy(NAME),
        };
        match self.look().await {
            Err(Error::NotThere { .. }) => {
                Finding::new(NAME, Status::Degraded, "there is no audit log yet; run db migrate up")
            }
            Err(error) => Finding::new(NAME, Status::Unhealthy, with_causes(&error)),
            Ok((waiting, oldest, size)) => {
                let finding = finding.with("waiting", &waiting).with("leaves", &size);
                if finding.status == Status::Healthy && oldest > SLOW.as_secs_f64() {
                    let why = format!("events have waited for {oldest:.0} s for a place in the log");
                    return Finding { status: Status::Degraded, summary: why, ..finding };
                }
                finding
            }
        }
    }
}

const NAME: &str = "audit";

impl SequencerProbe {
    /// Events that wait, for how many seconds the first of them has, and leaves of the log.
    async fn look(&self) -> Result<(u64, f64, u64), Error> {
        let mut lease = self.shared.pool.acquire().await?;
        let conn = lease.vouched();
        let log = state(conn).await?;
        let oldest: Option<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM clock_timestamp() - occurred_at)::float8 FROM audit_inbox ORDER BY txid LIMIT 1",
        )
        .fetch_optional(conn)
        .await
        .map_err(Error::while_trying("look at the inbox"))?;
        Ok((log.waiting, oldest.unwrap_or(0.0), log.size))
    }
}

impl fmt::Debug for SequencerProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SequencerProbe").finish_non_exhaustive()
    }
}
