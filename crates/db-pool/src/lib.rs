//! A connection pool for sqlx on PostgreSQL: one round trip a query, nothing lost to a future that is dropped, and a reason
//! for every refusal.
//!
//! ```no_run
//! use db_pool::{Pool, PoolConfig};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = PoolConfig::from_url("postgresql://app@localhost/app")?
//!     .max_size(8.try_into()?)
//!     .statement_timeout(Duration::from_secs(5))
//!     .slow_threshold(Duration::from_millis(250));
//! let pool = Pool::connect(&config).await?;
//!
//! // Whatever takes a `sqlx::PgPool` takes this pool: `query`, `query_as!`, streams, `begin`.
//! let mut tx = pool.begin().await?;
//! sqlx::query("UPDATE tasks SET priority = $1 WHERE title = $2").bind(5).bind("ship").execute(&mut *tx).await?;
//! tx.commit().await?;
//! let open: i64 = sqlx::query_scalar("SELECT count(*) FROM tasks").fetch_one(&pool).await?;
//!
//! let stats = pool.stats();
//! println!("{open} tasks; {} of {} connections in use, {} waiting", stats.in_use, stats.size, stats.waiting);
//! # Ok(())
//! # }
//! ```
//!
//! # Coming from `sqlx::PgPool`
//! Change the type and the constructor: [`Pool::connect_url`] for `PgPool::connect`, [`PoolConfig`] for `PgPoolOptions`. The
//! statements stay as they are. A test of this crate compiles one program against both pools and compares what it says.
//! Four things differ. Errors of the pool are told apart and carry figures ([`Error::of`] takes them out of a
//! `sqlx::Error`). [`Pool::close`] has a deadline. [`Pool::begin`] gives our [`Transaction`]: it derefs to the connection, but
//! is no `sqlx::Transaction`, so a helper that names that type, or is generic over `Acquire`, should take
//! `&mut PgConnection`. And a connection is not pinged before and after each use, which leaves one
//! round trip of three: it is checked after [idling](PoolConfig::check_after), and what its last user left behind is
//! seen on this side.
//!
//! # Which way to run a statement
//! | you have | use | what you get |
//! |---|---|---|
//! | one statement | `query.fetch_one(&pool)` and its like | any pool-wide limit |
//! | one statement with limits or typed rows | [`Pool::run`] | its own [timeout](Run::timeout) and [priority](Run::priority) |
//! | several on one session | [`Pool::acquire`], then `&mut lease` | no reset unless a statement calls for one |
//! | a transaction | [`Pool::transaction`], or [`Pool::begin`] | rollback on error, panic and drop; retries of conflicts |
//! | somebody on whose behalf | [`Pool::with_session`] | settings and a role, gone when the connection comes back |
//! | many statements | [`Batch`] | few round trips, each error in its place |
//! | many lookups by key | [`Loader`] | one statement for all that wait at the moment |
//! | many rows | [`copy_in`], [`copy_out`] | typed binary COPY |
//!
//! # What happens to a connection
//! A task of the pool opens it, within a [budget](PoolConfig::connects_per_second) and behind a
//! [breaker](PoolConfig::breaker), and hands it to whoever has waited longest; a caller that gives up wastes nothing. It is
//! lent last in, first out. When its [`Lease`] is dropped, it goes straight to the next caller, or first through a
//! [`Reset`] in the background if its session may have changed. If a query was cut, its place is given to another
//! connection within a millisecond or two, and the server is told to stop the query over a connection of the pool's own. After
//! [idling](PoolConfig::idle_timeout) or at the end of its [life](PoolConfig::max_lifetime) it is closed, an idle one after
//! its successor has been opened.
//!
//! # When it cannot be had
//! Callers wait in order of arrival; a [`Priority`] is a head start, so no class starves. A request is turned away at once
//! when the queue is [full](Error::QueueFull), when at its present pace the deadline would pass first
//! ([`Error::TooLate`]), or when nothing is lent and nothing can be opened ([`Error::Connect`], [`Error::BreakerOpen`]).
//! At the deadline (a few milliseconds later where it is a second or more) it is [`Error::Exhausted`] with the pool's figures and the last failure to connect, or
//! [`Error::SelfDeadlock`] when the waiting task sits on a connection itself. [`CoDel`] sheds load from a queue that stands.
//! Each error says through `db_core::Classify` whether a retry may help.
//!
//! # Watching it
//! [`Pool::stats`] is exact and cheap. A `Recorder` gets OpenTelemetry's `db.client.*` metrics. `tracing` gets a span a
//! statement (`db_pool::statement`, DEBUG), slow statements (`db_pool::slow`, WARN) and [leaks](PoolConfig::leak_threshold).
//! [`PoolProbe`] is the health check. Texts of statements leave the pool only without their literals.
//!
//! # What it cannot see
//! A function of your own that calls `set_config`, on a statement that looks innocent; PL/pgSQL that takes advisory locks;
//! the last value of a sequence, after a statement that needed no reset. [`Reset::Always`] is for that. On the bare
//! connection (`&mut *lease`) it sees no statement at all: no slow event, no limit on this side, and a plan that an
//! `ALTER TABLE` has made unusable is not made anew there. Where a statement is run by sqlx's `query.execute(&pool)`, the
//! call site in events is sqlx's; `pool.run(query)` names yours. Prepared statements made by `PREPARE` stay, since sqlx's own could not be told from them.
//! Behind PgBouncer in transaction mode the session is not yours: use [`Reset::Never`] and no session state. Who is asking
//! ([`Pool::with_session`]) can then be said in transactions only, where it holds until their end.

mod bulk;
mod clock;
mod config;
mod conn;
mod error;
mod fault;
mod gate;
// Not a child of the gate, which `tests/loom.rs` compiles with a lock that works in models only.
#[cfg(test)]
#[path = "gate/tests.rs"]
mod gate_tests;
mod held;
mod lease;
mod life;
mod pool;
mod probe;
mod recover;
mod run;
mod session;
mod settings;
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
pub use error::{Error, retry_of};
pub use fault::{ConnectError, Fault};
pub use gate::{
    codel::{CoDel, InvalidCoDel},
    queue::Priority,
};
pub use lease::Lease;
pub use life::breaker::{BreakerConfig, BreakerState, InvalidBreaker};
pub use pool::{AbandonedLease, AcquireOptions, CloseReport, Pool};
pub use probe::PoolProbe;
pub use run::Run;
pub use settings::SessionSettings;
pub use stats::Stats;
pub use store::{Live, Store, direct::DirectStore, mobc::MobcStore};
pub use transaction::{Access, Isolation, Transaction, TransactionOptions, savepoint};
