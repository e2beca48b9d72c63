//! Restores a backup into a new database, and puts that in the place of another once it is proved.

use super::compare::{self, compare};
use super::event::{Phase, Progress, Stage};
use super::files::check_all;
use super::load::{load, restorer};
use super::manifest::Manifest;
use super::swap::{Swap, check_unused};
use super::{BackupError, OpenSessions, RestoreOptions, Target, settings};
use crate::scratch::{execute, neighbour};
use crate::shape::quoted;
use crate::{Error, Server};
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

/// Restores a backup. It goes into a new database first and is compared with what was backed up; only then does it
/// take the place of another, by two renames in one transaction, and owner, privileges and settings of that database
/// go with the name.
///
/// # Errors
/// [`BackupError`]; the database that was to be replaced is as it was, and the new one is dropped.
///
/// # Cancel safety
/// `pg_restore` is killed; the new database stays as `…_restore_…` and may be dropped.
pub async fn restore(
    server: &Server,
    backup: &Path,
    target: Target<'_>,
    options: &RestoreOptions,
    progress: &mut (dyn FnMut(&super::BackupEvent<'_>) + Send),
) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(backup)?;
    if target == Target::Replace(OpenSessions::Refuse) {
        check_unused(server, server.database()).await?; // Better now than after an hour.
    }
    check_all(backup, &manifest, progress).await?;
    // In lower case: nobody need quote it.
    let time = Utc::now().format("%Y%m%dt%H%M%S").to_string();
    let name = match target {
        Target::Into(name) if name.is_empty() || name.len() > NAME_BYTES || name.contains('\0') => {
            return Err(BackupError::Name { name: name.to_owned() });
        }
        Target::Into(name) => name.to_owned(),
        Target::Replace(_) => derived(server.database(), "restore", &time),
    };
    let restore = Restore { server, backup, manifest: &manifest, options };
    restore.create(&name).await?;
    let kept = match restore.fill_and_place(&name, target, &time, progress).await {
        Ok(kept) => kept,
        Err(error) => {
            // It is not what was backed up, or not in its place; why is worth more than that it cannot be dropped.
            let _ = restore.discard(&name).await;
            return Err(error);
        }
    };
    let database = if kept.is_some() { server.database().to_owned() } else { name };
    Ok(Restored { database, kept, rows: manifest.rows() })
}

struct Restore<'a> {
    server: &'a Server,
    backup: &'a Path,
    manifest: &'a Manifest,
    options: &'a RestoreOptions,
}

impl Restore<'_> {
    async fn create(&self, name: &str) -> Result<(), BackupError> {
        let mut conn = neighbour(self.server, Some(name)).await?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(name)
            .fetch_one(&mut conn)
            .await
            .map_err(Error::during("list the databases"))?;
        if exists {
            return Err(BackupError::Exists { name: format!("the database {name}") });
        }
        let sql = self.manifest.shape.create_sql(name);
        execute(&mut conn, sql).await.map_err(Error::during(format!("create the database {name}")))?;
        Ok(())
    }

    /// What the database that was replaced is called now, if one was.
    async fn fill_and_place(
        &self,
        name: &str,
        target: Target<'_>,
        time: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Option<String>, BackupError> {
        let new = self.server.in_database(name);
        let schema = compare::schema(self.backup)?;
        let pg_restore = restorer(&new, self.manifest, self.options, progress).await?;
        load(&pg_restore, &new, self.backup, &schema, self.options, progress).await?;
        compare(&new, self.manifest, &schema, self.options, progress).await?;
        analyze(&new, progress).await?;
        let Target::Replace(open) = target else {
            return Ok(None);
        };
        let current = self.server.database();
        let mut conn = neighbour(self.server, Some(current)).await?;
        settings::carry_over(&mut conn, current, name).await?;
        drop(conn);
        let kept = derived(current, "before", time);
        let swap = Swap { current: current.to_owned(), next: name.to_owned(), kept: kept.clone() };
        let stage = Stage::start(Phase::Swap, progress);
        swap.run(self.server, open).await?;
        stage.finish(progress);
        Ok(Some(kept))
    }

    async fn discard(&self, name: &str) -> Result<(), Error> {
        let mut conn = neighbour(self.server, Some(name)).await?;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        execute(&mut conn, sql).await.map_err(Error::during(format!("drop {name}")))
    }
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
