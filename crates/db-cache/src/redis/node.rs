//! One server: a few connections that all commands share, and when it is not asked at all.
//!
//! Commands go over the first connection that is not busy, so that there are as few as the load needs, and as much as
//! possible goes out in one write. What is broken is replaced in the background, by one task at a time: callers wait for
//! it no longer than for an answer. While the breaker is open that task probes, and callers are refused at once.

use super::{
    address::RedisAddress,
    breaker::Breaker,
    dial::{Dialer, Link},
    fault::{Fault, Meaning},
    lane::Lane,
    options::RedisOptions,
    pending::Pending,
    probe::probe,
    statistics::Counts,
    wire::Wire,
};
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, ServerError, Value};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Relaxed, Release},
};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// Commands under way from which on another connection is used beside it.
const BUSY: usize = 256;
/// How soon the master is looked for again when what was found says that it is a replica.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Node {
    dialer: Dialer,
    pub(super) command_timeout: Duration,
    pub(super) lanes: Box<[Lane]>,
    /// A connection is being made, other than by the probe.
    connecting: AtomicBool,
    /// Told at the end of each attempt.
    attempts: watch::Sender<u64>,
    /// The breaker's state for those who only ask; written while it is locked.
    pub(super) open: AtomicBool,
    pub(super) breaker: Mutex<Breaker>,
    /// Why it is open, for those who are refused.
    pub(super) reason: Mutex<Fault>,
    prober: Mutex<Option<JoinHandle<()>>>,
    looked: Mutex<Option<Instant>>,
    pub(super) counts: Arc<Counts>,
}

/// What is sent in one go.
pub(crate) enum Ask<'a> {
    One(Cmd),
    /// As many commands as told, answered by an array.
    Several(&'a Pipeline, usize),
}

impl Node {
    pub(crate) fn new(dialer: Dialer, options: &RedisOptions, counts: &Arc<Counts>) -> Arc<Self> {
        let lanes = (0..options.max_connections.get()).map(|_| Lane::default()).collect();
        Arc::new(Self {
            dialer,
            command_timeout: options.command_timeout,
            lanes,
            connecting: AtomicBool::new(false),
            attempts: watch::Sender::new(0),
            open: AtomicBool::new(false),
            breaker: Mutex::new(Breaker::new(options.breaker, Instant::now())),
            reason: Mutex::new(Fault::Unavailable("never asked".to_owned())),
            prober: Mutex::new(None),
            looked: Mutex::new(None),
            counts: Arc::clone(counts),
        })
    }

    /// Sends it and waits for the answer, which may be an error of the server's.
    ///
    /// # Cancel safety
    /// What was sent may have its effect; its answer is passed over.
    pub(crate) async fn ask(self: &Arc<Self>, ask: Ask<'_>, deadline: Instant) -> Result<Value, Fault> {
        if self.open.load(Relaxed) {
            return Err(self.refusal());
        }
        let ((place, link, wire), sent) = match self.pick() {
            // Just now, by the clock that the caller has looked at.
            Some(found) => (found, deadline.checked_sub(self.command_timeout).unwrap_or(deadline)),
            // Boxed, so that the room for it is taken only when it is needed.
            None => (Box::pin(self.wait_for_connection(deadline)).await?, Instant::now()),
        };
        let pending = Pending::new(self, place, link, sent);
        self.counts.round_trips.add(1);
        let under_way = self.lanes[place].under_way();
        let answer = match ask {
            Ask::One(command) => timeout_at(deadline, wire.one(command, under_way)).await,
            Ask::Several(pipeline, count) => {
                timeout_at(deadline, wire.several(pipeline, count)).await.map(Some)
            }
        };
        pending.end(answer.ok())
    }

    /// The server that it is about, as of now.
    pub(crate) async fn address(&self) -> Result<RedisAddress, Fault> {
        self.dialer.address().await
    }

    /// Whether it may be another server at another time.
    pub(crate) fn has_sentinels(&self) -> bool {
        self.dialer.has_sentinels()
    }

    /// Commands from now on go over new connections, to whoever is the master now.
    pub(crate) fn renew(self: &Arc<Self>) {
        self.clear();
        self.connect(0);
    }

    /// A connection with its place and its number there; starts making another one if those that are there are busy.
    fn pick(self: &Arc<Self>) -> Option<(usize, u64, Arc<Wire>)> {
        let mut least: Option<(usize, usize)> = None;
        for (place, lane) in self.lanes.iter().enumerate() {
            let under_way = lane.under_way();
            match lane.connection() {
                Some((link, wire)) if under_way < BUSY => return Some((place, link, wire)),
                Some(_) if least.is_none_or(|(fewest, _)| under_way < fewest) => {
                    least = Some((under_way, place));
                }
                _ => {}
            }
        }
        let now = Instant::now();
        if let Some(place) = self.lanes.iter().position(|lane| lane.is_due(now)) {
            self.connect(place);
        }
        let (_, place) = least?;
        let (link, wire) = self.lanes[place].connection()?;
        Some((place, link, wire))
    }

