//! A connection pool for sqlx on PostgreSQL.
//!
//! A query costs one round trip: a connection is checked only after it idled, and what its last user left behind is
//! seen without asking the server. Every wait has a deadline, and a future that is dropped gives everything back.
//!
//! ```no_run
//! use db_pool::{Pool, PoolConfig};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = PoolConfig::from_url("postgresql://app@localhost/app")?
//!     .max_size(8.try_into()?)
//!     .acquire_timeout(Duration::from_secs(2));
//! let pool = Pool::connect(&config).await?;
//!
//! let mut lease = pool.acquire().await?;
//! let mut tx = sqlx::Connection::begin(&mut *lease).await?;
//! sqlx::query("UPDATE tasks SET priority = $1 WHERE id = $2").bind(5).bind(1).execute(&mut *tx).await?;
//! tx.commit().await?;
//! drop(lease);
//!
//! let stats = pool.stats();
//! println!("{} of {} in use, {} waiting", stats.in_use, stats.max_size, stats.waiting);
//! pool.close_within(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```

mod bulk;
mod config;
mod conn;
mod error;
mod gate;
mod held;
mod lease;
mod life;
mod pool;
mod probe;
mod recover;
mod run;
mod session;
mod shared;
mod stats;
mod store;
mod sync;
mod transaction;

pub use bulk::{
    Batch, BatchMode, BatchReport, CopyError, CopyFields, CopyIn, CopyOut, CopyRow, CopyTarget, CopyTypes,
    CopyValues, Done, FromCopy, FromCopyRow, Loader, LoaderOptions, LoaderStats, Outcome, copy_in, copy_out,
};
pub use config::{PoolConfig, Reset, Sizing};
pub use error::{ConnectError, Error, Fault, retry_of};
pub use gate::{
    codel::{CoDel, InvalidCoDel},
    queue::Priority,
};
pub use lease::Lease;
pub use life::breaker::{BreakerConfig, BreakerState, InvalidBreaker};
pub use pool::{AbandonedLease, AcquireOptions, CloseReport, Pool};
pub use probe::PoolProbe;
pub use run::Run;
pub use stats::Stats;
pub use store::{Live, Store, direct::DirectStore, mobc::MobcStore};
pub use transaction::{Access, Isolation, Transaction, TransactionOptions, savepoint};
