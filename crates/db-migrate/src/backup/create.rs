//! Makes a backup.

use super::event::{Phase, Progress, Stage};
use super::files::{bytes_in, hash_all, write_synced};
use super::manifest::{self, DUMP, Manifest, SCHEMA};
use super::partial::Partial;
use super::tools::{self, Tool};
use super::{BackupError, CreateOptions, child, rows, sequences};
use crate::schema::{Snapshot, SnapshotOptions, snapshot};
use crate::scratch::execute;
use crate::shape::Shape;
use crate::{Error, Server};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Tables in one `LOCK TABLE`.
const LOCKED_AT_ONCE: usize = 500;

/// Makes a backup of the server's database in a new folder of `dir`, and answers with its path and manifest. Everything
/// in it is of one moment, whoever writes meanwhile; changes of definitions wait until it is done.
///
/// # Errors
/// [`BackupError`]; then there is no folder, and nothing that [`list`](super::list()) would show.
///
/// # Cancel safety
/// `pg_dump` is killed and the folder removed.
pub async fn create(
    server: &Server,
    dir: &Path,
    options: &CreateOptions,
    progress: &mut (dyn FnMut(&super::BackupEvent<'_>) + Send),
) -> Result<(PathBuf, Manifest), BackupError> {
    let now = Utc::now();
    let mut conn = rows::open(server).await?;
    let left_out = left_out(&mut conn, &options.exclude_table_data).await?;
    let major = conn.server_version_num().unwrap_or_default() / 10_000;
    let pg_dump = tools::find("pg_dump", major, &options.tools, progress).await?;
    let pg_restore = tools::find("pg_restore", pg_dump.major, &options.tools, progress).await?;
    let partial = Partial::create(dir, &folder_name(server.database(), now))?;
    let source = Source { server, options, left_out };
    let moment = source.hold(&mut conn).await?;

    let mut manifest = manifest::begin(now, server.database(), moment.shape, moment.schema.fingerprint());
    Box::pin(source.dump(&pg_dump, &moment.id, total_bytes(&moment.tables), &partial, progress)).await?;
    let hashed =
        rows::hash(server, &moment.tables, &source.left_out, Some(&moment.id), options.jobs, progress);
    manifest.tables = Box::pin(hashed).await?;
    manifest.large_objects = rows::large_objects(&mut conn).await?;
    (manifest.server_version_num, manifest.server_version) = version(&mut conn).await?;
    drop(conn);

    manifest.pg_dump_version = pg_dump.version;
    let folder = partial.folder().to_owned();
    manifest.sequences =
        Box::pin(sequences::in_dump(&pg_restore, server, &folder.join(DUMP), &folder)).await?;
    write_synced(&folder.join(SCHEMA), moment.schema.to_string().as_bytes())?;
    manifest.files = hash_all(&folder, progress).await?;
    manifest.write(&folder)?;
    Ok((partial.finish()?, manifest))
}

struct Source<'a> {
    server: &'a Server,
    options: &'a CreateOptions,
    /// Qualified and quoted.
    left_out: Vec<String>,
}

/// The moment that is backed up, for as long as the session's transaction lasts.
struct Moment {
    /// What other sessions call it.
    id: String,
    tables: Vec<rows::Table>,
    schema: Snapshot,
    shape: Shape,
}

impl Source<'_> {
    /// Tables are locked before the snapshot is taken: a `TRUNCATE` between the two would empty a table in it.
    async fn hold(&self, conn: &mut PgConnection) -> Result<Moment, Error> {
        let tables = rows::tables(conn).await?;
        let timeout = self.options.lock_timeout.as_millis();
        let begin =
            format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {timeout}");
        execute(conn, begin).await.map_err(Error::during("begin"))?;
        for tables in tables.chunks(LOCKED_AT_ONCE) {
            let names: Vec<_> = tables.iter().map(|table| format!("ONLY {}", table.name)).collect();
            let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
            execute(conn, lock)
                .await
                .map_err(Error::during("lock the tables against changes of their definition"))?;
        }
        let id: String = sqlx::query_scalar("SELECT pg_export_snapshot()")
            .fetch_one(&mut *conn)
            .await
            .map_err(Error::during("export a snapshot"))?;
        let tables = rows::tables(conn).await?;
        let schema = snapshot(conn, &SnapshotOptions::default()).await?;
        Ok(Moment { id, tables, schema, shape: Shape::read(conn).await? })
    }

    async fn dump(
        &self,
        pg_dump: &Tool,
        snapshot: &str,
        total: u64,
        partial: &Partial,
        progress: &mut Progress<'_>,
    ) -> Result<(), BackupError> {
        let folder = partial.folder().join(DUMP);
        let mut arguments: Vec<OsString> = vec![
            "--format=directory".into(),
            format!("--jobs={}", self.options.jobs).into(),
            format!("--compress={}", self.options.compression.level()).into(),
            format!("--snapshot={snapshot}").into(),
            format!("--lock-wait-timeout={}", self.options.lock_timeout.as_millis()).into(),
            "--file".into(),
            folder.clone().into(),
        ];
        // A quoted name is a pattern that matches nothing else.
        arguments.extend(self.left_out.iter().map(|name| format!("--exclude-table-data={name}").into()));
        let stage = Stage::start(Phase::Dump, progress);
        child::run(pg_dump, self.server, &arguments, &mut |_| {
            stage.advance(bytes_in(&folder), total, progress);
        })
        .await?;
        stage.finish(progress);
        Ok(())
    }
}

/// The names as the server writes them.
async fn left_out(conn: &mut PgConnection, names: &[String]) -> Result<Vec<String>, BackupError> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let table: Option<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', nspname, relname) FROM pg_class \
             JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass($1) AND relkind = 'r'",
        )
        .bind(name)
        .fetch_optional(&mut *conn)
        .await
        .map_err(Error::during(format!("look for the table {name}")))?;
        found.push(table.ok_or_else(|| BackupError::NoTable { name: name.clone() })?);
    }
    Ok(found)
}

async fn version(conn: &mut PgConnection) -> Result<(u32, String), Error> {
    let text: String = sqlx::query_scalar("SELECT current_setting('server_version')")
        .fetch_one(&mut *conn)
        .await
        .map_err(Error::during("read the server's version"))?;
    Ok((conn.server_version_num().unwrap_or_default(), text))
}

fn total_bytes(tables: &[rows::Table]) -> u64 {
    tables.iter().map(|table| table.bytes.unsigned_abs()).sum()
}

/// Sorts by time within a database; whatever the database is called, it is one folder.
fn folder_name(database: &str, now: DateTime<Utc>) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let database: String = database.chars().map(safe).collect();
    format!("{database}_{}", now.format("%Y%m%dT%H%M%S%3fZ"))
}

#[cfg(test)]
mod tests {
    use super::folder_name;

    #[test]
    fn the_folder_tells_database_and_time() {
        let now = "2026-01-02T03:04:05.678Z".parse().expect("a time");
        assert_eq!(folder_name("cairn", now), "cairn_20260102T030405678Z");
        assert_eq!(folder_name("../a b", now), "___a_b_20260102T030405678Z");
    }
}
