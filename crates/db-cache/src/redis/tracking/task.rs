//! Hears of changes as long as every master is heard, and begins anew when one is not.

use super::{
    State, Track,
    line::{End, Line},
    push::{self, Said},
};
use crate::cache::Cache;
use crate::redis::{address::RedisAddress, cluster::Cluster, map::Map, node::Node, options::RedisOptions};
use crate::trust::Voucher;
use futures_util::future::try_join_all;
use redis::{Cmd, PushInfo, Value};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Tracker {
    pub(super) cache: Cache,
    pub(super) voucher: Voucher,
    pub(super) masters: Masters,
    pub(super) options: RedisOptions,
    pub(super) how: Track,
    pub(super) tell: Arc<watch::Sender<State>>,
    pub(super) ask_now: Arc<Notify>,
}

/// Where changes are made.
pub(super) enum Masters {
    /// One server, or whoever the Sentinels name.
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

impl Tracker {
    /// Until it is aborted.
    pub(super) async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let Err(end) = self.track().await;
            let wait = match end {
                End::Lost(reason) => {
                    self.lost(&reason);
                    pause
                }
                End::Refused(reason) => {
                    self.refused(&reason);
                    self.how.refused_for
                }
            };
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            // Half of it is chance, so that the processes of a server that comes back do not all come at once.
            sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// As long as all masters are heard.
    async fn track(&self) -> Result<Infallible, End> {
        let ended = Arc::new(Notify::new());
        let prefix = format!("{}:", self.cache.inner.prefix);
        let addresses = self.addresses().await?;
        let opened = addresses
            .iter()
            .map(|address| Line::open(address, &self.options, &prefix, self.hearing(Arc::clone(&ended))));
        let lines = try_join_all(opened).await?;
        let mut is_first = true;
        loop {
            let asked = Instant::now();
            self.ask_all(&lines).await?;
            if is_first {
                self.begin();
                is_first = false;
            }
            self.cache.inner.trust.extend(self.voucher, asked, self.how.trust_for);
            self.tell.send_modify(|state| state.known = Some(asked));
            tokio::select! {
                biased;
                () = ended.notified() => return Err(End::Lost("a connection has ended".to_owned())),
                () = self.ask_now.notified() => {}
                () = sleep(self.how.ask_every) => {}
            }
        }
    }

    /// What is done with what a server says.
    fn hearing(&self, ended: Arc<Notify>) -> impl Fn(PushInfo) + Send + Sync + 'static {
        let (cache, tell) = (self.cache.clone(), Arc::clone(&self.tell));
        move |push| {
            let heard = match push::read(&push) {
                Said::Changed(keys) => {
                    keys.iter().for_each(|key| cache.inner.registry.changed(key));
                    keys.len() as u64
                }
                Said::ChangedAll => {
                    cache.inner.registry.changed_all();
                    1
                }
                Said::Ended => {
                    ended.notify_one();
                    return;
                }
                Said::Nothing => return,
            };
            tell.send_if_modified(|state| {
                state.tracked.heard += heard;
                // Nobody waits for that.
                false
            });
        }
    }

    async fn addresses(&self) -> Result<Vec<RedisAddress>, End> {
        Ok(match &self.masters {
            Masters::One(node) => vec![node.address().await?],
            Masters::Cluster(cluster) => cluster.read_map().await?.masters(),
        })
    }

    /// Ready when each has answered, and still is a master, and there is no other.
    async fn ask_all(&self, lines: &[Line]) -> Result<(), End> {
        try_join_all(lines.iter().map(|line| self.ask(line, lines))).await.map(drop)
    }

    async fn ask(&self, line: &Line, lines: &[Line]) -> Result<(), End> {
        let within = self.how.answer_within;
        match &self.masters {
            Masters::One(node) if node.has_sentinels() => {
                let role = command(&["ROLE"]);
                let (answer, named) = tokio::join!(line.ask(&role, within), node.address());
                let is_master = matches!(&answer?, Value::Array(parts) if is_master(parts));
                // Sentinels that do not answer name no other.
                if !is_master || named.is_ok_and(|named| named != line.address) {
                    return Err(End::Lost(format!("{} is not the master any more", line.address)));
                }
                Ok(())
            }
            Masters::One(_) => line.ask(&command(&["PING"]), within).await.map(drop),
            Masters::Cluster(_) => {
                let answer = line.ask(&command(&["CLUSTER", "SLOTS"]), within).await?;
                let masters = Map::read(&answer, &line.address)?.masters();
                let is_same =
                    masters.len() == lines.len() && lines.iter().all(|line| masters.contains(&line.address));
                if is_same {
                    return Ok(());
                }
                Err(End::Lost(format!("{} tells of other masters", line.address)))
            }
        }
    }

    /// Changes are heard of from now on; those before may have been missed.
    fn begin(&self) {
        let is_gap = self.tell.borrow().known.is_some();
        // Where it was refused before, values had a time of their own until now.
        self.cache.inner.trust.end(self.voucher);
        // The store may still read from a master of before, which hears later than we do of what is told us here.
        if let Masters::One(node) = &self.masters
            && node.has_sentinels()
        {
            node.renew();
        }
        self.cache.inner.registry.changed_all();
        if is_gap {
            tracing::warn!(
                "changes in redis may have been missed: everything that was kept in this process is dropped"
            );
        }
        self.tell.send_modify(|state| {
            state.tracked.gaps += u64::from(is_gap);
            state.tracked.refusal = None;
        });
    }

    fn lost(&self, reason: &str) {
        self.tell.send_modify(|state| state.tracked.losses += 1);
        if self.tell.borrow().tracked.refusal.is_some() {
            // Values have a time of their own until it tells.
            return;
        }
        self.cache.inner.trust.end(self.voucher);
        tracing::warn!(reason, "redis does not tell of changes for now; nothing is given out unasked");
    }

    fn refused(&self, reason: &str) {
        self.cache.inner.trust.pause(self.voucher);
        self.cache.inner.registry.changed_all();
        let before = self.tell.borrow().tracked.refusal.clone();
        if before.is_none() {
            tracing::warn!(
                reason,
                "redis refuses to tell of changes; values have a time of their own in this process"
            );
        }
        self.tell.send_modify(|state| state.tracked.refusal = Some(reason.into()));
    }
}

fn command(parts: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for part in parts {
        command.arg(*part);
    }
    command
}

fn is_master(role: &[Value]) -> bool {
    matches!(role.first(), Some(Value::BulkString(role)) if role == b"master")
}
