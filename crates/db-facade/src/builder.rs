//! Putting a database handle together.

use crate::{Database, Error, connect};
use db_config::Config;
use db_core::{Probe, Recorder};
#[cfg(feature = "migrate")]
use db_migrate::Migrations;
use db_pool::{Pool, PoolProbe};
use std::{fmt, sync::Arc};

/// Collects what a [`Database`] is made of.
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    config: Option<Config>,
    recorder: Option<Arc<dyn Recorder>>,
    probes: Vec<Arc<dyn Probe>>,
    #[cfg(feature = "cache")]
    cache: Option<db_cache::Cache>,
    #[cfg(feature = "migrate")]
    migrations: Option<Migrations>,
    #[cfg(feature = "access")]
    audit: Option<Arc<dyn db_core::AuditSink>>,
    #[cfg(feature = "access")]
    is_unguarded: bool,
    #[cfg(feature = "audit")]
    is_unaudited: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            config: None,
            recorder: None,
            probes: Vec::new(),
            #[cfg(feature = "cache")]
            cache: None,
            #[cfg(feature = "migrate")]
            migrations: None,
            #[cfg(feature = "access")]
            audit: None,
            #[cfg(feature = "access")]
            is_unguarded: false,
            #[cfg(feature = "audit")]
            is_unaudited: false,
        }
    }

    /// The configuration; the one thing that must be given.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Where measurements go.
    pub fn recorder(mut self, recorder: Arc<dyn Recorder>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Adds a health check of the service's own.
    pub fn probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probes.push(probe);
        self
    }

    /// The service's own cache, in place of the configured one.
    #[cfg(feature = "cache")]
    pub fn cache(mut self, cache: db_cache::Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// The service's own migrations, in place of this system's.
    #[cfg(feature = "migrate")]
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations = Some(migrations);
        self
    }

    /// Who is told of what access rules refuse; with feature `audit` the audit log unless this is called.
    #[cfg(feature = "access")]
    pub fn audit(mut self, sink: Arc<dyn db_core::AuditSink>) -> Self {
        self.audit = Some(sink);
        self
    }

    /// Reads no access rules, whatever the configuration says: for programs that look after the database, on behalf of nobody.
    #[cfg(feature = "access")]
    pub fn unguarded(mut self) -> Self {
        self.is_unguarded = true;
        self
    }

    /// Starts neither a writer of audit events nor what gives them their places, whatever the configuration says: for programs that
    /// look after the database, and end before either would be worth its while. What triggers note is noted nevertheless.
    #[cfg(feature = "audit")]
    pub fn unaudited(mut self) -> Self {
        self.is_unaudited = true;
        self
    }

    /// Connects, and reads the access rules where there are any.
    ///
    /// # Errors
    /// [`Error::NoConfig`], [`Error::Unsupported`], or [`Error::Pool`] when the server cannot be reached. A Redis that cannot
    /// be is none. With feature `access`, `AccessFile` and `Access`: rules that cannot be read or do not fit the database, and
    /// in enforce mode those that somebody gets past.
    ///
    /// # Cancel safety
    /// A dropped future closes what it has opened.
    pub async fn build(self) -> Result<Database, Error> {
        let config = self.config.ok_or(Error::NoConfig)?;
        #[cfg(not(feature = "access"))]
        connect::refuse_access(&config)?;
        let unread = connect::unread(&config);
        if !unread.is_empty() {
            tracing::warn!(keys = unread.join(", "), "these settings have no effect in this version");
        }
        #[cfg(feature = "migrate")]
        let beside = crate::migrations::Beside::new(&config)?;
        let pool = Pool::connect(&connect::pool_config(&config, self.recorder.clone())?).await?;
        #[cfg(feature = "audit")]
        let audited = match self.is_unaudited {
            true => None,
            false => crate::audit::Audited::new(&config, &pool).await?,
        };
        #[cfg(feature = "access")]
        let access = match self.is_unguarded {
            true => None,
            false => {
                #[cfg(feature = "audit")]
                let sink = self.audit.or_else(|| audited.as_ref().map(crate::audit::Audited::sink));
                #[cfg(not(feature = "audit"))]
                let sink = self.audit;
                crate::access::Access::open(&config, &pool, sink).await?
            }
        };
        #[cfg(feature = "cache")]
        let cached = crate::cache::Cached::new(&config, self.cache, &pool, self.recorder)?;
        let mut probes: Vec<Arc<dyn Probe>> = vec![Arc::new(PoolProbe::new("postgres", pool.clone()))];
        #[cfg(feature = "migrate")]
        let migrations = Arc::new(match self.migrations {
            Some(migrations) => migrations,
            None => crate::migrations::built_in()?,
        });
        #[cfg(feature = "migrate")]
        probes.push(Arc::new(crate::migrations::MigrationsProbe::new(pool.clone(), Arc::clone(&migrations))));
        #[cfg(feature = "cache")]
        probes.push(Arc::new(cached.cache.clone()));
        #[cfg(feature = "audit")]
        probes.extend(audited.iter().flat_map(|audited| audited.probes.clone()));
        probes.extend(self.probes);
        Ok(Database {
            pool,
            probes,
            #[cfg(feature = "audit")]
            audited: Arc::new(audited),
            #[cfg(feature = "access")]
            access: access.map(Arc::new),
            #[cfg(feature = "cache")]
            cached: Arc::new(cached),
            #[cfg(feature = "migrate")]
            migrations,
            #[cfg(feature = "migrate")]
            beside,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}
