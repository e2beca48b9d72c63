//! Gives events their places: one batch from the inbox into the log, and the tree over it grown.

use super::{
    Error, Hash, MasterKey,
    encode::Leaf,
    partition::{self, Month},
    personal::{Sealed, keys_for},
    tree::{Missing, Place, Tiles, needed_for_growth},
};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

/// A clock may be set back by as much as this, as time servers do: events keep the time of the last one meanwhile.
const TOLERATED_BEHIND: Duration = Duration::from_secs(60);

/// What one batch did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequenced {
    /// Another process has the log in hand.
    Elsewhere,
    /// So many events were moved, and the log has so many leaves since.
    Moved {
        /// Events that got their place.
        events: u64,
        /// Events that were there already: sent twice, as their writer had not heard.
        repeated: u64,
        /// Leaves of the log.
        size: u64,
        /// Whether nothing is left that had committed when the batch began, but for what waits for a master key.
        is_drained: bool,
    },
}

/// Where to look in the inbox: what came before is moved, or has not committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    /// What had committed when the last pass began is moved; `None` before the first.
    base: Option<Snapshot>,
    /// The snapshot of the pass that is under way, and the transaction that it has come to.
    pass: Option<(Snapshot, u64)>,
    /// The month whose partition is known to be there.
    month: Option<Month>,
}

/// Which transactions had ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Snapshot {
    /// All from here on had not.
    xmax: u64,
    /// Nor had these before it.
    open: Vec<u64>,
}

impl Snapshot {
    /// As `pg_snapshot` is written: `xmin:xmax:open,open`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (_, xmax, open) = (parts.next()?, parts.next()?, parts.next()?);
        let open: Result<Vec<u64>, _> = open.split(',').filter(|id| !id.is_empty()).map(str::parse).collect();
        Some(Self { xmax: xmax.parse().ok()?, open: open.ok()? })
    }
}

impl Cursor {
    /// Transactions from which on to look, and some before them.
    fn bounds(&self) -> (u64, Vec<u64>) {
        let base = self.base.as_ref();
        let from = self.pass.as_ref().map(|(_, at)| *at).max(base.map(|base| base.xmax)).unwrap_or(0);
        (from, base.map_or_else(Vec::new, |base| base.open.clone()))
    }

    /// After a batch that was not the last of its pass.
    fn advance(&mut self, snapshot: Snapshot, last: Option<u64>) {
        let first = self.pass.take().map_or(snapshot, |(first, _)| first);
        let (from, _) = self.bounds();
        self.pass = Some((first, last.unwrap_or(from)));
    }

    /// After the last batch of a pass: what had committed as the pass began is moved.
    fn finish(&mut self, snapshot: Snapshot) {
        self.base = Some(self.pass.take().map_or(snapshot, |(first, _)| first));
    }
}

/// Whether anything has come since, in one round trip that locks and writes nothing.
pub(crate) async fn has_waiting(conn: &mut PgConnection, cursor: &Cursor) -> Result<bool, Error> {
    let (from, open) = cursor.bounds();
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM audit_inbox WHERE txid >= $1::text::xid8) \
         OR EXISTS (SELECT FROM audit_inbox WHERE txid = ANY ($2::text[]::xid8[]))",
    )
    .bind(from.to_string())
    .bind(open.iter().map(u64::to_string).collect::<Vec<_>>())
    .fetch_one(conn)
    .await
    .map_err(Error::while_trying("look at the inbox"))
}

/// The log as whoever holds its row sees it.
struct Log {
    size: u64,
    sequenced_at: DateTime<Utc>,
    tiles: Tiles,
}

/// Moves at most so many events that have committed into the log, in the caller's transaction, in the order of their commits, and
/// grows the tree. With a master key it encrypts what triggers found personal; without, that waits.
///
/// # Errors
/// [`Error::ClockBehind`], [`Error::WrongMasterKey`], [`Error::AlteredKey`], [`Error::Damaged`], [`Error::NotThere`],
/// [`Error::Database`]. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn sequence(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
    max_events: u32,
) -> Result<Sequenced, Error> {
    sequence_from(conn, master, max_events, &mut Cursor::default()).await
}

