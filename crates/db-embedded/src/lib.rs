//! Finds or starts the PostgreSQL and Redis to run against.
//!
//! In this order: a URL that was given; native binaries, as a private cluster that dies with its owner; the platform's
//! package manager, where the caller allows it; a container engine (feature `containers`); a downloaded build (feature
//! `download`). Otherwise an error names each way and the command that opens it.
//!
//! ```no_run
//! use db_embedded::{Mode, Options, Postgres};
//!
//! # async fn example() -> Result<(), db_embedded::Error> {
//! // Thrown away at the end: no fsync, a folder under /tmp, a unix socket and no port.
//! let scratch = Postgres::start(Options::new(Mode::Ephemeral)).await?;
//! println!("{}", scratch.url().expose());
//! scratch.stop().await;
//!
//! // Kept: the same folder holds the same data next time. A second process that asks for it joins the first's server.
//! let kept = Postgres::start(Options::new(Mode::Persistent(".db".into()))).await?;
//! println!("{} {:?}", kept.url().expose(), kept.origin());
//! # Ok(())
//! # }
//! ```
//!
//! Everything here blocks on processes and files, so the `async` functions hand it to tokio's blocking threads; a
//! dropped future stops whatever had been started by then.

mod account;
mod binaries;
mod cluster;
#[cfg(feature = "containers")]
mod container;
#[cfg(feature = "download")]
mod download;
mod error;
mod guardian;
mod home;
mod install;
mod leftover;
mod options;
mod origin;
mod port;
mod postgres;
mod private;
mod redis;
mod scratch;

pub use binaries::Search;
pub use error::{Error, Way};
pub use install::{Install, PackageManager};
pub use options::{InstallPolicy, Mode, Options, Report};
pub use origin::Origin;
pub use postgres::Postgres;
pub use redis::Redis;
