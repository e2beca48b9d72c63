//! The store over mobc: its manager connects, its idle list is kept empty, and its known defects are worked around.
//!
//! mobc spawns a task for every return and panics when that happens outside a runtime, so `spawn_task` is overridden:
//! poll once, and spawn on the runtime that built the store only what is then still pending. Its timeouts, idle limits,
//! lifetime, gauges and size are not used; the pool in front of it has its own. `tests/it/mobc.rs` pins each.

use super::connector::Connector;
use crate::{ConnectError, Fault, Live, PoolConfig, Store};
use async_trait::async_trait;
use mobc::Manager;
use sqlx::PgConnection;
use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};
use tokio::runtime::Handle;

/// A store whose connections come from mobc, for programs that configure or measure through mobc.
pub struct MobcStore {
    mobc: mobc::Pool<Managed>,
    connector: Arc<Connector>,
}

impl MobcStore {
    /// Builds a store for the server that `config` names; connects to nothing yet.
    ///
    /// # Panics
    /// Outside a tokio runtime, since connections need one.
    #[must_use]
    pub fn new(config: &PoolConfig) -> Self {
        let connector = Arc::new(Connector::new(config));
        let managed = Managed { connector: Arc::clone(&connector), runtime: Handle::current() };
        // The pool's own gate bounds the number; mobc must never be the one to wait. Zero is its "no limit".
        let mobc = mobc::Pool::builder().max_open(0).get_timeout(None).build(managed);
        Self { mobc, connector }
    }
}

impl fmt::Debug for MobcStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MobcStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MobcStore {
    async fn open(&self) -> Result<Box<dyn Live>, ConnectError> {
        match self.mobc.get().await {
            Ok(inner) => Ok(Box::new(Handed { inner })),
            Err(mobc::Error::Inner(error)) => Err(error),
            // Neither can happen: no timeout is set, and nothing closes mobc's pool.
            Err(mobc::Error::Timeout | mobc::Error::PoolClosed | mobc::Error::BadConn) => {
                Err(self.connector.failed(Fault::TimedOut, Duration::ZERO))
            }
        }
    }

    async fn check(&self, connection: Box<dyn Live>) -> Option<Box<dyn Live>> {
        self.connector.check(connection).await
    }

    async fn retire(&self, connection: Box<dyn Live>) {
        self.connector.retire(connection).await;
    }
}

/// A connection on loan from mobc; dropping it makes mobc close it, because `validate` never wants one back.
struct Handed {
    inner: mobc::Connection<Managed>,
}

impl Live for Handed {
    fn into_inner(self: Box<Self>) -> PgConnection {
        self.inner.into_inner()
    }
}

impl Deref for Handed {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Handed {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

/// mobc's manager.
struct Managed {
    connector: Arc<Connector>,
    runtime: Handle,
}

#[async_trait]
impl Manager for Managed {
    type Connection = PgConnection;
    type Error = ConnectError;

    fn spawn_task<T>(&self, task: T)
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        let mut task = Box::pin(task);
        let mut context = Context::from_waker(Waker::noop());
        if task.as_mut().poll(&mut context).is_pending() {
            self.runtime.spawn(task);
        }
    }

    async fn connect(&self) -> Result<PgConnection, ConnectError> {
        self.connector.connect().await
    }

    async fn check(&self, connection: PgConnection) -> Result<PgConnection, ConnectError> {
        Ok(connection)
    }

    /// Called when a handle is dropped: the pool keeps what it wants, so mobc keeps nothing.
    fn validate(&self, _connection: &mut PgConnection) -> bool {
        false
    }
}
