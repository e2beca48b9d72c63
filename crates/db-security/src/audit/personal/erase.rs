//! Forgetting somebody: their key is destroyed, and with it all that events say of them, wherever those are.

use super::{Sealed, SubjectKey, ring::lock_keys};
use crate::audit::{
    Error, Event, record,
    short::{short, short_sql},
};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use uuid::Uuid;

/// What was erased: the receipt. Keep it where the database's backups are not: after one is restored, [`replay`] makes it so
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whom the events are about.
    pub subject: String,
    /// The keys that were destroyed; none where earlier erasures have left nothing.
    pub keys: Vec<Uuid>,
    /// Keys of theirs that earlier erasures have destroyed.
    #[serde(default)]
    pub before: Vec<Uuid>,
    /// There was no key: [`keys`](Self::keys) has the number by which events that come later name the erasure.
    #[serde(default)]
    pub is_first: bool,
    /// Events that had no place in the log yet, and lost what they said of the subject.
    #[serde(default)]
    pub waiting: u64,
    /// When, by the server's clock.
    pub erased_at: DateTime<Utc>,
    /// The event that says so in the log; none where nothing was destroyed.
    pub event: Option<Uuid>,
}

/// Destroys a subject's key, however many events there are of them, and notes that in the log. Every proof stays. It may be done
/// twice.
///
/// What waits for its place in the inbox, in the clear, loses what it says of the subject. So does what happened before the erasure and
/// comes after it: from a transaction that was open, a writer's buffer or a spool. What happens later gets a key of its own.
///
/// It waits for transactions that have made a key and not committed: set a `lock_timeout`.
///
/// The old version of the key's row lies in the table's file until it is vacuumed, in the server's write-ahead log, and in
/// backups: wrapped, so that it takes the master key to read it. `VACUUM audit_keys` after the commit ends the first. What waited in the
/// inbox was in the clear there: `VACUUM audit_inbox`.
///
/// # Errors
/// [`Error::Invalid`] for no subject; [`Error::Database`]. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn erase(conn: &mut PgConnection, subject: &str, actor: Option<&str>) -> Result<Erasure, Error> {
    let subject = checked(subject)?;
    let subject = subject.as_str();
    lock_keys(conn).await?;
    let erased_at = now(conn).await?;
    let before = sqlx::query_scalar(
        "SELECT id FROM audit_keys WHERE subject = $1 AND wrapped IS NULL ORDER BY erased_at, id",
    )
    .bind(subject)
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::while_trying("read what was erased of a subject"))?;
    let before: Vec<Uuid> = before;
    let mut keys = destroy(conn, subject, None, erased_at).await?;
    let is_first = keys.is_empty() && before.is_empty();
    let erasure = match (keys.first(), before.last()) {
        (Some(key), _) => *key,
        // What happened until now is erased too.
        (None, Some(last)) => {
            sqlx::query("UPDATE audit_keys SET erased_at = $2 WHERE id = $1")
                .bind(last)
                .bind(erased_at)
                .execute(&mut *conn)
                .await
                .map_err(Error::while_trying("note when a subject was erased"))?;
            *last
        }
        (None, None) => {
            let erasure = Uuid::now_v7();
            keys = tombstones(conn, subject, &[erasure], erased_at).await?;
            erasure
        }
    };
    let waiting = take_from_inbox(conn, subject, erasure, None).await?;
    let done =
        Erasure { subject: subject.to_owned(), keys, before, is_first, waiting, erased_at, event: None };
    noted(conn, done, actor).await
}

/// Destroys what a receipt says was destroyed and a restored backup has brought back, and what had happened until then and comes now;
/// and nothing that has happened since. Answers with what there was to do.
///
/// # Errors
/// [`Error::Invalid`] for no subject; [`Error::Database`]. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn replay(
    conn: &mut PgConnection,
    receipt: &Erasure,
    actor: Option<&str>,
) -> Result<Erasure, Error> {
    let subject = checked(&receipt.subject)?;
    let subject = subject.as_str();
    lock_keys(conn).await?;
    let all: Vec<Uuid> = receipt.before.iter().chain(&receipt.keys).copied().collect();
    let mut keys = destroy(conn, subject, Some(&all), receipt.erased_at).await?;
    keys.extend(tombstones(conn, subject, &all, receipt.erased_at).await?);
    let waiting = match all.last() {
        Some(erasure) => take_from_inbox(conn, subject, *erasure, Some(receipt.erased_at)).await?,
        None => 0,
    };
    let done = Erasure {
        subject: subject.to_owned(),
        keys,
        before: Vec::new(),
        is_first: false,
        waiting,
        erased_at: receipt.erased_at,
        event: None,
    };
    noted(conn, done, actor).await
}

