//! Forgetting somebody: their key is destroyed, and with it all that events say of them.

use crate::audit::{Error, Event, record};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// What was erased: the receipt. Keep it where the database's backups are not: after one is restored, [`replay`] makes it so
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whom the events are about.
    pub subject: String,
    /// The keys that were destroyed; none where there was nothing of them.
    pub keys: Vec<Uuid>,
    /// When.
    pub erased_at: DateTime<Utc>,
    /// The event that says so in the log; none where nothing was destroyed.
    pub event: Option<Uuid>,
}

/// Destroys a subject's key, however many events there are of them, and notes that in the log. Every proof stays. It may be done
/// twice.
///
/// The old version of the key's row lies in the table's file until it is vacuumed, in the server's write-ahead log, and in
/// backups: wrapped, so that it takes the master key to read it. `VACUUM audit_keys` after the commit ends the first.
///
/// # Errors
/// [`Error::Database`]. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn erase(conn: &mut PgConnection, subject: &str, actor: Option<&str>) -> Result<Erasure, Error> {
    let rows = sqlx::query(
        "UPDATE audit_keys SET wrapped = NULL, erased_at = clock_timestamp() \
         WHERE subject = $1 AND wrapped IS NOT NULL RETURNING id",
    )
    .bind(subject)
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::while_trying("destroy the key of a subject"))?;
    let keys: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    noted(conn, subject, keys, actor).await
}

/// Destroys what a receipt says was destroyed and a restored backup has brought back, and nothing that was made since.
///
/// # Errors
/// [`Error::Database`]. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn replay(
    conn: &mut PgConnection,
    receipt: &Erasure,
    actor: Option<&str>,
) -> Result<Erasure, Error> {
    let rows = sqlx::query(
        "UPDATE audit_keys SET wrapped = NULL, erased_at = clock_timestamp() \
         WHERE subject = $1 AND id = ANY($2) AND wrapped IS NOT NULL RETURNING id",
    )
    .bind(&receipt.subject)
    .bind(&receipt.keys)
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::while_trying("destroy the key of a subject"))?;
    let keys: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    noted(conn, &receipt.subject, keys, actor).await
}

async fn noted(
    conn: &mut PgConnection,
    subject: &str,
    keys: Vec<Uuid>,
    actor: Option<&str>,
) -> Result<Erasure, Error> {
    let mut event = Event::new(ERASED, "subjects").entity(subject).detail("keys", json!(keys));
    if let Some(actor) = actor {
        event = event.actor(actor);
    }
    let erased_at = event.occurred_at;
    let event = if keys.is_empty() { None } else { Some(record(conn, None, event).await?) };
    Ok(Erasure { subject: subject.to_owned(), keys, erased_at, event })
}

/// The action of the event that notes an erasure.
pub(crate) const ERASED: &str = "audit.erase";
