//! Copies a schema into an empty database, with the rows of one table.

use super::load::connection_string;
use super::temporary::Temporary;
use super::{BackupError, ToolSearch, child, tools};
use crate::{Error, Server};
use std::ffi::OsString;

/// Copies everything but rows, and the rows of the table, by its name as SQL; it may not exist.
///
/// # Cancel safety
/// `pg_dump` and `pg_restore` are killed.
pub(crate) async fn copy_schema(from: &Server, to: &Server, table: &str) -> Result<(), BackupError> {
    let mut conn = from.connect().await?;
    let major = conn.server_version_num().unwrap_or_default() / 10_000;
    let has_table: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(&mut conn)
        .await
        .map_err(Error::during(format!("look for {table}")))?;
    let search = ToolSearch::default();
    let pg_dump = tools::find("pg_dump", major, &search, &mut |_| {}).await?;
    let pg_restore = tools::find("pg_restore", pg_dump.major, &search, &mut |_| {}).await?;
    let folder = Temporary::create()?;
    let mut parts = vec![vec!["--schema-only".to_owned()]];
    if has_table {
        parts.push(vec!["--data-only".to_owned(), format!("--table={table}")]);
    }
    for (index, part) in parts.into_iter().enumerate() {
        let file = folder.path().join(format!("{index}.dump"));
        let mut dump: Vec<OsString> = part.into_iter().map(OsString::from).collect();
        dump.extend(["--format=custom".into(), "--file".into(), file.clone().into_os_string()]);
        child::run(&pg_dump, from, &dump, &mut |_| {}).await?;
        let restore: [OsString; 4] = [
            "--exit-on-error".into(),
            "--dbname".into(),
            connection_string(to.database()).into(),
            file.into_os_string(),
        ];
        child::run(&pg_restore, to, &restore, &mut |_| {}).await?;
    }
    Ok(())
}
