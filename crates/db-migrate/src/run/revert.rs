//! Takes migrations back by their way back.

use super::apply::refuse_read_only;
use super::{Direction, Done, Event, Options, Report, Rest, Runner, Settings, lock};
use crate::plan::plan_back;
use crate::{Error, Migration, Migrations, RevertTo};
use sqlx::PgConnection;

/// Reverts what was applied last, the newest first, each in a transaction with its row of history where its statements
/// let it.
///
/// What a migration dropped does not come back; its way back can only make it anew.
///
/// # Errors
/// [`Error::Plan`], [`Error::NotApplied`], [`Error::Baselined`] or [`Error::NoDown`] before anything was changed;
/// otherwise as [`apply`](crate::apply).
///
/// # Cancel safety
/// Close the connection after dropping the future: that lets go of the lock and undoes the transaction under way.
pub async fn revert(
    conn: &mut PgConnection,
    migrations: &Migrations,
    to: &RevertTo,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Report, Error> {
    refuse_read_only(conn).await?;
    let mut lock = lock::acquire(conn, options, progress).await?;
    let waited = lock.waited;
    let outcome = lock.keeping(Box::pin(revert_applied(conn, migrations, to, options, progress))).await;
    let done = lock.release(conn, outcome).await?;
    Ok(Report { done, waited })
}

/// What [`revert`] would revert, the newest first; changes nothing.
///
/// # Errors
/// Those that [`revert`] has before anything is changed.
pub async fn revert_plan<'a>(
    conn: &mut PgConnection,
    migrations: &'a Migrations,
    to: &RevertTo,
) -> Result<Vec<&'a Migration>, Error> {
    let applied = migrations.history().read(conn).await?;
    plan_back(migrations.as_slice(), &applied, to)
}

async fn revert_applied(
    conn: &mut PgConnection,
    migrations: &Migrations,
    to: &RevertTo,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Vec<Done>, Error> {
    let history = migrations.history();
    let steps = revert_plan(conn, migrations, to).await?;
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    history.create(conn).await?;
    let before = Settings::read(conn, options).await?;
    let outcome = async {
        let mut runner = Runner::open(conn, history, options, progress).await?;
        let mut done = Vec::with_capacity(steps.len());
        for (index, migration) in steps.iter().enumerate() {
            let label = &migration.label;
            (runner.tell)(&Event::Started { label, position: index + 1, total: steps.len() });
            let execution = runner.run(migration, Direction::Down, Rest::default()).await?;
            (runner.tell)(&Event::Finished { label, execution });
            done.push(Done { id: migration.id.clone(), label: label.clone(), execution });
        }
        Ok(done)
    };
    let outcome: Result<_, Error> = outcome.await;
    let restored = before.restore(conn).await;
    let done = outcome?;
    restored?;
    Ok(done)
}
