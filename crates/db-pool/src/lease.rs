//! A connection on loan, and what is done with it when it comes back.

use crate::{pool::Permit, stash::Held};
use sqlx::{Connection, PgConnection};
use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};
use tokio::time::timeout;

/// A connection on loan; dropping it gives the connection back.
///
/// It derefs to sqlx's `PgConnection`, so `&mut *lease` runs any sqlx query. A transaction begun through sqlx and
/// dropped is rolled back before the connection is lent again; a query whose future was dropped half-way is waited for
/// in the background within the reset timeout, and past it the connection is discarded. A transaction begun by a raw
/// `BEGIN` is not seen: use sqlx's `begin`.
pub struct Lease {
    held: Option<Held>,
    permit: Option<Permit>,
    spent: bool,
}

impl Lease {
    pub(crate) fn new(held: Held, permit: Permit) -> Self {
        Self { held: Some(held), permit: Some(permit), spent: false }
    }

    /// Closes the connection when the lease ends, however it ends, instead of lending it on. For work that leaves its
    /// mark on the session: advisory locks, settings, temporary tables.
    pub fn discard_on_return(&mut self) {
        self.spent = true;
    }

    fn connection(&self) -> &Held {
        self.held.as_ref().expect("a lease holds its connection until it is dropped")
    }
}

impl Deref for Lease {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.connection().live
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.held.as_mut().expect("a lease holds its connection until it is dropped").live
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(mut held), Some(permit)) = (self.held.take(), self.permit.take()) else { return };
        if self.spent {
            return discard(held, permit);
        }
        // sqlx answers a flush at once when nothing is queued and nothing is owed by the server; anything else is what
        // a dropped transaction or a dropped query left behind.
        match poll_now(held.live.flush()) {
            Poll::Ready(Ok(())) if !held.live.is_in_transaction() => give_back(held, permit),
            Poll::Ready(Ok(()) | Err(_)) => discard(held, permit),
            Poll::Pending => {
                let runtime = permit.shared().runtime.clone();
                runtime.spawn(reset(held, permit));
            }
        }
    }
}

/// Waits until the server is done with what was left behind, then lends the connection on.
async fn reset(mut held: Held, permit: Permit) {
    let deadline = permit.shared().reset_timeout;
    match timeout(deadline, held.live.flush()).await {
        Ok(Ok(())) if !held.live.is_in_transaction() => give_back(held, permit),
        Ok(Ok(()) | Err(_)) | Err(_) => discard(held, permit),
    }
}

fn give_back(mut held: Held, permit: Permit) {
    let shared = Arc::clone(permit.shared());
    held.idle_since = Instant::now();
    let surplus = shared.put(held);
    // The connection is in the stash before the next caller is let in, so that it finds it.
    drop(permit);
    if let Some(surplus) = surplus {
        shared.retire(surplus);
    }
}

fn discard(held: Held, permit: Permit) {
    permit.shared().discard(held);
    drop(permit);
}

/// Polls once without waiting: what is ready at once needed neither the server nor a timer.
fn poll_now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
