//! Counts and hashes the rows of every table, in pieces, by several sessions that see the same snapshot.
//!
//! A row is hashed as text, all its columns together, and the hashes are summed: neither the order of rows nor where
//! they are stored matters, a row that is there twice counts twice, and values swapped between rows are found. The sum
//! is of 64-bit hashes and is kept whole; it tells accidents, not forgeries, from the original.

use super::event::{Phase, Progress, Stage};
use super::{BackupError, LargeObjects, TableSum};
use crate::schema::settings::pin_for_session;
use crate::scratch::execute;
use crate::{Error, Server};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A piece of a table, 64 MB: small enough that sessions end at about the same time, large enough to cost no planning.
const PIECE_PAGES: i64 = 8192;
/// Before, a range of pages is not read without reading the whole table.
const RANGES_SINCE: u32 = 140_000;

/// A table that has rows of its own.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Table {
    /// Qualified and quoted.
    pub(super) name: String,
    /// Those that are stored, as a list for SQL.
    columns: String,
    pages: i64,
    /// With its indexes and large values.
    pub(super) bytes: i64,
}

/// A session whose settings make the text of a row the same everywhere, and that no timeout of the database ends.
pub(crate) async fn open(server: &Server) -> Result<PgConnection, Error> {
    let mut conn = server.connect().await?;
    let sql = format!(
        "{}; SELECT set_config('row_security', 'off', false); \
         SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', \
             'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')",
        pin_for_session()
    );
    execute(&mut conn, sql).await.map_err(Error::during("set up a session"))?;
    // So that a long query ends soon after we do. Some platforms cannot.
    let _ = execute(&mut conn, "SET client_connection_check_interval = '1s'".to_owned()).await;
    Ok(conn)
}

/// The tables whose rows `pg_dump` saves.
pub(crate) async fn tables(conn: &mut PgConnection) -> Result<Vec<Table>, Error> {
    sqlx::query_as(
        "SELECT format('%I.%I', nspname, relname) AS name, \
                coalesce((SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute \
                          WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''), '') \
                    AS columns, \
                pg_relation_size(class.oid) / current_setting('block_size')::bigint AS pages, \
                pg_total_relation_size(class.oid) AS bytes \
         FROM pg_class AS class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
         WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema' \
           AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid \
                           AND deptype = 'e') \
         ORDER BY 1",
    )
    .fetch_all(conn)
    .await
    .map_err(Error::during("list the tables"))
}

/// Hashes tables in the order given; those in `left_out` are only named. Without a snapshot nobody may be writing.
pub(crate) async fn hash(
    server: &Server,
    tables: &[Table],
    left_out: &[String],
    snapshot: Option<&str>,
    jobs: NonZeroU32,
    progress: &mut Progress<'_>,
) -> Result<Vec<TableSum>, BackupError> {
    let stage = Stage::start(Phase::Hash, progress);
    let wanted = |table: &Table| !left_out.contains(&table.name);
    let mut sums: Vec<Option<(u64, i128)>> =
        tables.iter().map(|table| wanted(table).then_some((0, 0))).collect();
    let ranges = open(server).await?.server_version_num().is_some_and(|version| version >= RANGES_SINCE);
    let pieces: VecDeque<Piece> = (0..)
        .zip(tables)
        .filter(|(_, table)| wanted(table))
        .flat_map(|(at, table)| pieces(at, table, ranges))
        .collect();
    let total = pieces.len();
    let mut results = start(server, pieces, snapshot, jobs);
    let mut done = 0;
    while let Some(result) = results.pieces.recv().await {
        let (table, rows, hash) = result?;
        if let Some(Some(sum)) = sums.get_mut(table) {
            *sum = (sum.0 + rows, sum.1 + hash);
        }
        done += 1;
        stage.advance(done, total as u64, progress);
    }
    stage.finish(progress);
    let sum = |(table, sum): (&Table, Option<(u64, i128)>)| TableSum {
        name: table.name.clone(),
        rows: sum.map(|(rows, _)| rows),
        hash: sum.map(|(_, hash)| hash.to_string()),
    };
    Ok(tables.iter().zip(sums).map(sum).collect())
}

/// Counts and hashes large objects, in the session's own snapshot.
pub(super) async fn large_objects(conn: &mut PgConnection) -> Result<LargeObjects, Error> {
    let (count, hash): (i64, String) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(hashtextextended(oid::text || ' ' || md5(lo_get(oid, 0, 268435456)), 0)), 0)::text \
         FROM pg_largeobject_metadata",
    )
    .fetch_one(conn)
    .await
    .map_err(Error::during("read the large objects"))?;
    Ok(LargeObjects { count: count.unsigned_abs(), hash })
}

