//! Applies what was planned.

use super::status::show_edits;
use super::{Direction, Done, Event, Options, Report, Rest, Runner, Settings, lock};
use crate::history::{Begun, Ended};
use crate::plan::{Plan, Why};
use crate::{Error, HistoryTable, Left, Migration, Migrations, Outcome, PlanError, plan};
use sqlx::{Connection, FromRow, PgConnection};
use std::time::Duration;

/// Applies every migration that the rules let, in order, and tells `progress` about it.
///
/// It holds the lock of deployments meanwhile, so of two at once the second finds nothing left to do. Where nothing is
/// pending it asks for no lock. The connection must not be in a transaction, and must be a session of its own unless
/// [`DeployLock::Transaction`](crate::DeployLock::Transaction) is asked for.
///
/// # Errors
/// [`Error::ReadOnly`], [`Error::Locked`] after `deploy_lock_timeout`, [`Error::Plan`] before anything was changed,
/// [`Error::NoServer`], [`Error::BehindPooler`] and [`Error::LockLost`] under a lock in a transaction,
/// [`Error::Statement`] for the first statement that fails (the migrations before it stay applied),
/// [`Error::Database`] when the server cannot be asked.
///
/// # Cancel safety
/// Close the connection after dropping the future: that lets go of the lock and undoes the transaction under way. A
/// migration in several parts is then half applied, as after a failure, and [`recover`](crate::recover) finishes it.
pub async fn apply(
    conn: &mut PgConnection,
    migrations: &Migrations,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Report, Error> {
    if nothing_to_do(conn, migrations, options).await? {
        return Ok(Report::default());
    }
    refuse_read_only(conn).await?;
    let mut lock = lock::acquire(conn, options, progress).await?;
    let waited = lock.waited;
    let outcome = lock.keeping(Box::pin(apply_pending(conn, migrations, options, progress))).await;
    let done = lock.release(conn, outcome).await?;
    Ok(Report { done, waited })
}

/// As a fleet that starts does, of which one has migrated already.
async fn nothing_to_do(
    conn: &mut PgConnection,
    migrations: &Migrations,
    options: &Options,
) -> Result<bool, Error> {
    let applied = migrations.history().read(conn).await?;
    let plan = plan(migrations.as_slice(), &applied, &options.rules);
    Ok(!applied.is_empty() && plan.is_ok_and(|plan| plan.steps.is_empty() && plan.warnings.is_empty()))
}

pub(super) async fn refuse_read_only(conn: &mut PgConnection) -> Result<(), Error> {
    let question = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean";
    let answer = sqlx::raw_sql(question).fetch_one(conn).await;
    let (standby, read_only): (bool, bool) = answer
        .and_then(|row| FromRow::from_row(&row))
        .map_err(Error::during("ask whether the server takes changes"))?;
    if read_only { Err(Error::ReadOnly { standby }) } else { Ok(()) }
}

async fn apply_pending(
    conn: &mut PgConnection,
    migrations: &Migrations,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Vec<Done>, Error> {
    let history = migrations.history();
    history.create(conn).await?;
    let applied = history.read(conn).await?;
    let plan = match plan(migrations.as_slice(), &applied, &options.rules) {
        Ok(plan) => plan,
        Err(PlanError { mut problems }) => {
            show_edits(conn, migrations, &mut problems).await?;
            return Err(PlanError { problems }.into());
        }
    };
    for warning in &plan.warnings {
        progress(&Event::Warning(warning));
    }
    if plan.steps.is_empty() {
        return Ok(Vec::new());
    }
    let before = Settings::read(conn, options).await?;
    let outcome = run(conn, migrations, &plan, options, progress).await;
    // A connection that is gone has no settings to restore, and says so in the outcome.
    let restored = before.restore(conn).await;
    let done = outcome?;
    restored?;
    Ok(done)
}

async fn run(
    conn: &mut PgConnection,
    migrations: &Migrations,
    plan: &Plan<'_>,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Vec<Done>, Error> {
    let mut runner = Runner::open(conn, migrations.history(), options, progress).await?;
    let hooks = migrations.hooks();
    runner.hook(&hooks.before_all).await?;
    let mut done = Vec::with_capacity(plan.steps.len());
    for (index, step) in plan.steps.iter().enumerate() {
        let label = &step.migration.label;
        (runner.tell)(&Event::Started { label, position: index + 1, total: plan.steps.len() });
        runner.hook(&hooks.before_each).await?;
        let execution = match step.why {
            Why::Replaces => {
                record_only(runner.conn, &runner.history, step.migration).await?;
                Duration::ZERO
            }
            Why::New | Why::OutOfOrder | Why::Changed => {
                let outcome = runner.run(step.migration, Direction::Up, Rest::default()).await;
                remember_failure(&mut runner, step.migration, &outcome).await;
                outcome?
            }
        };
        runner.hook(&hooks.after_each).await?;
        (runner.tell)(&Event::Finished { label, execution });
        done.push(Done { id: step.migration.id.clone(), label: label.clone(), execution });
    }
    runner.hook(&hooks.after_all).await?;
    Ok(done)
}

/// A squashed migration stands for those that were applied before it.
pub(super) async fn record_only(
    conn: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
) -> Result<(), Error> {
    let during = || Error::during(format!("record {}", migration.label));
    let mut tx = conn.begin().await.map_err(during())?;
    for id in &migration.replaces {
        history.end(&mut tx, id, Ended::Superseded).await?;
    }
    history.insert(&mut tx, migration, Begun::Taken(Outcome::Applied, None), None).await?;
    tx.commit().await.map_err(during())
}

/// What was tried in vain is written down as well; where that fails too, the error itself is what is told.
async fn remember_failure(runner: &mut Runner<'_>, migration: &Migration, outcome: &Result<Duration, Error>) {
    let left = |error: &Error| match error {
        Error::Statement(error) => error.left,
        Error::Commit { left, .. } => *left,
        _ => Left::Nothing,
    };
    if let Err(error) = outcome
        && left(error) == Left::Nothing
    {
        let text = db_core::with_causes(error);
        let failed = Begun::Failed(Duration::ZERO);
        let _ = remember(runner.conn, &runner.history, migration, failed, &text).await;
    }
}

async fn remember(
    conn: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
    begun: Begun,
    error: &str,
) -> Result<(), Error> {
    let mut tx = history.begin(conn).await?;
    // One that came half way has a row that says so, and what stopped it.
    if !history.is_under_way(&mut tx, &migration.id).await? {
        history.insert(&mut tx, migration, begun, Some(error)).await?;
    }
    history.commit(tx).await
}
