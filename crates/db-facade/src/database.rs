//! The handle.

use crate::{Builder, Health, health};
use db_core::Probe;
#[cfg(feature = "migrate")]
use db_migrate::Migrations;
use db_pool::Pool;
use std::{fmt, sync::Arc, time::Duration};

/// How long [`Database::close`] waits for leases.
const CLOSE_GRACE: Duration = Duration::from_secs(10);

/// Everything between a service's code and PostgreSQL. Cloning it is cheap, and every clone is the same database.
#[derive(Clone)]
pub struct Database {
    pub(crate) pool: Pool,
    pub(crate) probes: Vec<Arc<dyn Probe>>,
    #[cfg(feature = "audit")]
    pub(crate) audited: Arc<Option<crate::audit::Audited>>,
    #[cfg(feature = "access")]
    pub(crate) access: Option<Arc<crate::access::Access>>,
    #[cfg(feature = "cache")]
    pub(crate) cached: Arc<crate::cache::Cached>,
    #[cfg(feature = "migrate")]
    pub(crate) migrations: Arc<Migrations>,
    #[cfg(feature = "migrate")]
    pub(crate) beside: crate::migrations::Beside,
}

impl Database {
    /// Begins to put one together.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Applies what is pending of the migrations.
    ///
    /// # Errors
    /// [`Error::Migrate`](crate::Error::Migrate) when one fails or may not be applied, or no session can be had within
    /// `database.connect_timeout`, [`Error::Password`](crate::Error::Password).
    ///
    /// # Cancel safety
    /// A dropped future closes its connection: the migration under way is rolled back by the server, and the deploy lock
    /// goes with the session.
    #[cfg(feature = "migrate")]
    pub async fn migrate(&self) -> Result<db_migrate::Report, crate::Error> {
        self.migrate_with(&db_migrate::Options::default(), &mut |_| {}).await
    }

    /// The same with limits of the caller's, and told as it goes on.
    ///
    /// # Errors
    /// Those of [`Database::migrate`].
    #[cfg(feature = "migrate")]
    pub async fn migrate_with(
        &self,
        options: &db_migrate::Options,
        tell: &mut (dyn FnMut(&db_migrate::Event<'_>) + Send),
    ) -> Result<db_migrate::Report, crate::Error> {
        // The deploy lock and what migrations set belong to the session: it must not outlive this call.
        let (server, mut conn) = match &options.server {
            Some(server) => (server.clone(), server.connect().await?),
            None => self.beside.session().await?,
        };
        let options = db_migrate::Options { server: Some(server), ..options.clone() };
        Ok(db_migrate::apply(&mut conn, &self.migrations, &options, tell).await?)
    }

    /// The server and database as migrations and backups see them: a place for sessions beside the pool.
    ///
    /// # Errors
    /// [`Error::Password`](crate::Error::Password) when the password's provider fails.
    #[cfg(feature = "migrate")]
    pub async fn migration_server(&self) -> Result<db_migrate::Server, crate::Error> {
        self.beside.server().await
    }

    /// Where the database stands against the migrations.
    ///
    /// # Errors
    /// Those of [`Database::migrate`].
    #[cfg(feature = "migrate")]
    pub async fn migration_status(&self) -> Result<db_migrate::Status, crate::Error> {
        let mut lease = self.pool.acquire().await?;
        Ok(db_migrate::status(&mut lease, &self.migrations).await?)
    }

    /// Asks every probe, all at once, each within five seconds.
    pub async fn health(&self) -> Health {
        health::check(&self.probes).await
    }

    /// Ends following changes, stores what is to be audited, lends nothing more, waits up to ten seconds for what is lent, and disconnects.
    pub async fn close(self) {
        #[cfg(feature = "cache")]
        self.cached.stop();
        #[cfg(feature = "audit")]
        if let Some(audited) = self.audited.as_ref() {
            audited.close().await;
        }
        self.pool.close_within(CLOSE_GRACE).await;
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("pool", &self.pool).finish_non_exhaustive()
    }
}
