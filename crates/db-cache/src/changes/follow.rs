//! Follows what commits make untrue.

use super::follower::Follower;
use super::whole::Clearing;
use super::{Seen, Snapshot};
use crate::beside::Beside;
use crate::cache::Cache;
use crate::trust::{Teller, Voucher};
use db_core::PasswordProvider;
use sqlx::postgres::PgConnectOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

/// How changes are followed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Follow {
    /// How often it is looked even if the bell is silent.
    pub look_every: Duration,
    /// For how long after a look this process gives out what it keeps; more than `look_every`.
    pub trust_for: Duration,
    /// For how long rows are kept: whoever is away for longer drops everything.
    pub kept_for: Duration,
}

impl Default for Follow {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(1),
            trust_for: Duration::from_secs(3),
            kept_for: Duration::from_secs(600),
        }
    }
}

/// What following has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Followed {
    /// Changes that were heard of.
    pub changes: u64,
    /// Times that something may have been missed, so that everything was dropped.
    pub gaps: u64,
    /// Times that the connection was lost.
    pub losses: u64,
    /// Changes that were removed from the shared store for others.
    pub applied_for_others: u64,
}

/// The task that follows. It ends when this is dropped; then values have a time of their own in this process again.
#[derive(Debug)]
pub struct Following {
    cache: Cache,
    voucher: Voucher,
    state: watch::Receiver<State>,
    task: AbortHandle,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) followed: Followed,
    /// What was visible when it was last looked.
    pub(super) snapshot: Option<Arc<Snapshot>>,
}

impl Cache {
    /// Follows what commits make untrue in this database, by a connection of its own, until what it answers with is dropped.
    /// Follow before values are read: what was read before is dropped.
    ///
    /// The database must have our migrations up to 0013, or the tables and functions of 0012 and 0013.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn follow(&self, connect: PgConnectOptions, how: Follow) -> Following {
        self.follow_as(connect, None, how)
    }

    /// The same with a password that is asked for before each connection, so that it may change meanwhile.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn follow_as(
        &self,
        connect: PgConnectOptions,
        password: Option<Arc<dyn PasswordProvider>>,
        how: Follow,
    ) -> Following {
        let (tell, state) = watch::channel(State::default());
        let voucher = self.inner.trust.begin(Teller::Database);
        self.inner.registry.spoil_all();
        let (clearing, beside) = (Clearing::default(), Beside { connect, password });
        let follower = Follower { cache: self.clone(), voucher, beside, how, tell, clearing };
        let applied = self.inner.changes.listen();
        let task = tokio::spawn(follower.run(applied)).abort_handle();
        Following { cache: self.clone(), voucher, state, task }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
        // What is kept was kept for as long as changes would be told.
        self.cache.inner.trust.forget(self.voucher);
        self.cache.inner.registry.spoil_all();
    }
}

impl Following {
    /// What it has come to.
    #[must_use]
    pub fn followed(&self) -> Followed {
        self.state.borrow().followed
    }

    /// Ready once this process knows of everything that was known when `seen` was given out, so that it gives out nothing
    /// older; within this time, else `false`, and then the source is to be asked.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn has_seen(&self, seen: Seen, within: Duration) -> bool {
        let mut state = self.state.clone();
        let known =
            state.wait_for(|state| state.snapshot.as_ref().is_some_and(|snapshot| snapshot.has(seen.0)));
        matches!(timeout(within, known).await, Ok(Ok(_)))
    }

    /// Whether this process knows of everything that had committed some moments ago: `trust_for` at most.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.cache.inner.trust.hears(Teller::Database, Instant::now())
    }

    /// Ready once it follows for the first time.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn is_following(&self, within: Duration) -> bool {
        let mut state = self.state.clone();
        matches!(timeout(within, state.wait_for(|state| state.snapshot.is_some())).await, Ok(Ok(_)))
    }
}
