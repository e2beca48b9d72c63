//! Restores a backup into a new database, and puts that in the place of another once it is proved.

use super::compare::{self, compare};
use super::event::{Phase, Progress, Stage};
use super::files::check_all;
use super::load::{load, restorer};
use super::manifest::Manifest;
use super::swap::{Swap, check_unused};
use super::{BackupError, OpenSessions, RestoreOptions, Target, settings};
use crate::held::{Held, to_the_end};
use crate::scratch::{execute, neighbour};
use crate::shape::quoted;
use crate::{Error, Scratch, Server};
use chrono::Utc;
use std::path::Path;

/// PostgreSQL's longest name.
const NAME_BYTES: usize = 63;

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The database that now holds what was backed up.
    pub database: String,
    /// What the database that it replaced is called now; drop it when it is not needed any more.
    pub kept: Option<String>,
    /// Rows that were compared.
    pub rows: u64,
}

/// Restores a backup. It goes into a new database `…_restore_…` first and is compared with what was backed up; only then
/// does it get its name, or take the place of another, by two renames in one transaction, and owner, privileges and
/// settings of that database go with the name.
///
/// # Errors
/// [`BackupError`]; the database that was to be replaced is as it was, and the new one is dropped.
///
/// # Cancel safety
/// `pg_restore` is killed and the new database dropped; [`Scratch::settled`] waits for that. A rename that was begun is
/// finished.
pub async fn restore(
    server: &Server,
    backup: &Path,
    target: Target<'_>,
    options: &RestoreOptions,
    progress: &mut (dyn FnMut(&super::BackupEvent<'_>) + Send),
) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(backup)?;
    match target {
        // Better now than after an hour.
        Target::Replace(OpenSessions::Refuse) => check_unused(server, server.database()).await?,
        Target::Replace(OpenSessions::Terminate) => {}
        Target::Into(name) => check_free(server, name).await?,
    }
    check_all(backup, &manifest, progress).await?;
    // In lower case: nobody need quote it.
    let time = Utc::now().format("%Y%m%dt%H%M%S").to_string();
    let database = match target {
        Target::Into(name) => name,
        Target::Replace(_) => server.database(),
    };
    let next = derived(database, "restore", &time);
    let (at, name, sql) = (server.clone(), next.clone(), manifest.shape.create_sql(&next));
    let held = Held::made(async move { Scratch::named(&at, &name, sql).await }).await?;
    let restore = Restore { backup, manifest: &manifest, options };
    if let Err(error) = Box::pin(restore.fill(held.server(), progress)).await {
        // It is not what was backed up; why is worth more than that it cannot be dropped.
        return held.end(Err(error)).await;
    }
    let kept = match target {
        Target::Into(name) => {
            rename(server, held, name).await?;
            None
        }
        Target::Replace(open) => Some(replace(server, held, open, &time, progress).await?),
    };
    Ok(Restored { database: database.to_owned(), kept, rows: manifest.rows() })
}

struct Restore<'a> {
    backup: &'a Path,
    manifest: &'a Manifest,
    options: &'a RestoreOptions,
}

impl Restore<'_> {
    async fn fill(&self, new: &Server, progress: &mut Progress<'_>) -> Result<(), BackupError> {
        let schema = compare::schema(self.backup)?;
        let pg_restore = restorer(new, self.manifest, self.options, progress).await?;
        load(&pg_restore, new, self.backup, &schema, self.options, progress).await?;
        compare(new, self.manifest, &schema, self.options, progress).await?;
        Ok(analyze(new, progress).await?)
    }
}

/// That a database may be called this, and none is.
async fn check_free(server: &Server, name: &str) -> Result<(), BackupError> {
    if name.is_empty() || name.len() > NAME_BYTES || name.contains('\0') {
        return Err(BackupError::Name { name: name.to_owned() });
    }
    let mut conn = neighbour(server, Some(name)).await?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut conn)
        .await
        .map_err(Error::during("list the databases"))?;
    if exists { Err(BackupError::Exists { name: format!("the database {name}") }) } else { Ok(()) }
}

/// Gives a new database its name.
///
/// # Cancel safety
/// What was begun is finished: a database must not be dropped while it is renamed.
async fn rename(server: &Server, new: Held, name: &str) -> Result<(), BackupError> {
    let (server, name) = (server.clone(), name.to_owned());
    let action = format!("rename a database to {name}");
    let work = async move {
        let from = new.server().database().to_owned();
        let renamed = async {
            let mut conn = neighbour(&server, Some(&from)).await?;
            let sql = format!("ALTER DATABASE {} RENAME TO {}", quoted(&from), quoted(&name));
            execute(&mut conn, sql).await.map_err(Error::during(format!("rename {from} to {name}")))
        };
        match renamed.await {
            Ok(()) => {
                new.keep();
                Ok(())
            }
            Err(error) => new.end(Err(BackupError::from(error))).await,
        }
    };
    to_the_end(&action, work).await
}

/// Puts a new database in the place of the server's; what that is called from then on.
async fn replace(
    server: &Server,
    new: Held,
    open: OpenSessions,
    time: &str,
    progress: &mut Progress<'_>,
) -> Result<String, BackupError> {
    let (current, next) = (server.database(), new.server().database().to_owned());
    let kept = derived(current, "before", time);
    let carried = async {
        let mut conn = neighbour(server, Some(current)).await?;
        settings::carry_over(&mut conn, current, &next).await
    };
    if let Err(error) = carried.await {
        return new.end(Err(BackupError::from(error))).await;
    }
    let swap = Swap { current: current.to_owned(), next, kept: kept.clone() };
    let stage = Stage::start(Phase::Swap, progress);
    swap.run(server, new, open).await?;
    stage.finish(progress);
    Ok(kept)
}

/// Without statistics, the first queries after a swap would be planned as if every table were small.
async fn analyze(server: &Server, progress: &mut Progress<'_>) -> Result<(), Error> {
    let stage = Stage::start(Phase::Analyze, progress);
    let mut conn = super::rows::open(server).await?;
    execute(&mut conn, "ANALYZE".to_owned()).await.map_err(Error::during("gather statistics"))?;
    sqlx::Connection::close(conn).await.map_err(Error::during("close a session"))?;
    stage.finish(progress);
    Ok(())
}

/// A name that tells where it comes from, cut to what PostgreSQL takes.
fn derived(database: &str, what: &str, time: &str) -> String {
    let tail = format!("_{what}_{time}");
    let mut end = database.len().min(NAME_BYTES - tail.len());
    while !database.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{tail}", &database[..end])
}

#[cfg(test)]
mod tests {
    use super::derived;

    #[test]
    fn names_fit() {
        let time = "20260102t030405";
        assert_eq!(derived("cairn", "before", time), "cairn_before_20260102t030405");
        for long in ["a".repeat(63), "ü".repeat(31)] {
            let name = derived(&long, "restore", time);
            assert!(name.len() <= 63 && name.ends_with("_restore_20260102t030405"), "{name}");
        }
    }
}