/// Table, rows, sum of their hashes.
type Hashed = Result<(usize, u64, i128), Error>;

struct Results {
    pieces: mpsc::Receiver<Hashed>,
    /// Aborted when dropped.
    _sessions: JoinSet<()>,
}

struct Piece {
    table: usize,
    name: String,
    sql: String,
}

fn pieces(table: usize, of: &Table, ranges: bool) -> Vec<Piece> {
    let whole = format!(
        "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text COLLATE \"C\", 0)), 0)::text FROM ONLY {}",
        of.columns, of.name
    );
    let count = if ranges { (of.pages / PIECE_PAGES).max(1) } else { 1 };
    let piece = |at: i64| {
        let from = (at > 0).then(|| format!("ctid >= '({},0)'", at * PIECE_PAGES));
        // The last one has no end: the table may have grown since its pages were counted.
        let to = (at + 1 < count).then(|| format!("ctid < '({},0)'", (at + 1) * PIECE_PAGES));
        let range: Vec<_> = from.into_iter().chain(to).collect();
        let condition =
            if range.is_empty() { String::new() } else { format!(" WHERE {}", range.join(" AND ")) };
        Piece { table, name: of.name.clone(), sql: format!("{whole}{condition}") }
    };
    (0..count).map(piece).collect()
}

fn start(server: &Server, pieces: VecDeque<Piece>, snapshot: Option<&str>, jobs: NonZeroU32) -> Results {
    let workers = pieces.len().min(jobs.get() as usize);
    let queue = Arc::new(Mutex::new(pieces));
    let (sender, receiver) = mpsc::channel(workers.max(1));
    let mut sessions = JoinSet::new();
    for _ in 0..workers {
        let (server, snapshot) = (server.clone(), snapshot.map(str::to_owned));
        let (queue, sender) = (Arc::clone(&queue), sender.clone());
        sessions.spawn(async move {
            let outcome = work(&server, snapshot.as_deref(), &queue, &sender).await;
            if let Err(error) = outcome {
                // When nobody listens any more, somebody else's error was first.
                let _ = sender.send(Err(error)).await;
            }
        });
    }
    Results { pieces: receiver, _sessions: sessions }
}

async fn work(
    server: &Server,
    snapshot: Option<&str>,
    queue: &Mutex<VecDeque<Piece>>,
    results: &mpsc::Sender<Hashed>,
) -> Result<(), Error> {
    let mut conn = open(server).await?;
    let import = snapshot.map(|id| format!("; SET TRANSACTION SNAPSHOT '{id}'")).unwrap_or_default();
    execute(&mut conn, format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY{import}"))
        .await
        .map_err(Error::during("share the snapshot"))?;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(piece) = next else { return Ok(()) };
        let hashed = hash_piece(&mut conn, piece).await?;
        if results.send(Ok(hashed)).await.is_err() {
            return Ok(());
        }
    }
}

async fn hash_piece(conn: &mut PgConnection, piece: Piece) -> Result<(usize, u64, i128), Error> {
    let during = || Error::during(format!("hash the rows of {}", piece.name));
    let (rows, sum): (i64, String) =
        sqlx::query_as(AssertSqlSafe(piece.sql)).persistent(false).fetch_one(conn).await.map_err(during())?;
    let sum = sum.parse().map_err(|error| during()(sqlx::Error::Decode(Box::new(error))))?;
    Ok((piece.table, rows.unsigned_abs(), sum))
}

#[cfg(test)]
mod tests {
    use super::{PIECE_PAGES, Table, pieces};

    #[test]
    fn pieces_cover_the_table_without_overlap() {
        let check = |pages: i64, ranges: bool, conditions: &[&str]| {
            let table = Table { name: "public.t".to_owned(), columns: "a, b".to_owned(), pages, bytes: 0 };
            let found: Vec<_> = pieces(0, &table, ranges).into_iter().map(|piece| piece.sql).collect();
            let found: Vec<_> =
                found.iter().map(|sql| sql.split_once("public.t").expect("the table").1).collect();
            assert_eq!(found, conditions);
        };
        check(0, true, &[""]);
        check(PIECE_PAGES + 1, true, &[""]);
        check(PIECE_PAGES * 9, false, &[""]);
        check(
            PIECE_PAGES * 3 + 5,
            true,
            &[
                " WHERE ctid < '(8192,0)'",
                " WHERE ctid >= '(8192,0)' AND ctid < '(16384,0)'",
                " WHERE ctid >= '(16384,0)'",
            ],
        );
    }
}
