//! The migrations that a handle applies, and the probe that watches them.

use crate::{Error, connect};
use async_trait::async_trait;
use db_config::{Config, Pem, TlsConfig};
use db_core::{Finding, PasswordProvider, Probe, Status, with_causes};
use db_migrate::{Migrations, PemSource, Server, status};
use db_pool::Pool;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use std::sync::Arc;
use std::time::Duration;

/// Where sessions beside the pool are opened.
#[derive(Clone)]
pub(crate) struct Beside {
    connect: PgConnectOptions,
    password: Arc<dyn PasswordProvider>,
    tls: TlsConfig,
    connect_timeout: Duration,
}

/// The server and database of a configuration as migrations and backups see them; connects to nothing.
///
/// # Errors
/// [`Error::Unsupported`] and [`Error::Password`] when the password's provider fails.
pub async fn migration_server(config: &Config) -> Result<Server, Error> {
    Beside::new(config)?.server().await
}

/// The same with a session there, which is nobody else's.
///
/// # Errors
/// Those of [`migration_server`], and [`Error::Migrate`] when no session can be had within `database.connect_timeout`.
pub async fn migration_session(config: &Config) -> Result<(Server, PgConnection), Error> {
    Beside::new(config)?.session().await
}

impl Beside {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let tls = config.postgres.tls.clone();
        let (connect, password) = (connect::connect_options(config)?, Arc::clone(&config.postgres.password));
        Ok(Self { connect, password, tls, connect_timeout: config.postgres.connect_timeout })
    }

    pub(crate) async fn server(&self) -> Result<Server, Error> {
        let password = self.password.password().await.map_err(|source| Error::Password { source })?;
        let mut server = Server::new(self.connect.clone()).connect_timeout(self.connect_timeout);
        if let Some(password) = password {
            server = server.password(password);
        }
        if let Some(root) = &self.tls.root_certificate {
            server = server.root_certificate(source(root));
        }
        if let Some(client) = &self.tls.client {
            server = server.client_certificate(source(&client.certificate), source(&client.key));
        }
        Ok(server)
    }

    /// The password is asked for once more where the server refuses it: it may just have changed.
    pub(crate) async fn session(&self) -> Result<(Server, PgConnection), Error> {
        let server = self.server().await?;
        match server.connect().await {
            Err(error) if is_refused_password(&error) => {
                let server = self.server().await?;
                let conn = server.connect().await?;
                Ok((server, conn))
            }
            conn => Ok((server, conn?)),
        }
    }
}

fn is_refused_password(error: &db_migrate::Error) -> bool {
    matches!(error, db_migrate::Error::Database { source: sqlx::Error::Database(error), .. }
        if error.code().is_some_and(|code| code == "28P01"))
}

fn source(pem: &Pem) -> PemSource {
    match pem {
        Pem::File(path) => PemSource::File(path.clone()),
        Pem::Text(text) => PemSource::Text(text.clone()),
    }
}

/// This system's own schema; nothing where the model is not compiled in.
pub(crate) fn built_in() -> Result<Migrations, Error> {
    #[cfg(feature = "model")]
    const EMBEDDED: &[db_migrate::Embedded] = db_model::MIGRATIONS;
    #[cfg(not(feature = "model"))]
    const EMBEDDED: &[db_migrate::Embedded] = &[];
    Ok(Migrations::embedded(EMBEDDED)?)
}

/// Says whether the schema is the one that this program was built for.
pub(crate) struct MigrationsProbe {
    pool: Pool,
    migrations: Arc<Migrations>,
}

impl MigrationsProbe {
    pub(crate) fn new(pool: Pool, migrations: Arc<Migrations>) -> Self {
        Self { pool, migrations }
    }

    async fn look(&self) -> Result<Finding, Error> {
        let mut lease = self.pool.acquire().await?;
        let status = status(&mut lease, &self.migrations).await?;
        let finding = match (status.problems.first(), status.pending.len()) {
            (Some(problem), _) => Finding::new(self.name(), Status::Unhealthy, problem.to_string()),
            (None, 0) => Finding::healthy(self.name()),
            (None, _) => {
                Finding::new(self.name(), Status::Degraded, "migrations are pending; run db migrate up")
            }
        };
        Ok(finding.with("applied", &status.applied.len()).with("pending", &status.pending.len()))
    }
}

#[async_trait]
impl Probe for MigrationsProbe {
    fn name(&self) -> &str {
        "migrations"
    }

    async fn probe(&self) -> Finding {
        self.look()
            .await
            .unwrap_or_else(|error| Finding::new(self.name(), Status::Unhealthy, with_causes(&error)))
    }
}
