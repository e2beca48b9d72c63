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
            Self::Unsupported { .. } | Self::NoConfig => Retry::Never,
        }
    }
}
