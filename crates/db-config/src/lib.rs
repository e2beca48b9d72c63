//! Typed configuration: every value knows where it came from, every problem is told at once, no secret is printed.
//!
//! ```
//! use db_config::{Environment, Loader, Profile};
//!
//! let config = Loader::new()
//!     .environment(Environment::Production)
//!     .profile(Profile::Oltp)
//!     .env([("DATABASE_URL", "postgres://app:hunter2@db1,db2:6432/shop"), ("DB_POOL_IDLE_TIMEOUT", "30000")])
//!     .set("pool.max_size", "20")
//!     .load()?;
//! assert_eq!(config.url_masked(), "postgres://app:***@db1:5432,db2:6432/shop?sslmode=require");
//! assert_eq!(config.pool.max_size.get(), 20);
//!
//! // Each value with its source; secrets are masked.
//! let rows = config.explain().rows;
//! let idle = rows.iter().find(|row| row.key == "pool.idle_timeout").unwrap();
//! assert_eq!(idle.value.as_deref(), Some("30s"));
//! assert_eq!(idle.source.as_deref(), Some("environment variable DB_POOL_IDLE_TIMEOUT"));
//!
//! // All problems at once, each with its source and the way out.
//! let error = Loader::new().env([("DB_HSOT", "db1"), ("DB_QUERY_TIMEOUT", "30")]).load().unwrap_err();
//! assert_eq!(error.problems().len(), 2);
//! assert!(error.to_string().contains("did you mean DB_HOST?"));
//! assert!(error.to_string().contains("did you mean 30s? write the unit"));
//! # Ok::<(), db_config::Error>(())
//! ```
//!
//! The layers are, from the weakest: defaults (by [`Environment`] and [`Profile`]), files (cargo feature `file`), `.env`
//! files, the environment, code. [`reference()`] lists every key with its names. `command` is the cargo feature for
//! passwords that a program prints, `serde` the one for printing [`Explanation`] and [`Change`] as JSON.

mod command_words;
mod config;
mod defaults;
mod effective;
mod error;
mod explain;
mod hint;
mod host;
mod layer;
mod loader;
mod mask;
mod merge;
mod parse;
mod pem;
mod postgres;
mod provider;
mod schema;
mod settings;
mod source;
mod span;
mod url;
mod value;
mod word;

pub use config::Config;
pub use error::{Error, Problem, ProblemKind};
pub use explain::{Change, ExplainRow, Explanation};
pub use host::Host;
pub use loader::Loader;
pub use pem::Pem;
pub use postgres::{ClientCertificate, PostgresConfig, Replica, TlsConfig};
#[cfg(feature = "command")]
pub use provider::CommandPassword;
pub use provider::{CallbackPassword, FilePassword, StaticPassword};
pub use schema::reference;
pub use settings::{
    AccessConfig, AuditConfig, CacheConfig, HealthConfig, LoggingConfig, MonitoringConfig, PoolConfig,
    QueryConfig, RedisConfig,
};
pub use source::Source;
pub use word::{
    AccessMode, CacheStore, Environment, FileAccess, LogLevel, Profile, RedisMode, SslMode,
    TargetSessionAttrs,
};
