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

mod adopt;
mod ask;
#[cfg(feature = "backup")]
pub mod backup;
mod checksum;
mod code;
mod drift;
mod error;
mod held;
mod history;
mod id;
#[cfg(feature = "lint")]
pub mod lint;
mod migration;
mod pem;
mod pins;
mod plan;
mod run;
pub mod schema;
mod scratch;
mod script;
mod server;
mod shape;
mod source;
#[cfg(feature = "backup")]
mod squash;
mod stage;
mod verify;

pub use adopt::{
    AdoptProblem, ForeignChecksum, ForeignError, ForeignRow, ForeignState, TableName, create_statements,
    detect_foreign,
};
pub use checksum::Checksum;
pub use code::Code;
pub use drift::{Drift, drift, live_schema, migrated_schema};
pub use error::{Error, Left, StatementError};
pub use history::{Applied, HistoryTable, Outcome};
pub use id::MigrationId;
pub use migration::{Migration, Risk, TransactionMode};
pub use pem::PemSource;
pub use pins::{PinError, PinProblem, Pins};
pub use plan::{OutOfOrder, Plan, PlanError, Problem, RevertTo, Rules, Step, Why, plan};
pub use run::adopt::{Adopted, adopt};
pub use run::apply::apply;
pub use run::hooks::Hooks;
pub use run::lock::Holder;
pub use run::recover::{Recover, Way, recover};
pub use run::rehearse::{
    Certainty, Course, Lock, LockMode, On, Place, Rehearsal, Rehearsed, Rewritten, Rows, StatementCost,
    TableLock, rehearse,
};
pub use run::repair::{baseline, repair};
pub use run::revert::{revert, revert_plan};
pub use run::status::{Status, status, status_by};
pub use run::{Blocker, DeployLock, Done, Event, Options, Progress, Report, ServerWide};
pub use scratch::{Scratch, Template};
pub use server::Server;
pub use source::detect::Detected;
pub use source::draft::Kind;
pub use source::embedded::Embedded;
pub use source::formats::{Format, NewFile, NewMigration, Note, Project, UnknownFormat};
pub use source::meta::duration;
pub use source::template::Variables;
pub use source::{Migrations, Seen, SourceProblem};
#[cfg(feature = "backup")]
pub use squash::{SquashError, Squashed, squash};
pub use verify::{RoundTrip, Verdict, Verified, Whole, verify};
