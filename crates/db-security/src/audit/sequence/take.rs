//! Moves a batch from the inbox into the log, and puts aside what cannot be moved.

use super::{
    Log,
    cursor::{Cursor, Snapshot},
};
use crate::audit::{Error, Hash, encode::Leaf, short::short_sql};
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row as _, postgres::PgRow};
use std::sync::LazyLock;
use uuid::Uuid;

/// What was moved.
pub(super) struct Moved {
    pub(super) snapshot: Snapshot,
    /// Rows taken from the inbox, those that were there already among them.
    pub(super) taken: u64,
    /// The transaction of the last of them; `None` where nothing is left behind them.
    pub(super) last: Option<u64>,
    pub(super) leaves: Vec<Hash>,
    /// Rows that were put aside.
    pub(super) refused: u64,
}

/// What is next: some of those that had not committed, and what came since; or only the row at one place.
const DUE: &str = "\
SELECT ctid FROM (
    (SELECT ctid, txid, seq FROM audit_inbox
     WHERE txid = ANY ($1::text[]::xid8[]) AND personal_values IS NULL AND refused IS NULL
       AND ($4::text IS NULL OR ctid = $4::text::tid) ORDER BY txid, seq LIMIT $3)
    UNION ALL
    (SELECT ctid, txid, seq FROM audit_inbox
     WHERE txid >= $2::text::xid8 AND personal_values IS NULL AND refused IS NULL
       AND ($4::text IS NULL OR ctid = $4::text::tid) ORDER BY txid, seq LIMIT $3)
) AS both_parts ORDER BY txid, seq LIMIT $3";

/// From the inbox into the log, in one statement. What was sent again is looked for; all else is not. A name that is too long for an index is
/// cut, and a time that no calendar has is that of the batch, beside a note of what it was.
///
/// The first row counts: the snapshot, rows taken, the last transaction.
static TAKE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "\
WITH due AS MATERIALIZED ({DUE}),
taken AS (
    DELETE FROM audit_inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM due)) RETURNING *,
        occurred_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00' AS is_dated),
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
    SELECT $5 + row_number() OVER (ORDER BY txid, seq) - 1, $6, id, CASE WHEN is_dated THEN occurred_at ELSE $6 END,
        {actor}, request, {action}, {entity_type}, {entity_id}, outcome, database_user, old_values, new_values,
        CASE WHEN is_dated THEN details WHEN details IS NULL OR jsonb_typeof(details) = 'object'
            THEN coalesce(details, '{{}}') || jsonb_build_object('occurred_at', occurred_at) ELSE details END,
        {subject}, subject_key, personal, commitment
    FROM fresh ORDER BY txid, seq
    RETURNING *)
SELECT NULL::bigint AS leaf, NULL::uuid, NULL::timestamptz, pg_current_snapshot()::text,
    (SELECT txid::text FROM taken ORDER BY txid DESC LIMIT 1), NULL::text, NULL::text, (SELECT count(*)::text FROM taken),
    NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::uuid, NULL::bytea
UNION ALL
SELECT leaf, id, occurred_at, actor, request, action, entity_type, entity_id, outcome, database_user,
    old_values::text, new_values::text, details::text, subject, subject_key, commitment
FROM moved ORDER BY leaf NULLS FIRST",
        actor = short_sql("actor"),
        action = short_sql("action"),
        entity_type = short_sql("entity_type"),
        entity_id = short_sql("entity_id"),
        subject = short_sql("subject"),
    )
});

