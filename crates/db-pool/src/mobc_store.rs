//! The store over mobc: its manager connects, its idle list is kept empty, and its known defects are worked around.
//!
//! mobc spawns a task for every return and panics when that happens outside a runtime, so `spawn_task` is overridden:
//! poll once, and spawn on the runtime that built the store only what is then still pending. Its timeouts, idle limits
//! and lifetime are not used; the pool in front of it has its own.

use crate::{Error, Live, PoolConfig, Store};
use async_trait::async_trait;
use db_core::PasswordProvider;
use mobc::Manager;
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};
use tokio::{runtime::Handle, time::timeout};

/// The default store.
pub struct MobcStore {
    mobc: mobc::Pool<Connector>,
    check_timeout: Duration,
}

impl MobcStore {
    /// Builds a store for the server that `config` names; connects to nothing yet.
    ///
    /// # Panics
    /// Outside a tokio runtime, since connections need one.
    #[must_use]
    pub fn new(config: &PoolConfig) -> Self {
        let connector = Connector {
            server: describe(&config.connect),
            options: config.connect.clone(),
            password: config.password.clone(),
            connect_timeout: config.connect_timeout,
            runtime: Handle::current(),
        };
        // The pool's own gate bounds the number; mobc must never be the one to wait. Zero is its "no limit".
        let mobc = mobc::Pool::builder().max_open(0).get_timeout(None).build(connector);
        Self { mobc, check_timeout: config.check_timeout }
    }
}

impl fmt::Debug for MobcStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MobcStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MobcStore {
    async fn open(&self) -> Result<Box<dyn Live>, Error> {
        match self.mobc.get().await {
            Ok(inner) => Ok(Box::new(Handed { inner })),
            Err(mobc::Error::Inner(error)) => Err(error),
            Err(_) => Err(Error::Closed),
        }
    }

    async fn check(&self, mut connection: Box<dyn Live>) -> Option<Box<dyn Live>> {
        match timeout(self.check_timeout, connection.ping()).await {
            Ok(Ok(())) => Some(connection),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    async fn retire(&self, mut connection: Box<dyn Live>) {
        // `close` takes the connection by value, which mobc does not give up; an explicit flush sends what is queued,
        // and dropping the handle closes the socket, which ends the session as well.
        let _ = timeout(self.check_timeout, connection.flush()).await;
    }
}

/// A connection on loan from mobc; dropping it makes mobc close it, because `validate` never wants one back.
struct Handed {
    inner: mobc::Connection<Connector>,
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

/// mobc's manager: connects, and asks for the password each time.
struct Connector {
    server: String,
    options: PgConnectOptions,
    password: Option<Arc<dyn PasswordProvider>>,
    connect_timeout: Duration,
    runtime: Handle,
}

impl Connector {
    async fn try_connect(&self) -> Result<PgConnection, Error> {
        let options = match &self.password {
            None => self.options.clone(),
            Some(provider) => {
                match provider.password().await.map_err(|source| Error::Password { source })? {
                    Some(password) => self.options.clone().password(password.expose()),
                    None => self.options.clone(),
                }
            }
        };
        options.connect().await.map_err(|error| Error::Connect {
            server: self.server.clone(),
            sqlstate: sqlstate(&error),
            source: Box::new(error),
        })
    }
}

#[async_trait]
impl Manager for Connector {
    type Connection = PgConnection;
    type Error = Error;

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

    async fn connect(&self) -> Result<PgConnection, Error> {
        let twice = async {
            match self.try_connect().await {
                // The password may have been rotated between the answer and its use: ask once more.
                Err(Error::Connect { sqlstate: Some(code), .. })
                    if code == "28P01" && self.password.is_some() =>
                {
                    self.try_connect().await
                }
                result => result,
            }
        };
        timeout(self.connect_timeout, twice).await.unwrap_or_else(|_| {
            Err(Error::ConnectTimeout { server: self.server.clone(), waited: self.connect_timeout })
        })
    }

    async fn check(&self, connection: PgConnection) -> Result<PgConnection, Error> {
        Ok(connection)
    }

    /// Called when a handle is dropped: the pool keeps what it wants, so mobc keeps nothing.
    fn validate(&self, _connection: &mut PgConnection) -> bool {
        false
    }
}

/// Where the server is, without user or password.
fn describe(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{}:{}/{database}", socket.display(), options.get_port()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}
