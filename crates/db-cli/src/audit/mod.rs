//! `db audit`.

pub(crate) mod args;
mod erase;
mod export;
mod filters;
mod keygen;
mod keys;
mod private;
mod report;
mod retain;
mod search;
mod sequence;
mod show;
mod status;
mod tables;
mod verify;

use crate::{
    Exit, Failed,
    args::DatabaseArgs,
    database::{Missing, Target},
    output::Format,
    stop::unless_stopped,
};
use args::{AuditAction, AuditArgs};
use db_security::audit;

/// The SQLSTATE of `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

pub(crate) async fn run(args: &AuditArgs, format: Format) -> Result<Exit, Failed> {
    match &args.action {
        AuditAction::Enable(args) => tables::enable(args, format).await,
        AuditAction::Disable(args) => tables::disable(args, format).await,
        AuditAction::Tables(args) => tables::list(args, format).await,
        AuditAction::Search(args) => search::run(args, format).await,
        AuditAction::Show(args) => show::run(args, format).await,
        AuditAction::Export(args) => export::run(args, format).await,
        AuditAction::VerifyExport(args) => export::verify(args, format).await,
        AuditAction::Report(args) => report::run(args, format).await,
        AuditAction::Verify(args) => verify::run(args, format).await,
        AuditAction::Run(args) => sequence::run(args, format).await,
        AuditAction::Sequence(args) => sequence::once(args, format).await,
        AuditAction::Checkpoint(args) => sequence::checkpoint(args, format).await,
        AuditAction::Erase(args) => erase::run(args, format).await,
        AuditAction::Replay(args) => erase::replay(args, format).await,
        AuditAction::Retain(args) => retain::run(args, format).await,
        AuditAction::Rewrap(args) => keygen::rewrap(args, format).await,
        AuditAction::Keygen(args) => keygen::run(args, format),
        AuditAction::Status(args) => status::run(args, format).await,
    }
}

/// What to say of a failure: this, where a lock was not had in time.
fn failed(error: audit::Error, locked: &str) -> Failed {
    if let audit::Error::Database { source, .. } = &error
        && source.as_database_error().and_then(|error| error.code()).as_deref() == Some(LOCK_NOT_AVAILABLE)
    {
        return Failed::new(locked);
    }
    error.into()
}

/// Does the work with the configured database until it is done or Ctrl-C is pressed, and disconnects whatever comes of it.
async fn at(
    args: &DatabaseArgs,
    left: &str,
    work: impl AsyncFnOnce(&Target) -> Result<Exit, Failed>,
) -> Result<Exit, Failed> {
    let target = Target::open(args, Missing::Refuse, None).await?;
    let outcome = unless_stopped(left, Box::pin(work(&target))).await;
    target.close().await;
    outcome?.unwrap_or(Ok(Exit::Interrupted))
}
