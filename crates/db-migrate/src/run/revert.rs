//! Takes migrations back by their `down.sql`.

use super::statements::{limit_locks_locally, send};
use super::{Done, Options, Report, lock};
use crate::plan::problems;
use crate::{Applied, Error, Left, Migration, MigrationId, Migrations, PlanError, Problem};
use sqlx::{Connection, PgConnection};
use std::time::Instant;

/// How far to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevertTo {
    /// Before the first migration.
    Start,
    /// After this migration, which stays.
    After(MigrationId),
}

/// Reverts the applied migrations after `to`, the newest first, each in a transaction with its row of history.
///
/// What a migration dropped does not come back; `down.sql` can only make it anew.
///
/// # Errors
/// [`Error::Plan`], [`Error::NotApplied`] or [`Error::NoDown`] before anything was changed; otherwise as
/// [`apply`](crate::apply).
///
/// # Cancel safety
/// Close the connection after dropping the future: that lets go of the lock and undoes the transaction under way.
pub async fn revert(
    conn: &mut PgConnection,
    migrations: &Migrations,
    to: RevertTo,
    options: &Options,
) -> Result<Report, Error> {
    let waited = lock::acquire(conn, options, &mut |_| {}).await?;
    let outcome = revert_applied(conn, migrations, to, options).await;
    let done = lock::release(conn, outcome).await?;
    Ok(Report { done, waited })
}

async fn revert_applied(
    conn: &mut PgConnection,
    migrations: &Migrations,
    to: RevertTo,
    options: &Options,
) -> Result<Vec<Done>, Error> {
    let applied = migrations.history().read(conn).await?;
    let mut done = Vec::new();
    for migration in plan_back(migrations.as_slice(), &applied, to)? {
        let (start, folder) = (Instant::now(), migration.folder());
        let file = format!("{folder}/down.sql");
        let mut tx = conn.begin().await.map_err(Error::during(format!("begin to revert {folder}")))?;
        limit_locks_locally(&mut tx, options.lock_timeout).await?;
        for (index, statement) in migration.down.iter().flatten().enumerate() {
            send(&mut tx, &file, index + 1, statement, Left::Nothing).await?;
        }
        migrations.history().remove(&mut tx, migration).await?;
        tx.commit().await.map_err(Error::during(format!("commit the way back of {folder}")))?;
        done.push(Done { id: migration.id, folder, execution: start.elapsed() });
    }
    Ok(done)
}

/// What to revert, the newest first.
fn plan_back<'a>(
    files: &'a [Migration],
    applied: &[Applied],
    to: RevertTo,
) -> Result<Vec<&'a Migration>, Error> {
    // A file that was never applied is no hindrance: going back may be the way to let it in.
    let mut problems = problems(files, applied);
    problems.retain(|problem| !matches!(problem, Problem::OutOfOrder { .. }));
    if !problems.is_empty() {
        return Err(PlanError { problems }.into());
    }
    let is_applied = |id| applied.iter().any(|row| row.id == id);
    let after = match to {
        RevertTo::Start => None,
        RevertTo::After(to) if is_applied(to) => Some(to),
        RevertTo::After(to) => return Err(Error::NotApplied { to }),
    };
    let steps: Vec<&Migration> =
        files.iter().rev().filter(|file| Some(file.id) > after && is_applied(file.id)).collect();
    let folders: Vec<String> =
        steps.iter().filter(|step| step.down.is_none()).map(|step| step.folder()).collect();
    if folders.is_empty() { Ok(steps) } else { Err(Error::NoDown { folders }) }
}