/// The same for whoever comes again and again, and knows where to look. The cursor holds for what the caller commits.
pub(crate) async fn sequence_from(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
    max_events: u32,
    cursor: &mut Cursor,
) -> Result<Sequenced, Error> {
    let Some(mut log) = lock(conn).await? else { return Ok(Sequenced::Elsewhere) };
    let sealed_up_to = match master {
        Some(master) => seal(conn, master, max_events, cursor).await?,
        None => None,
    };
    let month = Month::of(log.sequenced_at);
    if cursor.month != Some(month) {
        partition::ensure(conn, month).await?;
        cursor.month = Some(month);
    }
    let moved = take(conn, &log, max_events, cursor).await?;
    let events = moved.leaves.len() as u64;
    if events > 0 {
        log.tiles.grow(log.size, moved.leaves).map_err(|Missing(place)| missing(place))?;
        store(conn, &log, events).await?;
    }
    let is_drained = moved.taken < u64::from(max_events) && sealed_up_to.is_none();
    if is_drained {
        cursor.finish(moved.snapshot);
    } else {
        let last = if moved.taken < u64::from(max_events) { None } else { moved.last };
        cursor.advance(moved.snapshot, last.into_iter().chain(sealed_up_to).min());
    }
    Ok(Sequenced::Moved { events, repeated: moved.taken - events, size: log.size + events, is_drained })
}

/// Two round trips, as what is read beside a row that is waited for would be of the moment before.
async fn lock(conn: &mut PgConnection) -> Result<Option<Log>, Error> {
    let row = sqlx::query(
        "SELECT size, sequenced_at = '-infinity', \
         CASE WHEN sequenced_at = '-infinity' THEN clock_timestamp() ELSE sequenced_at END, clock_timestamp() \
         FROM audit_tree FOR UPDATE SKIP LOCKED",
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::while_trying("lock the log"))?;
    let Some(row) = row else { return Ok(None) };
    let (size, last, now): (i64, DateTime<Utc>, DateTime<Utc>) = (row.get(0), row.get(2), row.get(3));
    let size = u64::try_from(size).map_err(|_| Error::Damaged { what: format!("it has {size} leaves") })?;
    let behind = (last - now).to_std().unwrap_or_default();
    if behind > TOLERATED_BEHIND {
        return Err(Error::ClockBehind { behind });
    }
    let tiles = read_tiles(conn, &needed_for_growth(size).collect()).await?;
    Ok(Some(Log { size, sequenced_at: last.max(now), tiles }))
}

/// Tiles by their places; those that are not there are left out.
pub(crate) async fn read_tiles(conn: &mut PgConnection, places: &BTreeSet<Place>) -> Result<Tiles, Error> {
    let mut tiles = Tiles::default();
    if places.is_empty() {
        return Ok(tiles);
    }
    let (levels, numbers): (Vec<i16>, Vec<i64>) = places
        .iter()
        .filter_map(|place| Some((i16::try_from(place.level).ok()?, i64::try_from(place.tile).ok()?)))
        .unzip();
    let rows = sqlx::query(
        "SELECT level, tile, hashes FROM unnest($1::smallint[], $2::bigint[]) AS wanted (level, tile) \
         JOIN audit_tiles USING (level, tile)",
    )
    .bind(levels)
    .bind(numbers)
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("read tiles of the log"))?;
    for row in rows {
        let (place, hashes) = tile_of(&row)?;
        tiles.insert(place, hashes);
    }
    Ok(tiles)
}

/// A tile of a row that begins with level, number and hashes.
pub(crate) fn tile_of(row: &PgRow) -> Result<(Place, Vec<Hash>), Error> {
    let (level, tile, bytes): (i16, i64, &[u8]) = (row.get(0), row.get(1), row.get(2));
    let place =
        u16::try_from(level).ok().zip(u64::try_from(tile).ok()).map(|(level, tile)| Place { level, tile });
    let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
    match place {
        Some(place) if rest.is_empty() => Ok((place, hashes.iter().map(|hash| Hash(*hash)).collect())),
        _ => Err(Error::Damaged { what: format!("tile {tile} of level {level} has {} bytes", bytes.len()) }),
    }
}

