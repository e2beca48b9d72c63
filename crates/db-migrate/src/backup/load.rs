//! Fills an empty database from a backup.

use super::event::{Phase, Progress, Stage};
use super::manifest::{DUMP, Manifest};
use super::temporary::Temporary;
use super::tools::Tool;
use super::{BackupError, RestoreOptions, child, rows, sequences, tools};
use crate::schema::{Kind, Snapshot};
use crate::scratch::execute;
use crate::{Error, Server};
use std::ffi::OsString;
use std::path::Path;

/// What every new database has from the start, and may have been dropped from the one that was backed up.
const FROM_THE_START: [(Kind, &str); 2] = [(Kind::Extension, "plpgsql"), (Kind::Schema, "public")];

/// A `pg_restore` for this backup and this server, which must not be older than the one that was backed up.
pub(super) async fn restorer(
    server: &Server,
    manifest: &Manifest,
    options: &RestoreOptions,
    progress: &mut Progress<'_>,
) -> Result<Tool, BackupError> {
    let conn = server.connect().await?;
    let major = conn.server_version_num().unwrap_or_default() / 10_000;
    if major < manifest.server_major() {
        return Err(BackupError::OlderServer { backup: manifest.server_major(), server: major });
    }
    tools::find("pg_restore", manifest.dump_major().max(major), &options.tools, progress).await
}

/// Restores into the server's database, which must be new and empty.
pub(super) async fn load(
    pg_restore: &Tool,
    server: &Server,
    backup: &Path,
    schema: &Snapshot,
    options: &RestoreOptions,
    progress: &mut Progress<'_>,
) -> Result<(), BackupError> {
    clear(server, schema).await?;
    let dump = backup.join(DUMP);
    let on_the_way = Temporary::create()?;
    let contents = sequences::contents(pg_restore, server, &dump, on_the_way.path()).await?;
    let total = contents.lines().filter(|line| !line.starts_with(';')).count() as u64;
    let arguments: [OsString; 6] = [
        format!("--jobs={}", options.jobs).into(),
        "--exit-on-error".into(),
        "--verbose".into(),
        "--dbname".into(),
        connection_string(server.database()).into(),
        dump.into(),
    ];
    let stage = Stage::start(Phase::Restore, progress);
    child::run(pg_restore, server, &arguments, &mut |items| stage.advance(items, total, progress)).await?;
    stage.finish(progress);
    Ok(())
}

/// Drops what the database that was backed up did not have.
async fn clear(server: &Server, schema: &Snapshot) -> Result<(), Error> {
    let mut conn = rows::open(server).await?;
    for (kind, name) in FROM_THE_START {
        if schema.object(kind, name).is_none() {
            let sql = format!("DROP {kind} IF EXISTS {name}");
            execute(&mut conn, sql).await.map_err(Error::during(format!("drop the {kind} {name}")))?;
        }
    }
    Ok(())
}

/// A name alone would be read as a connection string when it looks like one.
pub(super) fn connection_string(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::connection_string;

    #[test]
    fn a_name_is_not_read_as_a_connection_string() {
        assert_eq!(connection_string("host=evil"), "dbname='host=evil'");
        assert_eq!(connection_string(r"it's\"), r"dbname='it\'s\\'");
    }
}
