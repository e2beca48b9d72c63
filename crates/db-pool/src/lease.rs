//! A connection on loan, and what is done with it when it comes back.

use crate::{
    Reset,
    conn::{Conn, UNKNOWN_EPOCH},
    held::Held,
    recover::{self, Disorder},
};
use sqlx::{Connection, PgConnection};
use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// A connection on loan; dropping it gives the connection back.
///
/// It derefs to sqlx's `PgConnection`, so `&mut *lease` runs any sqlx query. `&mut lease` is an executor as well, and the
/// better one: the pool then sees the statements and knows when the session needs no [`Reset`].
///
/// # What dropping does
/// Nothing waits. A lease that was only used for statements that leave no mark goes straight to the next caller. Otherwise
/// a task of the pool puts the connection in order: a transaction that was left open is rolled back, session state is
/// reset as the policy says, and a query whose future was dropped half-way is stopped on the server, while the lease's
/// place in the pool is free already. A connection that cannot be put in order within the reset timeout is closed.
pub struct Lease {
    held: Option<Held>,
    mark: bool,
    spent: bool,
    /// A query was still running when its transaction was dropped.
    cut: bool,
}

impl Lease {
    pub(crate) fn new(held: Held) -> Self {
        Self { held: Some(held), mark: false, spent: false, cut: false }
    }

    /// Closes the connection when the lease ends, however it ends, instead of lending it on. For what a reset does not
    /// undo, such as a loaded library.
    pub fn discard_on_return(&mut self) {
        self.spent = true;
    }

    /// The connection, and a mark that closes it when the lease ends unless the mark is settled: for COPY, which sqlx
    /// does not count among the answers that it still has to read, so that a flush would call it clean half-way.
    pub(crate) fn in_doubt(&mut self) -> (&mut PgConnection, Doubt<'_>) {
        let before = std::mem::replace(&mut self.spent, true);
        let held = self.held.as_mut().expect("a lease holds its connection until it is dropped");
        (&mut held.conn_mut().live, Doubt { spent: &mut self.spent, before })
    }

    /// The connection, in hands that vouch for it: what is run on it neither changes session state nor leaves a
    /// transaction open, so it needs no reset, which saves a round trip in the background. What `&mut *lease` gives is
    /// reset under [`Reset::Smart`], since the pool does not see what is run on it.
    pub fn vouched(&mut self) -> &mut PgConnection {
        &mut self.held_mut().conn_mut().live
    }

    /// Takes the connection out of the pool for good. The pool opens another in its place when one is needed.
    #[must_use]
    pub fn detach(mut self) -> PgConnection {
        let held = self.held.take().expect("a lease holds its connection until it is dropped");
        held.take().live.into_inner()
    }

    /// Closes the connection, with a goodbye to the server, instead of giving it back.
    ///
    /// # Cancel safety
    /// A dropped future closes the connection without the goodbye.
    pub async fn close(mut self) {
        if let Some(held) = self.held.take() {
            let shared = Arc::clone(held.shared());
            let conn = held.take();
            shared.store.retire(conn.live).await;
        }
    }

    /// Looks whether a query is still running, before a rollback is queued behind it.
    pub(crate) fn look_for_cut(&mut self) {
        self.cut = poll_now(self.vouched().flush()).is_pending();
    }

    /// Work on the bare connection has failed, and perhaps because a plan was of an older schema, which the pool did not
    /// see: all plans of the connection are made anew before it is used again.
    pub(crate) fn doubt_plans(&mut self) {
        if self.mark {
            self.conn_mut().epoch = UNKNOWN_EPOCH;
        }
    }

    /// A statement that the pool has seen may have left its mark on the session.
    pub(crate) fn mark(&mut self) {
        self.mark = true;
    }

    pub(crate) fn held(&self) -> &Held {
        self.held.as_ref().expect("a lease holds its connection until it is dropped")
    }

    pub(crate) fn held_mut(&mut self) -> &mut Held {
        self.held.as_mut().expect("a lease holds its connection until it is dropped")
    }

    pub(crate) fn conn_mut(&mut self) -> &mut Conn {
        self.held_mut().conn_mut()
    }
}

/// The mark of [`Lease::in_doubt`]; dropping it leaves the mark in place.
pub(crate) struct Doubt<'l> {
    spent: &'l mut bool,
    before: bool,
}

impl Doubt<'_> {
    /// Everything was read: takes the mark off, unless it was there before.
    pub(crate) fn settle(self) {
        *self.spent = self.before;
    }
}

impl Deref for Lease {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.held().conn().live
    }
}

impl DerefMut for Lease {
    /// The pool does not see what is run on it from here on.
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.mark = true;
        self.vouched()
    }
}

impl AsMut<PgConnection> for Lease {
    fn as_mut(&mut self) -> &mut PgConnection {
        self
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = self.held.as_ref().and_then(|held| held.conn().identity).map(|identity| identity.pid);
        f.debug_struct("Lease").field("backend", &backend).finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        if self.spent {
            return drop(held);
        }
        let mark = match held.shared().config.reset {
            Reset::Smart => self.mark,
            Reset::Always => true,
            Reset::Never => false,
        };
        // sqlx answers a flush at once when nothing is queued and nothing is owed by the server; anything else is what
        // a dropped transaction or a dropped query left behind.
        let live = &mut held.conn_mut().live;
        let unsent = live.should_flush();
        let disorder = match poll_now(live.flush()) {
            // A transaction whose guard was leaked: nothing will ever end it.
            Poll::Ready(Ok(())) if live.is_in_transaction() => return drop(held),
            Poll::Ready(Ok(())) if !mark => return held.give_back(),
            Poll::Ready(Ok(())) => Disorder::Marked,
            // The answer to a statement that failed is still to be read to its end.
            Poll::Ready(Err(sqlx::Error::Database(_))) => Disorder::Unsent,
            Poll::Ready(Err(_)) => return drop(held),
            Poll::Pending if unsent && !self.cut => Disorder::Unsent,
            Poll::Pending => Disorder::Running,
        };
        let runtime = held.shared().runtime.clone();
        runtime.spawn(recover::restore(held, disorder, mark));
    }
}

/// Polls once without waiting: what is ready at once needed neither the server nor a timer.
fn poll_now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
