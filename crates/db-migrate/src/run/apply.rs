//! Applies what was planned, and tells what there is to apply.

use super::statements::{LockTimeout, limit_locks, limit_locks_locally, lock_timeout, send};
use super::{Done, Event, Options, Report, Status, lock};
use crate::plan::{pending, problems};
use crate::{Error, HistoryTable, Left, Migration, Migrations, TransactionMode, plan};
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

/// Applies every pending migration, in order, and tells `progress` about it.
///
/// It holds the lock of deployments meanwhile, so of two at once the second finds nothing left to do. The connection
/// must be a session of its own, not one that a proxy shares between transactions, and not be in a transaction.
///
/// # Errors
/// [`Error::Locked`] after `deploy_lock_timeout`, [`Error::Plan`] before anything was changed, [`Error::Statement`]
/// for the first statement that fails (the migrations before it stay applied), [`Error::Database`] when the server
/// cannot be asked.
///
/// # Cancel safety
/// Close the connection after dropping the future: that lets go of the lock and undoes the transaction under way. A
/// migration without a transaction is then half applied, as after a failure.
pub async fn apply(
    conn: &mut PgConnection,
    migrations: &Migrations,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Report, Error> {
    let waited = lock::acquire(conn, options, progress).await?;
    let outcome = apply_pending(conn, migrations, options, progress).await;
    let done = lock::release(conn, outcome).await?;
    Ok(Report { done, waited })
}

/// Compares the files with the history; changes nothing, and waits for nobody.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn status(conn: &mut PgConnection, migrations: &Migrations) -> Result<Status, Error> {
    let applied = migrations.history().read(conn).await?;
    let files = migrations.as_slice();
    Ok(Status {
        deploying: lock::holder(conn).await?,
        pending: pending(files, &applied).into_iter().map(Migration::folder).collect(),
        problems: problems(files, &applied),
        applied,
    })
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
    let steps = plan(migrations.as_slice(), &applied)?;

    let path = search_path(conn).await?;
    let mut done = Vec::with_capacity(steps.len());
    for (index, migration) in steps.iter().enumerate() {
        // What pg_dump writes begins by emptying the path, for the whole session.
        set_search_path(conn, &path).await?;
        let folder = migration.folder();
        progress(&Event::Started { folder: &folder, position: index + 1, total: steps.len() });
        let execution = match migration.mode {
            TransactionMode::Single => at_once(conn, history, migration, options).await?,
            TransactionMode::None => by_statement(conn, history, migration, options).await?,
        };
        progress(&Event::Finished { folder: &folder, execution });
        done.push(Done { id: migration.id, folder, execution });
    }
    set_search_path(conn, &path).await?;
    Ok(done)
}

async fn search_path(conn: &mut PgConnection) -> Result<String, Error> {
    sqlx::query_scalar("SELECT current_setting('search_path')")
        .fetch_one(conn)
        .await
        .map_err(Error::during("read the search path"))
}

async fn set_search_path(conn: &mut PgConnection, path: &str) -> Result<(), Error> {
    sqlx::query("SELECT set_config('search_path', $1, false)")
        .bind(path)
        .execute(conn)
        .await
        .map(drop)
        .map_err(Error::during("restore the search path"))
}

/// In one transaction with the row of history.
async fn at_once(
    conn: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
    options: &Options,
) -> Result<Duration, Error> {
    let start = Instant::now();
    let file = up(migration);
    let mut tx = conn.begin().await.map_err(Error::during(format!("begin {}", migration.folder())))?;
    limit_locks_locally(&mut tx, options.lock_timeout).await?;
    history.begin(&mut tx, migration).await?;
    for (index, statement) in migration.up.iter().enumerate() {
        send(&mut tx, &file, index + 1, statement, Left::Nothing).await?;
    }
    let execution = start.elapsed();
    history.finish(&mut tx, migration, execution).await?;
    tx.commit().await.map_err(Error::during(format!("commit {}", migration.folder())))?;
    Ok(execution)
}

/// Statement by statement; the row of history is there from the beginning, so that a half-applied one is seen.
async fn by_statement(
    conn: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
    options: &Options,
) -> Result<Duration, Error> {
    let start = Instant::now();
    let before = lock_timeout(conn).await?;
    history.begin(conn, migration).await?;
    let outcome = send_all(conn, history, migration, options).await;
    let restored = limit_locks(conn, LockTimeout::AsBefore(&before)).await;
    outcome?;
    restored?;
    let execution = start.elapsed();
    history.finish(conn, migration, execution).await?;
    Ok(execution)
}

async fn send_all(
    conn: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
    options: &Options,
) -> Result<(), Error> {
    let file = up(migration);
    for (index, statement) in migration.up.iter().enumerate() {
        // Nobody waits behind a concurrent build, and one that times out leaves an invalid index.
        let timeout = if statement.is_concurrent() {
            LockTimeout::Unbounded
        } else {
            LockTimeout::Bounded(options.lock_timeout)
        };
        limit_locks(conn, timeout).await?;
        send(conn, &file, index + 1, statement, Left::Half).await?;
        history.progress(conn, migration, index + 1).await?;
    }
    Ok(())
}

fn up(migration: &Migration) -> String {
    format!("{}/up.sql", migration.folder())
}
