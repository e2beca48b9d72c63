//! Why there is no database handle, or why it could not do what was asked.

use db_core::{Classify, Retry};

/// An error of the facade.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration asks for what this version cannot do.
    #[error("{key} = {value} cannot be served: {why}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value; not secret.
        value: String,
        /// Why not, and what to do instead.
        why: &'static str,
    },
    /// No configuration was given.
    #[error("the builder was given no configuration; call .config(..)")]
    NoConfig,
    /// The pool could not connect.
    #[error("cannot open the pool")]
    Pool(#[from] db_pool::Error),
    /// The configured Redis cannot be used.
    #[cfg(feature = "redis")]
    #[error("the configuration of Redis cannot be used")]
    Redis(#[from] db_cache::RedisOptionsError),
    /// A statement failed.
    #[cfg(all(feature = "cache", feature = "query"))]
    #[error("the statement failed")]
    Query(#[source] db_pool::Error),
    /// A statement whose answer is cached has none.
    #[cfg(all(feature = "cache", feature = "query"))]
    #[error("no answer is cached, and none was to be had")]
    Load(#[from] db_cache::LoadError),
    /// The audit log cannot be kept as the configuration wants it.
    #[cfg(feature = "audit")]
    #[error("the audit log cannot be kept")]
    Audit(#[from] db_security::audit::Error),
    /// A key that the configuration says where to get cannot be had.
    #[cfg(feature = "audit")]
    #[error("{key} cannot be had")]
    Key {
        /// Which setting.
        key: &'static str,
        /// What its provider says.
        #[source]
        source: db_core::BoxError,
    },
    /// The web server that checkpoints are to be posted to cannot be asked.
    #[cfg(feature = "audit")]
    #[error("audit.checkpoint_webhook cannot be used")]
    Webhook(#[source] db_core::BoxError),
    /// The file of access rules cannot be read.
    #[cfg(feature = "access")]
    #[error("access rules {path:?} cannot be read")]
    AccessFile {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Access rules that cannot be used, or that would not hold in this database.
    #[cfg(feature = "access")]
    #[error("access.rules = {path:?} cannot be enforced")]
    Access {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        source: Box<db_security::access::GuardError>,
    },
    /// Somebody is to be held to access rules, and the mode is off.
    #[cfg(feature = "access")]
    #[error(
        "there are no access rules in force; set access.mode (DB_ACCESS_MODE) and access.rules (DB_ACCESS_RULES)"
    )]
    NoAccess,
    /// A migration failed, or may not be applied.
    #[cfg(feature = "migrate")]
    #[error("cannot migrate")]
    Migrate(#[from] db_migrate::Error),
    /// The password's provider failed.
    #[cfg(feature = "migrate")]
    #[error("the database's password cannot be had")]
    Password {
        /// What the provider says.
        #[source]
        source: db_core::BoxError,
    },
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::Pool(error) => error.retry(),
            #[cfg(all(feature = "cache", feature = "query"))]
            Self::Query(error) => error.retry(),
            #[cfg(all(feature = "cache", feature = "query"))]
            Self::Load(error) => error.retry(),
            #[cfg(feature = "redis")]
            Self::Redis(_) => Retry::Never,
            #[cfg(feature = "migrate")]
            Self::Migrate(error) => error.retry(),
            #[cfg(feature = "migrate")]
            Self::Password { .. } => Retry::Reconnect,
            #[cfg(feature = "audit")]
            Self::Audit(error) => error.retry(),
            #[cfg(feature = "audit")]
            Self::Key { .. } => Retry::Reconnect,
            #[cfg(feature = "audit")]
            Self::Webhook(_) => Retry::Never,
            #[cfg(feature = "access")]
            Self::Access { source, .. } => source.retry(),
            #[cfg(feature = "access")]
            Self::AccessFile { .. } | Self::NoAccess => Retry::Never,
            Self::Unsupported { .. } | Self::NoConfig => Retry::Never,
        }
    }
}