/// As events name them.
fn checked(subject: &str) -> Result<String, Error> {
    match subject {
        "" => Err(Error::Invalid { field: "subject", reason: "it is empty" }),
        _ if subject.contains('\0') => {
            Err(Error::Invalid { field: "subject", reason: "it holds a NUL character, which no subject has" })
        }
        _ => Ok(short(subject).into_owned()),
    }
}

async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, Error> {
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(conn)
        .await
        .map_err(Error::while_trying("read the server's clock"))?;
    Ok(now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now))
}

/// Destroys the living keys of a subject, or those of them that are named. Answers with them.
async fn destroy(
    conn: &mut PgConnection,
    subject: &str,
    named: Option<&[Uuid]>,
    erased_at: DateTime<Utc>,
) -> Result<Vec<Uuid>, Error> {
    sqlx::query_scalar(
        "UPDATE audit_keys SET wrapped = NULL, erased_at = $3 \
         WHERE subject = $1 AND ($2::uuid[] IS NULL OR id = ANY ($2)) AND wrapped IS NOT NULL RETURNING id",
    )
    .bind(subject)
    .bind(named)
    .bind(erased_at)
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("destroy the key of a subject"))
}

/// Keys that never were, of a subject that was erased: they say when, and give events that come later a key to name. Answers with those
/// that were not there.
async fn tombstones(
    conn: &mut PgConnection,
    subject: &str,
    ids: &[Uuid],
    erased_at: DateTime<Utc>,
) -> Result<Vec<Uuid>, Error> {
    sqlx::query_scalar(
        "INSERT INTO audit_keys (id, subject, erased_at) SELECT id, $2, $3 FROM unnest($1::uuid[]) AS told (id) \
         ON CONFLICT (id) DO NOTHING RETURNING id",
    )
    .bind(ids)
    .bind(subject)
    .bind(erased_at)
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("note when a subject was erased"))
}

/// Events that are dealt with in one statement.
const AT_ONCE: i64 = 1_000;

/// What of a subject waits in the clear is sealed by keys that nobody has. How many events that were.
async fn take_from_inbox(
    conn: &mut PgConnection,
    subject: &str,
    erasure: Uuid,
    until: Option<DateTime<Utc>>,
) -> Result<u64, Error> {
    // Constants of ours. Whoever seals one at this moment is waited for, and has then done so by a key that is gone. A sequencer that has passed
    // one by finds it as one of this transaction.
    let waiting = format!(
        "SELECT ctid::text, id, personal_values::text FROM audit_inbox WHERE personal_values IS NOT NULL AND {} = $1 \
         AND ($2::timestamptz IS NULL OR occurred_at <= $2) LIMIT $3 FOR UPDATE",
        short_sql("coalesce(subject, entity_type)")
    );
    let mut count = 0;
    loop {
        let rows = sqlx::query(AssertSqlSafe(waiting.as_str()))
            .bind(subject)
            .bind(until)
            .bind(AT_ONCE)
            .fetch_all(&mut *conn)
            .await
            .map_err(Error::while_trying("read what is personal"))?;
        if rows.is_empty() {
            return Ok(count);
        }
        count += rows.len() as u64;
        let (mut places, mut personal, mut commitments) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let (at, id, text): (String, Uuid, &str) = (row.get(0), row.get(1), row.get(2));
            let sealed: Sealed = SubjectKey::random().seal(erasure, id, text.as_bytes());
            places.push(at);
            personal.push(sealed.personal);
            commitments.push(sealed.commitment.to_vec());
        }
        sqlx::query(
            "UPDATE audit_inbox SET personal_values = NULL, subject = $4, subject_key = $5, personal = sealed.personal, \
             commitment = sealed.commitment, refused = NULL, txid = pg_current_xact_id() \
             FROM unnest($1::text[]::tid[], $2::bytea[], $3::bytea[]) AS sealed (at, personal, commitment) \
             WHERE audit_inbox.ctid = sealed.at",
        )
        .bind(places)
        .bind(personal)
        .bind(commitments)
        .bind(subject)
        .bind(erasure)
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("store what nobody reads any more"))?;
    }
}

async fn noted(conn: &mut PgConnection, mut erasure: Erasure, actor: Option<&str>) -> Result<Erasure, Error> {
    if erasure.keys.is_empty() {
        return Ok(erasure);
    }
    let mut event =
        Event::new(ERASED, "subjects").entity(&*erasure.subject).detail("keys", json!(erasure.keys));
    if let Some(actor) = actor {
        event = event.actor(actor);
    }
    erasure.event = Some(record(conn, None, event).await?);
    Ok(erasure)
}

/// The action of the event that notes an erasure.
pub(crate) const ERASED: &str = "audit.erase";
