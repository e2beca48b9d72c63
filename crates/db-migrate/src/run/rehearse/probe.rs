//! Asks the session what it holds, between two statements.

use super::locks::{Existing, Held, LockMode, Oid, Relation};
use crate::{Error, HistoryTable};
use sqlx::{FromRow, PgConnection};
use std::collections::BTreeMap;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) held: Held,
    /// The files of relations that are locked against everybody, without which none is written anew.
    pub(super) files: BTreeMap<Oid, i64>,
    /// How far the server's log is, in bytes.
    pub(super) wal: u64,
    /// When the transaction began, which is its name here.
    pub(super) transaction: String,
}

#[derive(FromRow)]
struct Row {
    relation: Option<i64>,
    mode: Option<String>,
    file: Option<i64>,
    wal: i64,
    transaction: String,
}

/// Looks, in one round trip.
pub(super) async fn look(conn: &mut PgConnection) -> Result<Seen, Error> {
    // Schemas are named, as the migration may have set a search path of its own.
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT lock.relation::bigint AS relation, lock.mode, \
                CASE WHEN lock.mode = 'AccessExclusiveLock' \
                     THEN pg_catalog.pg_relation_filenode(lock.relation)::bigint END AS file, \
                pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint AS wal, \
                extract(epoch FROM pg_catalog.transaction_timestamp())::text AS transaction \
         FROM (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AS base \
         LEFT JOIN pg_catalog.pg_locks AS lock \
           ON lock.pid = pg_catalog.pg_backend_pid() AND lock.locktype = 'relation' AND lock.granted \
          AND lock.relation::bigint >= 16384 AND lock.database = base.oid",
    )
    .persistent(false)
    .fetch_all(conn)
    .await
    .map_err(Error::during("read the locks of the session"))?;
    let mut seen = Seen::default();
    for row in rows {
        seen.wal = row.wal.unsigned_abs();
        seen.transaction = row.transaction;
        let mode = row.mode.as_deref().and_then(LockMode::parse);
        let Some((oid, mode)) = row.relation.zip(mode) else { continue };
        seen.held.insert((oid, mode));
        seen.files.extend(row.file.map(|file| (oid, file)));
    }
    Ok(seen)
}

#[derive(FromRow)]
struct Found {
    oid: i64,
    name: String,
    bare: String,
    is_index: bool,
    file: Option<i64>,
    rows: i64,
}

/// The relations there are, without the server's own and the history.
pub(super) async fn existing(conn: &mut PgConnection, history: &HistoryTable) -> Result<Existing, Error> {
    let found: Vec<Found> = sqlx::query_as(
        "WITH history AS (SELECT to_regclass($1)::oid AS oid) \
         SELECT class.oid::bigint AS oid, format('%I.%I', nspname, relname) AS name, relname::text AS bare, \
                relkind IN ('i', 'I') AS is_index, \
                CASE WHEN relkind IN ('r', 'm') THEN pg_relation_filenode(class.oid)::bigint END AS file, \
                reltuples::bigint AS rows \
         FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = relnamespace \
         WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' \
           AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I') AND class.oid NOT IN ( \
               SELECT oid FROM history WHERE oid IS NOT NULL \
               UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM history) \
               UNION SELECT objid FROM pg_depend WHERE refobjid IN (SELECT oid FROM history) AND deptype = 'i')",
    )
    .persistent(false)
    .bind(history.as_sql())
    .fetch_all(conn)
    .await
    .map_err(Error::during("list the tables"))?;
    let relation = |found: Found| {
        let Found { oid, name, bare, is_index, file, rows } = found;
        (oid, Relation { name, bare, is_index, file, rows: rows.try_into().ok() })
    };
    Ok(found.into_iter().map(relation).collect())
}
