//! What there is of a log, for whoever looks after it.

use super::{
    Error,
    log::{origin, state},
    partition::Month,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, Row as _};

/// What there is of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LogStatus {
    /// What its checkpoints say which log they are of.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// The first leaf that is there; those before it have left by retention.
    pub first_leaf: u64,
    /// Events that have no place yet.
    pub waiting: u64,
    /// When the first of them happened.
    pub waiting_since: Option<DateTime<Utc>>,
    /// Of them, those with something personal that waits to be encrypted.
    pub unsealed: u64,
    /// When the last event got its place.
    pub sequenced_at: Option<DateTime<Utc>>,
    /// Leaves that the last checkpoint has signed.
    pub signed_size: Option<u64>,
    /// When it was signed.
    pub signed_at: Option<DateTime<Utc>>,
    /// Months that are there, as in `2026-01`.
    pub months: Vec<String>,
    /// Keys of subjects that open something.
    pub keys_live: u64,
    /// Keys of subjects that were erased.
    pub keys_erased: u64,
    /// Whether a master key has wrapped any of them.
    pub has_master_key: bool,
}

/// Reads it.
///
/// # Errors
/// [`Error::Damaged`], [`Error::NotThere`], [`Error::Database`].
///
/// # Cancel safety
/// Nothing is written.
pub async fn status(conn: &mut PgConnection) -> Result<LogStatus, Error> {
    let log = state(conn).await?;
    let row = sqlx::query(
        "SELECT (SELECT min(occurred_at) FROM audit_inbox), \
         (SELECT count(*) FROM audit_inbox WHERE personal_values IS NOT NULL), \
         CASE WHEN sequenced_at > '-infinity' THEN sequenced_at END, \
         (SELECT max(size) FROM audit_checkpoints), \
         (SELECT signed_at FROM audit_checkpoints ORDER BY size DESC LIMIT 1), \
         ARRAY(SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
           WHERE inhparent = 'audit_events'::regclass), \
         (SELECT count(*) FROM audit_keys WHERE wrapped IS NOT NULL), \
         (SELECT count(*) FROM audit_keys WHERE wrapped IS NULL), master_key_check IS NOT NULL FROM audit_tree",
    )
    .fetch_one(conn)
    .await
    .map_err(Error::while_trying("read what there is of the log"))?;
    let count = |at: usize| u64::try_from(row.get::<i64, _>(at)).unwrap_or(0);
    let names: Vec<String> = row.get(5);
    let mut months: Vec<Month> = names.iter().filter_map(|name| Month::of_partition(name)).collect();
    months.sort_unstable();
    Ok(LogStatus {
        origin: origin(log.log_id),
        size: log.size,
        first_leaf: log.first_leaf,
        waiting: log.waiting,
        waiting_since: row.get(0),
        unsealed: count(1),
        sequenced_at: row.get(2),
        signed_size: row.get::<Option<i64>, _>(3).and_then(|size| u64::try_from(size).ok()),
        signed_at: row.get(4),
        months: months.iter().map(ToString::to_string).collect(),
        keys_live: count(6),
        keys_erased: count(7),
        has_master_key: row.get(8),
    })
}
