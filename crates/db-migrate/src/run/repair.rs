//! Makes the history say what somebody vouches for: edited files accepted, missing ones forgotten, a database that was
//! there before its migrations taken as migrated. Runs nothing of any migration.

use super::apply::refuse_read_only;
use super::{Event, Options, lock};
use crate::history::{Begun, Ended};
use crate::plan::contradictions;
use crate::{Error, Kind, Migrations, Outcome, Problem};
use sqlx::{Connection, PgConnection};

/// Accepts the files as they are: an edited one as what was applied, a missing one as reverted. Half-applied migrations
/// are for [`recover`](crate::recover). Returns what it accepted.
///
/// # Errors
/// [`Error::ReadOnly`], [`Error::Locked`], [`Error::Database`]; nothing was changed then.
///
/// # Cancel safety
/// All of it happens or nothing.
pub async fn repair(
    conn: &mut PgConnection,
    migrations: &Migrations,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Vec<Problem>, Error> {
    refuse_read_only(conn).await?;
    let mut lock = lock::acquire(conn, options, progress).await?;
    let outcome = lock.keeping(accept_all(conn, migrations)).await;
    lock.release(conn, outcome).await
}

async fn accept_all(conn: &mut PgConnection, migrations: &Migrations) -> Result<Vec<Problem>, Error> {
    let history = migrations.history();
    let applied = history.read(conn).await?;
    let mut accepted = contradictions(migrations.as_slice(), &applied);
    accepted.retain(|problem| matches!(problem, Problem::Edited { .. } | Problem::Missing { .. }));
    if accepted.is_empty() {
        return Ok(accepted);
    }
    history.create(conn).await?;
    super::status::show_edits(conn, migrations, &mut accepted).await?;
    let mut tx = conn.begin().await.map_err(Error::during("begin to repair the history"))?;
    for problem in &accepted {
        match problem {
            Problem::Edited { label, .. } => {
                let Some(file) = migrations.iter().find(|file| file.label == *label) else { continue };
                history.accept(&mut tx, &file.id, file.checksum(), file.up_sql()).await?;
            }
            Problem::Missing { label } => {
                let Some(row) = applied.iter().find(|row| row.label == *label) else { continue };
                history.end(&mut tx, &row.id, Ended::Superseded).await?;
            }
            _ => {}
        }
    }
    tx.commit().await.map_err(Error::during("commit the repaired history"))?;
    Ok(accepted)
}

/// Takes every migration up to `to`, by version or label, as applied. Returns their labels.
///
/// # Errors
/// [`Error::NotEmpty`] when something was applied already, [`Error::Plan`] when there is no such migration, and those of
/// [`repair`].
///
/// # Cancel safety
/// All of it happens or nothing.
pub async fn baseline(
    conn: &mut PgConnection,
    migrations: &Migrations,
    to: &str,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Vec<String>, Error> {
    refuse_read_only(conn).await?;
    let mut lock = lock::acquire(conn, options, progress).await?;
    let outcome = lock.keeping(take(conn, migrations, to)).await;
    lock.release(conn, outcome).await
}

async fn take(conn: &mut PgConnection, migrations: &Migrations, to: &str) -> Result<Vec<String>, Error> {
    let history = migrations.history();
    let files = migrations.as_slice();
    let last = files.iter().position(|file| file.id.is_meant_by(to) || file.label == to);
    let last = last.ok_or_else(|| crate::PlanError {
        problems: vec![Problem::UnknownTarget { typed: to.to_owned() }],
    })?;
    let applied = history.read(conn).await?;
    if let Some(row) = applied.first() {
        return Err(Error::NotEmpty { label: row.label.clone() });
    }
    history.create(conn).await?;
    let mut taken = Vec::new();
    let mut tx = conn.begin().await.map_err(Error::during("begin to record the baseline"))?;
    for file in files[..=last].iter().filter(|file| file.kind == Kind::Versioned) {
        history.insert(&mut tx, file, Begun::Taken(Outcome::Baselined, None), None).await?;
        taken.push(file.label.clone());
    }
    tx.commit().await.map_err(Error::during("commit the baseline"))?;
    Ok(taken)
}
