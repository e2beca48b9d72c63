//! Brings a connection back into order after its user left: a rollback that is still to be sent, session state to reset,
//! a query that still runs. Callers never wait for it, and a connection that needs the server's help for longer than a
//! moment gives its place in the pool to another.

pub(crate) mod side;

use crate::{
    conn::Conn,
    held::Held,
    session::{self, Found},
    shared::Shared,
    stats::tally,
};
use sqlx::Connection;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// How long an orderly reset may keep its place in the pool. A round trip is a hundredth of it; a server that takes
/// longer is in trouble, and another connection is opened meanwhile.
const PLACE_KEPT: Duration = Duration::from_millis(100);

/// How long a query whose future was dropped may go on before its place goes to another connection and the server is told
/// to stop it: some end by themselves, and the answer to a statement that failed may still be under way.
const GRACE: Duration = Duration::from_millis(1);

/// What stands between a connection and its next user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disorder {
    /// Something is still to be sent, such as a rollback, and answered.
    Unsent,
    /// Session state may have changed.
    Marked,
    /// A query is still running.
    Running,
}

/// Puts a connection that is out of order back into the pool, or closes it.
pub(crate) async fn restore(mut held: Held, disorder: Disorder, mark: bool) {
    let limit = held.shared().config.reset_timeout;
    let finished = {
        let (shared, conn) = held.shared_and_conn();
        let ended = disorder != Disorder::Running
            || timeout(GRACE.min(limit), session::drain(&mut conn.live)).await.is_ok();
        if ended { timeout(PLACE_KEPT.min(limit), tidy(shared, conn, mark)).await.ok() } else { None }
    };
    match finished {
        Some(true) => held.give_back(),
        Some(false) => drop(held),
        // What was begun is begun anew on the other side: the drain takes the answers that are still owed.
        None => after_cut(held.leave()).await,
    }
}

/// Waits for the end of a query that nobody waits for any more, tells the server to stop it when that takes long, and
/// takes the connection in again if there is room by then.
async fn after_cut(mut recovering: Recovering) {
    let limit = recovering.shared.config.reset_timeout;
    let fit = timeout(limit, recovering.bring_back()).await.unwrap_or(false);
    recovering.end(fit);
}

/// A connection outside the gate's count; dropped, it is closed and counted as such.
pub(crate) struct Recovering {
    shared: Arc<Shared>,
    conn: Option<Box<Conn>>,
}

impl Recovering {
    pub(crate) fn new(shared: Arc<Shared>, conn: Box<Conn>) -> Self {
        shared.counters.recovering.fetch_add(1, Relaxed);
        Self { shared, conn: Some(conn) }
    }

    async fn bring_back(&mut self) -> bool {
        // More at once than the pool has places would mean that they come faster than they can be stopped.
        if self.shared.counters.recovering.load(Relaxed) > self.shared.config.max_size.get() {
            return false;
        }
        let Some(conn) = self.conn.as_mut() else { return false };
        let Some(identity) = conn.identity else { return false };
        if self.shared.side.cancel(identity).await.is_err() {
            return false;
        }
        tally(&self.shared.counters.cancels);
        // The reset is more than tidiness here: its answer proves that the conversation is in step, and a cancel request
        // that came too late has had its effect on nobody's query.
        session::drain(&mut conn.live).await.is_ok() && tidy(&self.shared, conn, true).await
    }

    fn end(mut self, fit: bool) {
        let Some(conn) = self.conn.take() else { return };
        if fit {
            tally(&self.shared.counters.recoveries);
            let after = self.shared.gate.adopt(at_rest(conn), Instant::now());
            self.shared.settle(after);
        } else {
            self.close(&conn);
        }
    }

    fn close(&self, conn: &Conn) {
        tally(&self.shared.counters.closes);
        self.shared.discarding(conn);
    }
}

impl Drop for Recovering {
    fn drop(&mut self) {
        self.shared.counters.recovering.fetch_sub(1, Relaxed);
        if let Some(conn) = self.conn.take() {
            self.close(&conn);
        }
    }
}

fn at_rest(mut conn: Box<Conn>) -> Box<Conn> {
    conn.idle_since = Instant::now();
    conn
}

/// Sends what is unsent and, where a mark may have been left, resets the session. Says whether the connection is fit.
async fn tidy(shared: &Shared, conn: &mut Conn, mark: bool) -> bool {
    if session::drain(&mut conn.live).await.is_err() {
        return false;
    }
    // A transaction whose guard was leaked: sqlx counts on it, so the connection cannot be lent.
    if conn.live.is_in_transaction() {
        return false;
    }
    if !mark {
        return true;
    }
    if conn.identity.is_none() {
        // Not quite PostgreSQL: it did not know the greeting, so it does not know the reset either.
        return false;
    }
    match session::reset(&mut conn.live).await {
        Ok(found) => {
            tally(&shared.counters.resets);
            if found == Found::Transaction {
                tally(&shared.counters.stray_transactions);
                tracing::warn!(
                    backend = conn.identity.map(|identity| identity.pid),
                    "a connection came back with a transaction open; it was rolled back"
                );
            }
            true
        }
        Err(error) => {
            tracing::debug!(%error, "a connection could not be reset and is closed");
            false
        }
    }
}
