//! One `Database` handle over what its features name: configuration, pool, migrations, queue, health.
//!
//! ```
//! use db_facade::{Database, db_config::Loader, db_query::{Select, col}};
//! use sqlx::Executor;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Defaults, then the environment: DATABASE_URL or DB_HOST and the like.
//! let config = Loader::new().process_env().load()?;
//! let db = Database::builder().config(config).build().await?;
//! db.migrate().await?;
//!
//! let statement = Select::from("tasks").columns(["title"]).filter(col("status").eq("pending")).limit(10).build()?;
//! let mut lease = db.pool().acquire().await?;
//! for row in lease.fetch_all(statement).await? {
//!     println!("{}", sqlx::Row::get::<String, _>(&row, "title"));
//! }
//! drop(lease);
//!
//! println!("{}", db.health().await.status.as_str());
//! db.close().await;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "access")]
mod access;
#[cfg(feature = "audit")]
mod audit;
mod builder;
#[cfg(feature = "cache")]
mod cache;
mod connect;
mod database;
mod error;
mod health;
#[cfg(feature = "migrate")]
mod migrations;
#[cfg(all(feature = "cache", feature = "query"))]
mod query;

#[cfg(feature = "access")]
pub use access::{access_rules, access_source};
#[cfg(feature = "audit")]
pub use audit::witnesses;
pub use builder::Builder;
pub use database::Database;
pub use error::Error;
pub use health::Health;
#[cfg(feature = "migrate")]
pub use migrations::{migration_server, migration_session};
#[cfg(all(feature = "cache", feature = "query"))]
pub use query::{Cached, Query};

#[cfg(feature = "cache")]
pub use db_cache;
pub use db_config;
#[cfg(feature = "migrate")]
pub use db_migrate;
#[cfg(feature = "model")]
pub use db_model;
pub use db_pool;
#[cfg(feature = "query")]
pub use db_query;
#[cfg(any(feature = "access", feature = "audit"))]
pub use db_security;
#[cfg(feature = "tasks")]
pub use db_tasks;
