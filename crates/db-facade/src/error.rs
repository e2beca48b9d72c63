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
            #[cfg(feature = "migrate")]
            Self::Migrate(error) => error.retry(),
            #[cfg(feature = "migrate")]
            Self::Password { .. } => Retry::Reconnect,
            Self::Unsupported { .. } | Self::NoConfig => Retry::Never,
        }
    }
}
