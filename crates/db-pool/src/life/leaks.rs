//! Leases that are held for too long: who took them, and what their session does.

use crate::{gate::Holder, run::shape::shape, shared::Shared, stats::tally};
use std::{
    panic::Location,
    sync::Arc,
    thread::{self, ThreadId},
    time::Instant,
};

/// Characters of a statement's shape in a report.
const SHAPE: usize = 200;

/// Who took a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkout {
    pub(crate) site: &'static Location<'static>,
    pub(crate) who: Who,
}

impl Checkout {
    pub(crate) fn by_caller(site: &'static Location<'static>) -> Self {
        Self { site, who: Who::is_calling() }
    }
}

/// Who may hold a lease and wait for another: a task, or the future that a thread blocks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

impl Who {
    fn is_calling() -> Self {
        tokio::task::try_id().map_or_else(|| Self::Thread(thread::current().id()), Self::Task)
    }
}

/// Reports each lease that is older than the threshold, once. The server is asked about its session on the pool's side
/// connection, so a report costs the lease nothing.
pub(crate) fn report(shared: &Arc<Shared>, now: Instant) {
    let Some(threshold) = shared.config.leak_threshold else { return };
    let Some(before) = now.checked_sub(threshold) else { return };
    let overdue = shared.gate.overdue(before);
    if overdue.is_empty() {
        return;
    }
    let shared = Arc::clone(shared);
    shared.runtime.clone().spawn(async move {
        for holder in overdue {
            tell(&shared, holder).await;
        }
    });
}

async fn tell(shared: &Shared, holder: Holder<Checkout>) {
    let activity = match holder.backend {
        Some(pid) => shared.side.activity(pid).await.ok().flatten().unwrap_or_default(),
        None => Default::default(),
    };
    tally(&shared.counters.leaks);
    if let Some(recorder) = &shared.config.recorder {
        recorder.count("cairn.db.client.connection.leaks", &[shared.label()], 1);
    }
    tracing::warn!(
        taken_at = %holder.label.site,
        held = ?holder.since.elapsed(),
        backend = holder.backend,
        session = %activity.state,
        transaction_age = ?activity.transaction_age,
        last_statement = %shape(&activity.query, SHAPE),
        "a lease is held for longer than the leak threshold"
    );
}