pub(crate) fn missing(place: Place) -> Error {
    Error::Damaged {
        what: format!("tile {} of level {} is not what the tree's size says", place.tile, place.level),
    }
}

/// Encrypts what triggers have found. Rows of others are not touched, and there are mostly none. Where there may be more, answers with the
/// transaction that it has come to.
async fn seal(
    conn: &mut PgConnection,
    master: &MasterKey,
    max_events: u32,
    cursor: &Cursor,
) -> Result<Option<u64>, Error> {
    let (from, open) = cursor.bounds();
    let rows = sqlx::query(
        "SELECT ctid::text, id, coalesce(subject, entity_type), personal_values::text, txid::text FROM audit_inbox \
         WHERE (txid >= $1::text::xid8 OR txid = ANY ($2::text[]::xid8[])) AND personal_values IS NOT NULL \
         ORDER BY txid, seq LIMIT $3",
    )
    .bind(from.to_string())
    .bind(open.iter().map(u64::to_string).collect::<Vec<_>>())
    .bind(i64::from(max_events))
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::while_trying("read what is personal"))?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last = last.get::<&str, _>(4).parse().ok().filter(|_| rows.len() as u64 == u64::from(max_events));
    let subjects: BTreeSet<&str> = rows.iter().map(|row| row.get(2)).collect();
    let keys = keys_for(conn, master, &subjects).await?;
    let mut places = Vec::with_capacity(rows.len());
    let mut sealed = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let (at, id, subject, text): (&str, Uuid, &str, &str) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let Some(live) = keys.get(subject) else { continue };
        let Sealed { personal, commitment } = live.key.seal(live.id, id, text.as_bytes());
        places.push(at);
        sealed.0.push(live.id);
        sealed.1.push(personal);
        sealed.2.push(commitment.to_vec());
    }
    sqlx::query(
        "UPDATE audit_inbox SET personal_values = NULL, subject = coalesce(subject, entity_type), subject_key = sealed.key, personal = sealed.personal, \
         commitment = sealed.commitment \
         FROM unnest($1::text[]::tid[], $2::uuid[], $3::bytea[], $4::bytea[]) \
         AS sealed (at, key, personal, commitment) WHERE audit_inbox.ctid = sealed.at",
    )
    .bind(places)
    .bind(sealed.0)
    .bind(sealed.1)
    .bind(sealed.2)
    .execute(conn)
    .await
    .map_err(Error::while_trying("store what was encrypted"))?;
    Ok(last)
}

/// What was moved.
struct Moved {
    snapshot: Snapshot,
    /// Rows taken from the inbox, those that were there already among them.
    taken: u64,
    /// The transaction of the last of them.
    last: Option<u64>,
    leaves: Vec<Hash>,
}

/// From the inbox into the log, in one statement. What was sent again is looked for; all else is not.
///
/// The first row counts: the snapshot, rows taken, the last transaction.
const TAKE: &str = "\
WITH due AS MATERIALIZED (
    SELECT ctid FROM (
        (SELECT ctid, txid, seq FROM audit_inbox
         WHERE txid = ANY ($4::text[]::xid8[]) AND personal_values IS NULL ORDER BY txid, seq LIMIT $3)
        UNION ALL
        (SELECT ctid, txid, seq FROM audit_inbox
         WHERE txid >= $5::text::xid8 AND personal_values IS NULL ORDER BY txid, seq LIMIT $3)
    ) AS both_parts ORDER BY txid, seq LIMIT $3),
taken AS (
    DELETE FROM audit_inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM due)) RETURNING *),
fresh AS (
    SELECT * FROM taken WHERE NOT is_repeated
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (id) * FROM taken WHERE is_repeated ORDER BY id, txid, seq) AS repeated
    WHERE NOT EXISTS (SELECT FROM taken AS first WHERE NOT first.is_repeated AND first.id = repeated.id)
      AND NOT EXISTS (SELECT FROM audit_events WHERE audit_events.id = repeated.id)),
