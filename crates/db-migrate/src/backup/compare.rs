//! Whether a restored database is what was backed up.

use super::event::Progress;
use super::manifest::{Manifest, SCHEMA};
use super::{BackupError, LargeObjects, RestoreOptions, SequenceValue, TableSum, rows, sequences};
use crate::Server;
use crate::schema::{Kind, Object, Snapshot, SnapshotOptions, diff, snapshot};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Differences that are told; when everything differs, nobody reads on.
const MOST_DIFFERENCES: usize = 50;

/// Reads the schema that belongs to a backup.
pub(super) fn schema(backup: &Path) -> Result<Snapshot, BackupError> {
    let path = backup.join(SCHEMA);
    let read = || {
        let text = fs::read_to_string(&path)?;
        Snapshot::parse(&text).map_err(std::io::Error::other)
    };
    read().map_err(BackupError::file("read", &path))
}

/// Compares schema, rows, sequences and large objects.
pub(super) async fn compare(
    server: &Server,
    manifest: &Manifest,
    schema: &Snapshot,
    options: &RestoreOptions,
    progress: &mut Progress<'_>,
) -> Result<(), BackupError> {
    let mut conn = rows::open(server).await?;
    let restored = snapshot(&mut conn, &SnapshotOptions::default()).await?;
    let same_major = conn.server_version_num().unwrap_or_default() / 10_000 == manifest.server_major();
    let mut differences = Vec::new();
    if same_major {
        let found = diff(&schema.without(is_not_dumped), &restored.without(is_not_dumped));
        differences.extend(found.iter().map(|difference| format!("{difference}, after restoring")));
    }
    let mut wanted = rows::tables(&mut conn).await?;
    wanted.retain(|table| manifest.tables.iter().any(|sum| sum.name == table.name && sum.rows.is_some()));
    let found = rows::hash(server, &wanted, &[], None, options.jobs, progress).await?;
    differences.extend(different_rows(&manifest.tables, &found));
    let found = sequences::in_database(&mut conn, &manifest.sequences).await?;
    differences.extend(different_sequences(&manifest.sequences, &found));
    differences.extend(different_objects(&manifest.large_objects, &rows::large_objects(&mut conn).await?));
    if differences.is_empty() {
        return Ok(());
    }
    differences.truncate(MOST_DIFFERENCES);
    Err(BackupError::Differs { differences })
}

/// `pg_dump` leaves out indexes that a failed `CREATE INDEX CONCURRENTLY` has left, and installs the extension that
/// the server has whatever its version was. Another major version writes definitions otherwise, so there the schema is
/// not compared at all.
fn is_not_dumped(object: &Object) -> bool {
    object.kind == Kind::Extension || object.kind == Kind::Index && object.property("valid") == Some("no")
}

fn different_rows(expected: &[TableSum], found: &[TableSum]) -> Vec<String> {
    let found: HashMap<&str, &TableSum> = found.iter().map(|table| (table.name.as_str(), table)).collect();
    let difference = |table: &TableSum| match (table.rows?, found.get(table.name.as_str())) {
        (rows, None) => Some(format!("table {} with {rows} rows is missing", table.name)),
        (rows, Some(other)) if other.rows != Some(rows) => Some(format!(
            "table {} has {} rows instead of {rows}",
            table.name,
            other.rows.unwrap_or_default()
        )),
        (rows, Some(other)) if other.hash != table.hash => {
            Some(format!("table {} has {rows} rows, but not the same", table.name))
        }
        _ => None,
    };
    expected.iter().filter_map(difference).collect()
}

fn different_sequences(expected: &[SequenceValue], found: &[SequenceValue]) -> Vec<String> {
    let difference = |sequence: &SequenceValue| match found.iter().find(|other| other.name == sequence.name) {
        None => Some(format!("sequence {} is missing", sequence.name)),
        Some(other) if other != sequence => Some(format!(
            "sequence {} stands at {} instead of {}",
            sequence.name,
            standing(other),
            standing(sequence)
        )),
        Some(_) => None,
    };
    expected.iter().filter_map(difference).collect()
}

fn standing(sequence: &SequenceValue) -> String {
    let when = if sequence.is_called { "given" } else { "to give" };
    format!("{} ({when})", sequence.last_value)
}

fn different_objects(expected: &LargeObjects, found: &LargeObjects) -> Option<String> {
    let text = || format!("there are {} large objects instead of {}", found.count, expected.count);
    match (expected.count == found.count, expected.hash == found.hash) {
        (true, true) => None,
        (true, false) => Some("the large objects are not the same".to_owned()),
        (false, _) => Some(text()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        LargeObjects, SequenceValue, TableSum, different_objects, different_rows, different_sequences,
    };

    fn table(name: &str, rows: Option<u64>, hash: &str) -> TableSum {
        TableSum { name: name.to_owned(), rows, hash: rows.map(|_| hash.to_owned()) }
    }

    #[test]
    fn says_what_differs_in_rows() {
        let expected = [
            table("a", Some(1), "1"),
            table("b", Some(2), "2"),
            table("c", Some(3), "3"),
            table("d", None, ""),
        ];
        let found = [table("a", Some(1), "1"), table("b", Some(2), "9"), table("c", Some(4), "3")];
        let text = ["table b has 2 rows, but not the same", "table c has 4 rows instead of 3"];
        assert_eq!(different_rows(&expected, &found), text);
        assert_eq!(different_rows(&expected[..1], &[]), ["table a with 1 rows is missing"]);
    }

    #[test]
    fn says_what_differs_elsewhere() {
        let sequence = |last_value, is_called| SequenceValue { name: "s".to_owned(), last_value, is_called };
        let found = different_sequences(&[sequence(1, true)], &[sequence(1, false)]);
        assert_eq!(found, ["sequence s stands at 1 (to give) instead of 1 (given)"]);
        assert_eq!(different_sequences(&[sequence(1, true)], &[]), ["sequence s is missing"]);
        let objects = |count, hash: &str| LargeObjects { count, hash: hash.to_owned() };
        assert_eq!(different_objects(&objects(1, "1"), &objects(1, "1")), None);
        assert!(different_objects(&objects(1, "1"), &objects(1, "2")).is_some());
        assert!(different_objects(&objects(1, "1"), &objects(0, "0")).is_some());
    }
}
