//! What there is of a log, for whoever looks after it.

use super::{
    Error,
    log::{COUNTED, origin, state},
    partition::Month,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, Row as _};

/// Keys of each kind are counted up to here.
const KEYS_COUNTED: i64 = 100_000;

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
    /// Events that have no place yet; 10,001 where there are more than 10,000.
    pub waiting: u64,
    /// When the first of them happened, of those whose transactions began to write first.
    pub waiting_since: Option<DateTime<Utc>>,
    /// Of them, those with something personal that waits to be encrypted.
    pub unsealed: u64,
    /// Of them, those that were put aside, as they cannot be moved.
    pub refused: u64,
    /// Why one of them was: the SQLSTATE that moving it ended in, or which key was altered.
    pub refused_for: Option<String>,
    /// When the last event got its place.
    pub sequenced_at: Option<DateTime<Utc>>,
    /// Leaves that the last checkpoint has signed.
    pub signed_size: Option<u64>,
    /// When it was signed.
    pub signed_at: Option<DateTime<Utc>>,
    /// Months that are there, as in `2026-01`.
    pub months: Vec<String>,
    /// Keys of subjects that open something; 100,001 where there are more than 100,000.
    pub keys_live: u64,
    /// Keys of subjects that were erased; likewise.
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
        "SELECT (SELECT least(greatest(occurred_at, '0001-01-01 00:00:00+00'), '9999-12-31 00:00:00+00') \
           FROM audit_inbox ORDER BY txid LIMIT 1), \
         (SELECT count(*) FILTER (WHERE is_personal) FROM \
           (SELECT personal_values IS NOT NULL AS is_personal FROM audit_inbox LIMIT $1) AS counted), \
         CASE WHEN sequenced_at > '-infinity' THEN sequenced_at END, \
         (SELECT max(size) FROM audit_checkpoints), \
         (SELECT signed_at FROM audit_checkpoints ORDER BY size DESC LIMIT 1), \
         ARRAY(SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
           WHERE inhparent = 'audit_events'::regclass), \
         (SELECT count(*) FROM (SELECT FROM audit_keys WHERE wrapped IS NOT NULL LIMIT $2) AS live), \
         (SELECT count(*) FROM (SELECT FROM audit_keys WHERE wrapped IS NULL LIMIT $2) AS erased), \
         master_key_check IS NOT NULL, \
         (SELECT min(refused) FROM (SELECT refused FROM audit_inbox LIMIT $1) AS counted) FROM audit_tree",
    )
    .bind(COUNTED + 1)
    .bind(KEYS_COUNTED + 1)
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
        refused: log.refused,
        refused_for: row.get(9),
        sequenced_at: row.get(2),
        signed_size: row.get::<Option<i64>, _>(3).and_then(|size| u64::try_from(size).ok()),
        signed_at: row.get(4),
        months: months.iter().map(ToString::to_string).collect(),
        keys_live: count(6),
        keys_erased: count(7),
        has_master_key: row.get(8),
    })
}
