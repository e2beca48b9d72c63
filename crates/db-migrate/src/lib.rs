//! Schema migrations: plan, apply, status.
//!
//! A migration is a folder `0001_name` with `up.sql`, and where wanted `down.sql` and `meta.toml`. It is applied
//! together with its row of history in one transaction, under a lock that only one deployment at a time holds.
//!
//! ```
//! use db_migrate::{Embedded, Migrations, Options, apply, status};
//!
//! // A build script writes such items from a folder; `Migrations::read` reads the folder itself.
//! const MIGRATIONS: &[Embedded] = &[Embedded {
//!     folder: "0001_notes",
//!     up: "CREATE TABLE notes (id bigint PRIMARY KEY, text text NOT NULL);",
//!     down: Some("DROP TABLE notes;"),
//!     meta: Some("description = 'What people wrote down'"),
//! }];
//!
//! async fn deploy(conn: &mut sqlx::PgConnection) -> Result<(), db_migrate::Error> {
//!     let migrations = Migrations::embedded(MIGRATIONS)?;
//!     let report = apply(conn, &migrations, &Options::default(), &mut |event| println!("{event}")).await?;
//!     println!("{} applied", report.done.len());
//!     assert!(status(conn, &migrations).await?.pending.is_empty());
//!     Ok(())
//! }
//!
//! assert_eq!(Migrations::embedded(MIGRATIONS)?.iter().count(), 1);
//! # Ok::<(), db_migrate::Error>(())
//! ```

mod checksum;
mod error;
mod history;
mod id;
mod migration;
mod plan;
mod run;
mod script;
mod source;

pub use checksum::Checksum;
pub use error::{Error, Left, StatementError};
pub use history::{Applied, HistoryTable};
pub use id::MigrationId;
pub use migration::{Migration, TransactionMode};
pub use plan::{PlanError, Problem, plan};
pub use run::apply::{apply, status};
pub use run::lock::Holder;
pub use run::revert::{RevertTo, revert};
pub use run::{Done, Event, Options, Report, Status};
pub use source::embedded::Embedded;
pub use source::{Migrations, SourceProblem};
