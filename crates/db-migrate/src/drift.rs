//! The schema of a database: as it is, as its migrations make it, and the difference.

use crate::plan::contradictions;
use crate::run::{Event, Options, Runner, hooks};
use crate::schema::{Difference, Snapshot, SnapshotOptions, diff, snapshot};
use crate::stage::{Stage, Telling, apply_each, options_there, refuse_server_wide};
use crate::{Applied, Error, Kind, Migration, Migrations, Outcome, PlanError, Server, plan};
use sqlx::PgConnection;

/// In what a database is not as its migrations make it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// What the migrations make is `before`, what is there is `after`.
    pub differences: Vec<Difference>,
    /// Repeatable migrations that were changed and not applied since: what they make is compared as it will be.
    pub unapplied: Vec<String>,
}

/// The schema that a database has, without the history of its migrations.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn live_schema(
    conn: &mut PgConnection,
    migrations: &Migrations,
    taking: &SnapshotOptions,
) -> Result<Snapshot, Error> {
    snapshot(conn, &without_history(migrations, taking)).await
}

/// The schema that the migrations make on an empty database, by the rules of `options`. They are run on a scratch
/// database of the server, with the encoding, the locale and the search path of its database, which is not touched.
///
/// # Errors
/// [`Error::Plan`], [`Error::ServerWide`], and what [`apply`](crate::apply) has.
///
/// # Cancel safety
/// The scratch database is dropped; [`Scratch::settled`](crate::Scratch::settled) waits for that.
pub async fn migrated_schema(
    server: &Server,
    migrations: &Migrations,
    taking: &SnapshotOptions,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Snapshot, Error> {
    let steps = plan(migrations.as_slice(), &[], &options.rules)?;
    let steps: Vec<&Migration> = steps.steps.iter().map(|step| step.migration).collect();
    Box::pin(made_by(server, migrations, &steps, taking, options, progress)).await
}

/// Compares a database with what those of its migrations make that its history says are applied, in the order in which
/// they were.
///
/// # Errors
/// [`Error::Plan`] where files were edited or are missing, or a migration is half applied: then nobody knows what the
/// schema should be. Otherwise as [`migrated_schema`].
///
/// # Cancel safety
/// That of [`migrated_schema`].
pub async fn drift(
    server: &Server,
    migrations: &Migrations,
    taking: &SnapshotOptions,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Drift, Error> {
    let mut conn = server.connect().await?;
    let mut applied = migrations.history().read(&mut conn).await?;
    let problems = contradictions(migrations.as_slice(), &applied);
    if !problems.is_empty() {
        return Err(PlanError { problems }.into());
    }
    let live = live_schema(&mut conn, migrations, taking).await?;
    drop(conn);
    applied.sort_by_key(|row| row.seq);
    let (steps, unapplied) = as_applied(migrations, &applied);
    let made = Box::pin(made_by(server, migrations, &steps, taking, options, progress)).await?;
    Ok(Drift { differences: diff(&made, &live), unapplied })
}

/// The files of what was applied, in that order, and the labels of those that say something else by now.
fn as_applied<'m>(migrations: &'m Migrations, applied: &[Applied]) -> (Vec<&'m Migration>, Vec<String>) {
    let there =
        |row: &&Applied| matches!(row.outcome, Outcome::Applied | Outcome::Adopted | Outcome::Baselined);
    let mut unapplied = Vec::new();
    let mut steps = Vec::new();
    for row in applied.iter().filter(there) {
        let Some(file) = migrations.iter().find(|file| file.id == row.id) else { continue };
        if file.kind == Kind::Repeatable && file.checksum() != row.checksum {
            unapplied.push(file.label.clone());
        }
        steps.push(file);
    }
    (steps, unapplied)
}

async fn made_by(
    server: &Server,
    migrations: &Migrations,
    steps: &[&Migration],
    taking: &SnapshotOptions,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Snapshot, Error> {
    refuse_server_wide(steps.iter().map(|step| &step.up), migrations.hooks(), options.server_wide)?;
    let options = options_there(server, options).await?;
    let mut stage = Stage::open(server, migrations).await?;
    let outcome = async {
        let hooks = migrations.hooks();
        let mut runner = Runner::open(&mut stage.conn, migrations.history(), &options, progress).await?;
        hooks::run(runner.conn, &hooks.before_all).await?;
        apply_each(&mut runner, migrations, steps, Telling::Aloud).await?;
        hooks::run(runner.conn, &hooks.after_all).await?;
        live_schema(runner.conn, migrations, taking).await
    };
    let outcome = outcome.await;
    stage.end(outcome).await
}

/// The history is ours, not the project's.
pub(crate) fn without_history(migrations: &Migrations, taking: &SnapshotOptions) -> SnapshotOptions {
    let mut taking = taking.clone();
    taking.exclude.push(migrations.history().as_sql());
    taking
}