moved AS (
    INSERT INTO audit_events (leaf, sequenced_at, id, occurred_at, actor, request, action, entity_type, entity_id,
        outcome, database_user, old_values, new_values, details, subject, subject_key, personal, commitment)
    SELECT $1 + row_number() OVER (ORDER BY txid, seq) - 1, $2, id, occurred_at, actor, request, action, entity_type,
        entity_id, outcome, database_user, old_values, new_values, details, subject, subject_key, personal, commitment
    FROM fresh ORDER BY txid, seq
    RETURNING *)
SELECT NULL::bigint AS leaf, NULL::uuid, NULL::timestamptz, pg_current_snapshot()::text,
    (SELECT txid::text FROM taken ORDER BY txid DESC LIMIT 1), NULL::text, NULL::text, (SELECT count(*)::text FROM taken),
    NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::uuid, NULL::bytea
UNION ALL
SELECT leaf, id, occurred_at, actor, request, action, entity_type, entity_id, outcome, database_user,
    old_values::text, new_values::text, details::text, subject, subject_key, commitment
FROM moved ORDER BY leaf NULLS FIRST";

async fn take(conn: &mut PgConnection, log: &Log, max_events: u32, cursor: &Cursor) -> Result<Moved, Error> {
    let (from, open) = cursor.bounds();
    let rows = sqlx::query(TAKE)
        .bind(i64::try_from(log.size).unwrap_or(i64::MAX))
        .bind(log.sequenced_at)
        .bind(i64::from(max_events))
        .bind(open.iter().map(u64::to_string).collect::<Vec<_>>())
        .bind(from.to_string())
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("move events into the log"))?;
    let Some((count, moved)) = rows.split_first() else {
        return Err(Error::Damaged { what: "a move answered nothing".to_owned() });
    };
    let snapshot = Snapshot::parse(count.get(3));
    let snapshot =
        snapshot.ok_or_else(|| Error::Damaged { what: "a snapshot is not as it is written".to_owned() })?;
    let number = |at: usize| count.get::<Option<&str>, _>(at).and_then(|text| text.parse().ok());
    let mut scratch = Vec::new();
    let sequenced_at = log.sequenced_at.timestamp_micros();
    let leaves = moved.iter().map(|row| leaf_of(row, sequenced_at).hash(&mut scratch)).collect();
    Ok(Moved { snapshot, taken: number(7).unwrap_or(0), last: number(4), leaves })
}

fn leaf_of(row: &PgRow, sequenced_at: i64) -> Leaf<'_> {
    let text = |at: usize| row.get::<Option<&str>, _>(at).map(str::as_bytes);
    Leaf {
        id: row.get::<Uuid, _>(1).into_bytes(),
        occurred_at: row.get::<DateTime<Utc>, _>(2).timestamp_micros(),
        sequenced_at,
        actor: text(3),
        request: text(4),
        action: text(5).unwrap_or_default(),
        entity_type: text(6).unwrap_or_default(),
        entity_id: text(7),
        outcome: text(8).unwrap_or_default(),
        database_user: text(9).unwrap_or_default(),
        old_values: text(10),
        new_values: text(11),
        details: text(12),
        subject: text(13),
        subject_key: row.get::<Option<Uuid>, _>(14).map(Uuid::into_bytes),
        commitment: row.get::<Option<&[u8]>, _>(15),
    }
}

async fn store(conn: &mut PgConnection, log: &Log, events: u64) -> Result<(), Error> {
    let mut changed: (Vec<i16>, Vec<i64>, Vec<Vec<u8>>) = Default::default();
    for (place, hashes) in log.tiles.iter() {
        changed.0.push(i16::try_from(place.level).unwrap_or(i16::MAX));
        changed.1.push(i64::try_from(place.tile).unwrap_or(i64::MAX));
        changed.2.push(hashes.iter().flat_map(|hash| hash.0).collect());
    }
    sqlx::query(
        "WITH grown AS (UPDATE audit_tree SET size = $4, sequenced_at = $5) \
         INSERT INTO audit_tiles (level, tile, hashes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) \
         ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes",
    )
    .bind(changed.0)
    .bind(changed.1)
    .bind(changed.2)
    .bind(i64::try_from(log.size + events).unwrap_or(i64::MAX))
    .bind(log.sequenced_at)
    .execute(conn)
    .await
    .map_err(Error::while_trying("store the tree"))?;
    Ok(())
}
