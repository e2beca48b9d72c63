//! One attempt to connect: the password asked for, the deadline kept, the failure classified.

use crate::{ConnectError, Fault, Live, PoolConfig};
use db_core::PasswordProvider;
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::{
    error::Error,
    fmt,
    io::ErrorKind,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::lookup_host, time::timeout};

/// Opens connections to one server.
pub(crate) struct Connector {
    server: Arc<str>,
    options: PgConnectOptions,
    password: Option<Arc<dyn PasswordProvider>>,
    connect_timeout: Duration,
    check_timeout: Duration,
}

impl Connector {
    pub(crate) fn new(config: &PoolConfig) -> Self {
        let config = config.clone().bounded();
        let mut options = config.connect.clone();
        if let Some(limit) = config.statement_timeout {
            // A default of the session, so that a reset goes back to it; milliseconds are the server's unit.
            options = options.options([("statement_timeout", limit.as_millis())]);
        }
        Self {
            server: describe(&options).into(),
            options,
            password: config.password.clone(),
            connect_timeout: config.attempt_timeout(),
            check_timeout: config.check_timeout,
        }
    }

    /// One attempt, which asks the provider a second time when the server refuses the password: it may have been
    /// rotated between the answer and its use.
    ///
    /// # Cancel safety
    /// A dropped future leaves no connection behind.
    pub(crate) async fn connect(&self) -> Result<PgConnection, ConnectError> {
        let started = Instant::now();
        let twice = async {
            match self.try_connect(started).await {
                Err(error) if error.fault == Fault::Password && self.password.is_some() => {
                    self.try_connect(started).await
                }
                result => result,
            }
        };
        timeout(self.connect_timeout, twice)
            .await
            .unwrap_or_else(|_| Err(self.failed(Fault::TimedOut, started.elapsed())))
    }

    /// Asks a connection whether it still answers.
    pub(crate) async fn check(&self, mut connection: Box<dyn Live>) -> Option<Box<dyn Live>> {
        match timeout(self.check_timeout, connection.ping()).await {
            Ok(Ok(())) => Some(connection),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Says goodbye to the server; past the deadline the socket is closed without it.
    pub(crate) async fn retire(&self, connection: Box<dyn Live>) {
        let _ = timeout(self.check_timeout, connection.into_inner().close()).await;
    }

    /// A failure of this server without a cause of its own.
    pub(crate) fn failed(&self, fault: Fault, elapsed: Duration) -> ConnectError {
        ConnectError {
            fault,
            server: Arc::clone(&self.server),
            attempts: 1,
            elapsed,
            sqlstate: None,
            source: None,
        }
    }

    async fn try_connect(&self, started: Instant) -> Result<PgConnection, ConnectError> {
        let options = match &self.password {
            None => self.options.clone(),
            Some(provider) => match provider.password().await {
                Ok(Some(password)) => self.options.clone().password(password.expose()),
                Ok(None) => self.options.clone(),
                Err(source) => {
                    let failed = self.failed(Fault::Provider, started.elapsed());
                    return Err(ConnectError { source: Some(source.into()), ..failed });
                }
            },
        };
        match options.connect().await {
            Ok(connection) => Ok(connection),
            Err(error) => {
                let fault = self.classify(&error).await;
                let sqlstate =
                    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
                let source: Arc<dyn Error + Send + Sync> = Arc::new(error);
                let failed = self.failed(fault, started.elapsed());
                Err(ConnectError { sqlstate, source: Some(source), ..failed })
            }
        }
    }

    async fn classify(&self, error: &sqlx::Error) -> Fault {
        match error {
            sqlx::Error::Database(error) => error.code().map_or(Fault::Server, |code| Fault::of(&code)),
            sqlx::Error::Tls(_) => Fault::Tls,
            sqlx::Error::Io(error) => match error.kind() {
                // A socket file that is not there: no server listens in that folder.
                ErrorKind::ConnectionRefused | ErrorKind::NotFound => Fault::Refused,
                _ if self.unresolved().await => Fault::Unresolved,
                _ => Fault::Unreachable,
            },
            _ => Fault::Protocol,
        }
    }

    /// Whether the host's name is the trouble; the driver's error does not say so but in prose.
    async fn unresolved(&self) -> bool {
        if self.options.get_socket().is_some() || self.options.get_host().starts_with('/') {
            return false;
        }
        match lookup_host((self.options.get_host(), self.options.get_port())).await {
            Ok(mut addresses) => addresses.next().is_none(),
            Err(_) => true,
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Where the server is, without user or password.
pub(crate) fn describe(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{}:{}/{database}", socket.display(), options.get_port()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}