/// Moves at most so many. Where the server cannot move them for what one of them holds, fewer, and in the end that one is put aside: others go
/// on.
pub(super) async fn take(
    conn: &mut PgConnection,
    log: &Log,
    max_events: u32,
    cursor: &mut Cursor,
) -> Result<Moved, Error> {
    let mut limit = cursor.careful.map_or(max_events, |careful| careful.min(max_events));
    loop {
        // One alone is told by its place, as another may commit before it meanwhile.
        let only = if limit == 1 { next(conn, cursor).await? } else { None };
        order(conn, "SAVEPOINT audit_take").await?;
        let failed = match try_to_take(conn, log, limit, cursor, only.as_deref()).await {
            Ok(mut moved) => {
                order(conn, "RELEASE SAVEPOINT audit_take").await?;
                moved.last = moved.last.filter(|_| moved.taken >= u64::from(limit));
                let next = limit.saturating_mul(2);
                cursor.careful = cursor.careful.filter(|_| next < max_events).map(|_| next);
                return Ok(moved);
            }
            Err(error) => error,
        };
        let Some(sqlstate) = of_a_row(&failed) else { return Err(failed) };
        order(conn, "ROLLBACK TO SAVEPOINT audit_take").await?;
        match only {
            Some(place) => return refuse(conn, &place, &sqlstate).await,
            None => limit = (limit / 2).max(1),
        }
        cursor.careful = Some(limit);
    }
}

/// What the server has against what a row holds, and not against the statement, the tree or the moment.
fn of_a_row(error: &Error) -> Option<String> {
    let Error::Database { source, .. } = error else { return None };
    let sqlstate = source.as_database_error()?.code()?;
    (sqlstate.starts_with("22") || sqlstate.starts_with("54")).then(|| sqlstate.into_owned())
}

/// Where the next event lies.
async fn next(conn: &mut PgConnection, cursor: &Cursor) -> Result<Option<String>, Error> {
    let (from, open) = cursor.bounds();
    // Constants of ours.
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT ctid::text FROM ({DUE}) AS due")))
        .bind(open.iter().map(u64::to_string).collect::<Vec<_>>())
        .bind(from.to_string())
        .bind(1_i64)
        .bind(None::<&str>)
        .fetch_optional(conn)
        .await
        .map_err(Error::while_trying("look at the inbox"))
}

/// Puts an event aside, and says why.
async fn refuse(conn: &mut PgConnection, place: &str, sqlstate: &str) -> Result<Moved, Error> {
    let row = sqlx::query(
        "UPDATE audit_inbox SET refused = $2 WHERE ctid = $1::text::tid RETURNING pg_current_snapshot()::text, txid::text",
    )
    .bind(place)
    .bind(sqlstate)
    .fetch_one(conn)
    .await
    .map_err(Error::while_trying("put an event aside"))?;
    let last = row.get::<&str, _>(1).parse().ok();
    tracing::error!(sqlstate, "an event cannot get a place in the audit log, and was put aside in the inbox");
    Ok(Moved { snapshot: snapshot(row.get(0))?, taken: 0, last, leaves: Vec::new(), refused: 1 })
}

fn snapshot(text: &str) -> Result<Snapshot, Error> {
    let damaged = || Error::Damaged { what: "a snapshot is not as it is written".to_owned() };
    Snapshot::parse(text).ok_or_else(damaged)
}

async fn order(conn: &mut PgConnection, sql: &'static str) -> Result<(), Error> {
    sqlx::query(sql).execute(conn).await.map_err(Error::while_trying("begin to move events"))?;
    Ok(())
}

async fn try_to_take(
    conn: &mut PgConnection,
    log: &Log,
    max_events: u32,
    cursor: &Cursor,
    only: Option<&str>,
) -> Result<Moved, Error> {
    let (from, open) = cursor.bounds();
    let rows = sqlx::query(AssertSqlSafe(TAKE.as_str()))
        .bind(open.iter().map(u64::to_string).collect::<Vec<_>>())
        .bind(from.to_string())
        .bind(i64::from(max_events))
        .bind(only)
        .bind(i64::try_from(log.size).unwrap_or(i64::MAX))
        .bind(log.sequenced_at)
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("move events into the log"))?;
    let Some((count, moved)) = rows.split_first() else {
        return Err(Error::Damaged { what: "a move answered nothing".to_owned() });
    };
    let number = |at: usize| count.get::<Option<&str>, _>(at).and_then(|text| text.parse().ok());
    let mut scratch = Vec::new();
    let sequenced_at = log.sequenced_at.timestamp_micros();
    let leaves = moved.iter().map(|row| leaf_of(row, sequenced_at).hash(&mut scratch)).collect();
    Ok(Moved {
        snapshot: snapshot(count.get(3))?,
        taken: number(7).unwrap_or(0),
        last: number(4),
        leaves,
        refused: 0,
    })
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
