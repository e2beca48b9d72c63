//! The values of sequences, in a dump and in a database.
//!
//! A sequence is not part of a snapshot: `pg_dump` saves the value at the moment at which it comes by. So what the
//! manifest says is read from the dump.

use super::tools::Tool;
use super::{BackupError, SequenceValue, child};
use crate::shape::literal;
use crate::{Error, Server};
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Kind of their entries in a dump's table of contents.
const ENTRY: &str = " SEQUENCE SET ";
/// Sequences in one query.
const AT_ONCE: usize = 200;

/// Reads them from the dump in `dump`, with `folder` for files on the way.
pub(super) async fn in_dump(
    pg_restore: &Tool,
    server: &Server,
    dump: &Path,
    folder: &Path,
) -> Result<Vec<SequenceValue>, BackupError> {
    let contents = contents(pg_restore, server, dump, folder).await?;
    let entries: String =
        contents.lines().filter(|line| line.contains(ENTRY)).map(|line| format!("{line}\n")).collect();
    if entries.is_empty() {
        return Ok(Vec::new()); // An empty list of what to restore means everything.
    }
    let (list, sql) = (folder.join("sequences.list"), folder.join("sequences.sql"));
    fs::write(&list, entries).map_err(BackupError::file("write", &list))?;
    let arguments = ["-L".into(), list.clone().into(), "-f".into(), sql.clone().into(), dump.into()];
    child::run(pg_restore, server, &arguments, &mut |_| {}).await?;
    let text = take(&sql)?;
    fs::remove_file(&list).map_err(BackupError::file("remove", list))?;
    let mut values: Vec<_> = text.lines().filter_map(parse).collect();
    values.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(values)
}

/// The dump's table of contents, an entry a line.
pub(super) async fn contents(
    pg_restore: &Tool,
    server: &Server,
    dump: &Path,
    folder: &Path,
) -> Result<String, BackupError> {
    let list = folder.join("contents.list");
    let arguments = ["-l".into(), "-f".into(), list.clone().into(), dump.into()];
    child::run(pg_restore, server, &arguments, &mut |_| {}).await?;
    take(&list)
}

/// Reads these from a database; those that it does not have are left out.
pub(super) async fn in_database(
    conn: &mut PgConnection,
    wanted: &[SequenceValue],
) -> Result<Vec<SequenceValue>, Error> {
    let during = || Error::during("read the sequences");
    let there: HashSet<String> =
        sqlx::query_scalar("SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences")
            .fetch_all(&mut *conn)
            .await
            .map_err(during())?
            .into_iter()
            .collect();
    let names: Vec<_> =
        wanted.iter().map(|sequence| &sequence.name).filter(|name| there.contains(*name)).collect();
    let mut values = Vec::with_capacity(names.len());
    for names in names.chunks(AT_ONCE) {
        let one =
            |name: &&String| format!("SELECT {} AS name, last_value, is_called FROM {name}", literal(name));
        let sql = names.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ");
        let rows: Vec<(String, i64, bool)> = sqlx::query_as(AssertSqlSafe(sql))
            .persistent(false)
            .fetch_all(&mut *conn)
            .await
            .map_err(during())?;
        let value = |(name, last_value, is_called)| SequenceValue { name, last_value, is_called };
        values.extend(rows.into_iter().map(value));
    }
    Ok(values)
}

fn take(path: &Path) -> Result<String, BackupError> {
    let text = fs::read_to_string(path).map_err(BackupError::file("read", path))?;
    fs::remove_file(path).map_err(BackupError::file("remove", path))?;
    Ok(text)
}

/// Reads `SELECT pg_catalog.setval('public.tasks_id_seq', 5, true);`.
fn parse(line: &str) -> Option<SequenceValue> {
    let call = line.strip_prefix("SELECT pg_catalog.setval('")?.strip_suffix(");")?;
    let (name, values) = call.rsplit_once("', ")?;
    let (last_value, is_called) = values.split_once(", ")?;
    Some(SequenceValue {
        name: name.replace("''", "'"),
        last_value: last_value.parse().ok()?,
        is_called: is_called.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{SequenceValue, parse};

    #[test]
    fn reads_what_pg_dump_writes() {
        let check = |line: &str, expected: Option<(&str, i64, bool)>| {
            let expected = expected.map(|(name, last_value, is_called)| SequenceValue {
                name: name.to_owned(),
                last_value,
                is_called,
            });
            assert_eq!(parse(line), expected, "{line}");
        };
        check("SELECT pg_catalog.setval('public.s', 5, true);", Some(("public.s", 5, true)));
        check(
            r#"SELECT pg_catalog.setval('public."It''s, so"', -9, false);"#,
            Some((r#"public."It's, so""#, -9, false)),
        );
        check("SET statement_timeout = 0;", None);
    }
}
