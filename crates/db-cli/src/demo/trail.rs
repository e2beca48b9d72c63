//! Every change of the results is noted in the audit log, and at the end the log is proved.

use crate::Failed;
use db_facade::{
    Database,
    db_pool::{Pool, SessionSettings},
    db_security::audit::{
        self, AuditWriter, Event, Found, Hash, TableAudit, Verification, audited_tables, enable, prove,
        prove_inclusion, verify,
    },
};
use serde::Serialize;
use serde_json::json;
use sqlx::Connection as _;
use sqlx::types::Uuid;
use std::time::{Duration, Instant};

/// The table of results.
const TABLE: &str = "code_analysis";
/// Who acts, in the log.
const ACTOR: &str = "db demo";
/// How long the last event may take to its place in the log, and how often to look.
const PLACED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the log says at the end of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Audited {
    /// Events that this run has put there.
    pub events: u64,
    /// Events in the log.
    pub size: u64,
    /// The log's root, base64: it changes with any event that is altered, removed or put between others.
    pub root: String,
    /// Events that were compared with the root, all there are.
    pub verified: u64,
    /// What is wrong; nothing else may be 0.
    pub flaws: u64,
    /// The time that comparing took, seconds.
    pub seconds: f64,
    /// The number of this run's last event.
    pub event: Uuid,
    /// How many hashes show that this event is in the log, and whether they do.
    pub proof_hashes: usize,
    /// Whether they do.
    pub is_proved: bool,
}

/// A run that is audited.
pub(super) struct Trail<'a> {
    db: &'a Database,
    writer: &'a AuditWriter,
    root: &'a str,
    size_before: u64,
}

impl<'a> Trail<'a> {
    /// Has the results' table note its changes, and notes that a run begins; `None` where auditing is off.
    pub(super) async fn begin(db: &'a Database, root: &'a str) -> Result<Option<Self>, Failed> {
        let Some(writer) = db.audit() else { return Ok(None) };
        let mut lease = db.pool().acquire().await?;
        let size_before = {
            let status = audit::status(&mut lease).await?;
            status.size + status.waiting
        };
        if audited_tables(&mut lease, None).await?.iter().all(|table| table.table != TABLE) {
            let mut tx = lease.begin().await?;
            enable(&mut tx, &TableAudit::new(TABLE)).await?;
            tx.commit().await?;
        }
        drop(lease);
        let began = Event::system("demo.begin").actor(ACTOR).detail("root", json!(root));
        writer.record(began).await?;
        Ok(Some(Self { db, writer, root, size_before }))
    }

    /// Notes that the run has ended, has all of it get its place, compares the log with its root, and proves the run's last event.
    pub(super) async fn end(self, analysed: usize) -> Result<Audited, Failed> {
        let ended = Event::system("demo.end")
            .actor(ACTOR)
            .detail("root", json!(self.root))
            .detail("analysed", json!(analysed));
        let ticket = self.writer.record(ended).await?;
        self.writer.flush(PLACED_WITHIN).await?;
        let last = self.placed(ticket.id()).await?;
        let began = Instant::now();
        let verdict = verify(self.db.pool(), &Verification::new(), |_, _| {}).await?;
        let seconds = began.elapsed().as_secs_f64();
        let (leaf, hash): (u64, Hash) = last
            .leaf
            .zip(last.leaf_hash())
            .ok_or_else(|| Failed::new("the run's last event has no leaf; run `db audit verify`"))?;
        let mut lease = self.db.pool().acquire().await?;
        let proof = prove_inclusion(&mut lease, leaf, verdict.size).await?;
        Ok(Audited {
            events: (verdict.size + verdict.waiting).saturating_sub(self.size_before),
            size: verdict.size,
            root: verdict.root.to_base64(),
            verified: verdict.events,
            flaws: verdict.flaw_count,
            seconds,
            event: ticket.id(),
            proof_hashes: proof.path.len(),
            is_proved: proof.proves(hash, verdict.root),
        })
    }

    /// The event, once it has its place.
    async fn placed(&self, id: Uuid) -> Result<Found, Failed> {
        let until = Instant::now() + PLACED_WITHIN;
        loop {
            self.db.nudge_audit();
            let mut lease = self.db.pool().acquire().await?;
            let found = prove(&mut lease, id).await?.event;
            drop(lease);
            if found.leaf.is_some() {
                return Ok(found);
            }
            if Instant::now() > until {
                return Err(Failed::new(format!(
                    "events have had no place in the audit log for {PLACED_WITHIN:?}; see `db audit status`"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The pool of whoever works for the demonstration, so that the log says who has changed a row.
pub(super) fn acting(pool: &Pool) -> Result<Pool, Failed> {
    Ok(pool.with_session(SessionSettings::new().set("cairn.actor", ACTOR)?))
}

impl Audited {
    /// One line for people.
    pub(super) fn line(&self) -> String {
        if self.flaws > 0 || !self.is_proved {
            return format!("{} flaws in a log of {} events; run `db audit verify`", self.flaws, self.size);
        }
        format!(
            "{} changes noted; {} events verified in {:.2} s, root {}; {} hashes prove event {}",
            self.events, self.verified, self.seconds, self.root, self.proof_hashes, self.event
        )
    }
}