    async fn wait_for_connection(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<(usize, u64, Arc<Wire>), Fault> {
        let mut attempts = self.attempts.subscribe();
        loop {
            if let Some(found) = self.pick() {
                return Ok(found);
            }
            if self.open.load(Relaxed) {
                return Err(self.refusal());
            }
            if timeout_at(deadline, attempts.changed()).await.is_err() {
                let fault = Fault::Unavailable(format!("no connection within {:?}", self.command_timeout));
                self.counts.timeouts.add(1);
                self.failed(&fault);
                return Err(fault);
            }
        }
    }

    /// Makes a connection for a place in the background, unless one is being made or it is too soon.
    pub(super) fn connect(self: &Arc<Self>, place: usize) {
        if self.connecting.swap(true, AcqRel) {
            return;
        }
        // Looked at after that, as the attempt before may have just filled it.
        if !self.lanes[place].is_due(Instant::now()) {
            self.connecting.store(false, Release);
            return;
        }
        let attempt = Attempt { node: Arc::clone(self), place };
        tokio::spawn(async move {
            let dialed = attempt.node.dial().await;
            attempt.end(dialed);
        });
    }

    pub(super) async fn dial(&self) -> Result<Link, Fault> {
        self.counts.connects.add(1);
        let dialed = self.dialer.dial().await;
        if dialed.is_err() {
            self.counts.failed_connects.add(1);
        }
        dialed
    }

    /// A command had no answer.
    pub(super) fn failed(self: &Arc<Self>, fault: &Fault) {
        let mut breaker = self.breaker.lock();
        let answers = self.lanes.iter().map(Lane::answers).sum();
        if let Some(pause) = breaker.failed(answers, Instant::now(), rand::random()) {
            self.opened(fault, pause);
        }
    }

    /// There is no connection, and none to be had.
    fn cut_off(self: &Arc<Self>, fault: &Fault) {
        let mut breaker = self.breaker.lock();
        if let Some(pause) = breaker.cut_off(Instant::now(), rand::random()) {
            self.opened(fault, pause);
        }
    }

    /// Called while the breaker is locked. What is connected may be dead: what comes next is made anew.
    fn opened(self: &Arc<Self>, fault: &Fault, pause: Duration) {
        *self.reason.lock() = fault.clone();
        self.counts.openings.add(1);
        self.clear();
        tracing::warn!(reason = ?fault, "redis is not asked until it answers again");
        *self.prober.lock() = Some(tokio::spawn(probe(Arc::downgrade(self), pause)));
        self.open.store(true, Relaxed);
    }

    /// It has answered, by the probe or by a connection that was in the making.
    pub(super) fn closed(&self, link: Link) {
        let mut breaker = self.breaker.lock();
        self.lanes[0].fill(link);
        breaker.probe_answered(Instant::now());
        self.open.store(false, Relaxed);
        drop(breaker);
        if let Some(prober) = self.prober.lock().take() {
            prober.abort();
        }
        self.attempts.send_modify(|attempts| *attempts += 1);
        tracing::info!("redis answers again");
    }

    fn clear(&self) {
        for lane in &self.lanes {
            lane.clear();
        }
    }

    /// The pause until the next probe; nothing where another connection has closed the breaker meanwhile.
    pub(super) fn probe_failed(&self) -> Option<Duration> {
        let mut breaker = self.breaker.lock();
        (!breaker.is_closed()).then(|| breaker.probe_failed(Instant::now(), rand::random()))
    }

    fn refusal(self: &Arc<Self>) -> Fault {
        self.counts.refused.add(1);
        let mut prober = self.prober.lock();
        // It ends with the runtime that it was spawned on, and this may be another.
        if prober.as_ref().is_none_or(JoinHandle::is_finished) && self.open.load(Relaxed) {
            *prober = Some(tokio::spawn(probe(Arc::downgrade(self), Duration::ZERO)));
        }
        drop(prober);
        match &*self.reason.lock() {
            Fault::Unavailable(reason) => Fault::Unavailable(format!("not asked, since: {reason}")),
            Fault::Refused(reason) => Fault::Refused(reason.clone()),
        }
    }

    /// It says that it is a replica: whoever is the master now is to be found by new connections.
    fn look_for_the_master(self: &Arc<Self>) {
        let now = Instant::now();
        let mut looked = self.looked.lock();
        if looked.is_some_and(|at| now.duration_since(at) < LOOK_AGAIN) {
            return;
        }
        *looked = Some(now);
        drop(looked);
        self.renew();
    }

    /// An answer has come; tells whether it is one to the command, and not that nobody is served.
    pub(super) fn judge(self: &Arc<Self>, answer: &Value) -> bool {
        let Some(error) = first_error(answer) else { return true };
        match Meaning::of(error) {
            Meaning::ServesNobody => {
                self.failed(&Fault::of_reply(error));
                return false;
            }
            Meaning::NotMaster => self.look_for_the_master(),
            _ => {}
        }
        true
    }
}

fn first_error(answer: &Value) -> Option<&ServerError> {
    match answer {
        Value::ServerError(error) => Some(error),
        Value::Array(answers) => answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(error),
            _ => None,
        }),
        _ => None,
    }
}

/// A connection in the making. However it ends, others may be made.
struct Attempt {
    node: Arc<Node>,
    place: usize,
}

impl Attempt {
    fn end(&self, dialed: Result<Link, Fault>) {
        let lane = &self.node.lanes[self.place];
        match dialed {
            Ok(link) if self.node.open.load(Relaxed) => self.node.closed(link),
            Ok(link) => lane.fill(link),
            Err(fault) => {
                lane.put_off(Instant::now());
                // Others still serve, unless they are gone too.
                if !self.node.lanes.iter().any(Lane::is_connected) {
                    self.node.cut_off(&fault);
                }
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.node.connecting.store(false, Release);
        self.node.attempts.send_modify(|attempts| *attempts += 1);
    }
}
