//! The seam over a table of PostgreSQL, for those who have no other server to share a cache in.
//!
//! The table is that of migration 0011. Rows are locked in the order of their keys, so that writers who mean the same keys wait
//! for each other and never in a circle.

mod census;

use crate::limits::Taken;
use async_trait::async_trait;
use db_core::{BoxError, Expected, KeyValue, KeyValueError, KeyValueLimits, Put, Retry, Stored, Version};
use db_pool::Pool;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const NAME: &str = "postgres";
/// Well within what an index takes.
const KEY_BYTES: usize = 2_048;
const VALUE_BYTES: usize = 1 << 20;
const DEADLINE: Duration = Duration::from_secs(1);
/// Rows that `clear` removes at once.
const PAGE: i64 = 1_000;
/// So many rows are written between two sweeps, of which each can remove more than that.
const SWEEP_EVERY: u64 = 500;
const SWEPT: u32 = 2_000;
const LONGEST_MILLIS: i64 = 100 * 365 * 24 * 3_600 * 1_000;
const OUT_OF_RANGE: &str = "22003";

const GET: &str = "
SELECT asked.at, held.version, held.value
FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (key, at)
JOIN cache_entries AS held ON held.key = asked.key AND held.expires_at > now()";

const SET: &str = "
INSERT INTO cache_entries (key, value, version, expires_at)
SELECT key, value, version, now() + millis * interval '1 millisecond'
FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[]) AS put (key, value, version, millis)
ON CONFLICT (key) DO UPDATE
SET value = excluded.value, version = excluded.version, number = NULL, expires_at = excluded.expires_at";

const SET_IF_ABSENT: &str = "
INSERT INTO cache_entries AS held (key, value, version, expires_at)
VALUES ($1, $2, $3, now() + $4 * interval '1 millisecond')
ON CONFLICT (key) DO UPDATE
SET value = excluded.value, version = excluded.version, number = NULL, expires_at = excluded.expires_at
WHERE held.expires_at <= now()";

const SET_IF_VERSION: &str = "
UPDATE cache_entries SET value = $2, version = $3, expires_at = now() + $4 * interval '1 millisecond'
WHERE key = $1 AND version = $5 AND expires_at > now()";

const INCREMENT: &str = "
INSERT INTO cache_entries AS held (key, number, expires_at)
VALUES ($1, $2, now() + $3 * interval '1 millisecond')
ON CONFLICT (key) DO UPDATE
SET value = NULL, version = NULL,
    number = CASE WHEN held.expires_at > now() THEN held.number + excluded.number ELSE excluded.number END,
    expires_at = CASE WHEN held.expires_at > now() THEN held.expires_at ELSE excluded.expires_at END
WHERE held.number IS NOT NULL OR held.expires_at <= now()
RETURNING number";

const DELETE: &str = "
WITH meant AS MATERIALIZED (SELECT key FROM cache_entries WHERE key = ANY ($1::bytea[]) ORDER BY key FOR UPDATE),
gone AS (
    DELETE FROM cache_entries AS held USING meant WHERE held.key = meant.key
    RETURNING held.expires_at > now() AS live)
SELECT count(*) FROM gone WHERE live";

/// Answers with how many were live, and with the last key when there may be more.
const CLEAR: &str = "
WITH meant AS MATERIALIZED (
    SELECT key FROM cache_entries WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3 FOR UPDATE),
gone AS (
    DELETE FROM cache_entries AS held USING meant WHERE held.key = meant.key
    RETURNING held.expires_at > now() AS live)
SELECT (SELECT count(*) FROM gone WHERE live), (SELECT key FROM meant ORDER BY key OFFSET $3 - 1)";

/// What others hold on to is left for the next time.
const SWEEP: &str = "
WITH meant AS MATERIALIZED (
    SELECT key FROM cache_entries WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
DELETE FROM cache_entries AS held USING meant WHERE held.key = meant.key AND held.expires_at <= now()";

/// A [`KeyValue`] in an unlogged table of PostgreSQL, over a pool.
///
/// Every call is one statement, `clear` one for each thousand keys, within a deadline of a second unless another is chosen. Rows that
/// have expired count as absent; a task in the background removes some of them after every 500 rows that are written. The
/// pool must lead to a server that takes writes: an unlogged table is not on replicas.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: Pool,
    limits: KeyValueLimits,
    deadline: Duration,
    sweeping: Arc<Sweeping>,
}

#[derive(Debug, Default)]
struct Sweeping {
    rows_written: AtomicU64,
    under_way: AtomicBool,
}

impl PostgresStore {
    /// Keeps entries in this pool's database, which has our migrations. Takes keys up to 2 KiB, and values up to 1 MiB.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        let limits = KeyValueLimits { key_bytes: KEY_BYTES, value_bytes: VALUE_BYTES };
        Self { pool, limits, deadline: DEADLINE, sweeping: Arc::default() }
    }

    /// The longest value that it takes.
    #[must_use]
    pub fn value_bytes(mut self, most: usize) -> Self {
        self.limits.value_bytes = most;
        self
    }

    /// How long one statement may take, the wait for a connection included.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Removes so many rows at most that have expired; tells how many. Writes call it often enough, in the background.
    ///
    /// # Errors
    /// [`KeyValueError::Unavailable`] or [`KeyValueError::Refused`].
    pub async fn sweep(&self, limit: u32) -> Result<u64, KeyValueError> {
        let statement = sqlx::query(SWEEP).bind(i64::from(limit));
        self.within(self.run(statement).none()).await
    }

    fn taken(&self) -> Taken<'_> {
        Taken { store: NAME, limits: self.limits }
    }

    #[track_caller]
    fn run<'q>(&self, statement: impl sqlx::Execute<'q, sqlx::Postgres>) -> db_pool::Run<'_> {
        // The pool is told too, so that it turns a caller away at once whose turn would come too late.
        self.pool.run(statement).acquire_timeout(self.deadline).timeout(self.deadline)
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, db_pool::Error>> + Send,
    ) -> Result<T, KeyValueError> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => answer.map_err(error_of),
            Err(elapsed) => Err(unavailable(elapsed)),
        }
    }

    /// Counts rows that were written, and begins a sweep when it is time for one and none is under way.
    fn wrote(&self, rows: u64) {
        let before = self.sweeping.rows_written.fetch_add(rows, Relaxed);
        let due = before / SWEEP_EVERY != before.wrapping_add(rows) / SWEEP_EVERY;
        if due && !self.sweeping.under_way.swap(true, Relaxed) {
            let sweep = Sweep { store: self.clone() };
            tokio::spawn(async move {
                // Nothing depends on it, and the next one comes.
                if let Err(error) = sweep.store.sweep(SWEPT).await {
                    tracing::debug!(
                        error = db_core::with_causes(&error),
                        "expired cache entries stay for now"
                    );
                }
            });
        }
    }
}

/// A sweep in the background, of which there is one at a time; however it ends, another may begin.
struct Sweep {
    store: PostgresStore,
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.store.sweeping.under_way.store(false, Relaxed);
    }
}

#[async_trait]
impl KeyValue for PostgresStore {
    fn name(&self) -> &str {
        NAME
    }

    fn limits(&self) -> KeyValueLimits {
        self.limits
    }

    async fn get_multi(&self, keys: &[&str]) -> Result<Vec<Option<Stored>>, KeyValueError> {
        self.taken().keys(keys)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let bytes: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        let rows: Vec<(i64, Option<i64>, Option<Vec<u8>>)> =
            self.within(self.run(sqlx::query(GET).bind(bytes)).all()).await?;
        let mut found = vec![None; keys.len()];
        for (at, version, value) in rows {
            // PostgreSQL counts from 1.
            let Some(at) = usize::try_from(at).ok().and_then(|at| at.checked_sub(1)) else { continue };
            let (Some(version), Some(value)) = (version, value) else {
                return Err(KeyValueError::WrongKind { key: keys[at].to_owned(), found: "number" });
            };
            found[at] = Some(Stored { version: Version(version.cast_unsigned()), value });
        }
        Ok(found)
    }

    async fn set_multi(&self, puts: &[Put<'_>]) -> Result<(), KeyValueError> {
        self.taken().puts(puts)?;
        if puts.is_empty() {
            return Ok(());
        }
        // Each key once, with what was put last, and in order.
        let rows: BTreeMap<&[u8], &Put<'_>> = puts.iter().map(|put| (put.key.as_bytes(), put)).collect();
        let keys: Vec<&[u8]> = rows.keys().copied().collect();
        let values: Vec<&[u8]> = rows.values().map(|put| put.value).collect();
        let versions: Vec<i64> = rows.values().map(|put| put.version.0.cast_signed()).collect();
        let times: Vec<i64> = rows.values().map(|put| millis(put.ttl)).collect();
        let statement = sqlx::query(SET).bind(keys).bind(values).bind(versions).bind(times);
        let written = self.within(self.run(statement).none()).await?;
        self.wrote(written);
        Ok(())
    }

    async fn delete_multi(&self, keys: &[&str]) -> Result<u64, KeyValueError> {
        self.taken().keys(keys)?;
        if keys.is_empty() {
            return Ok(0);
        }
        let bytes: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        let gone: i64 = self.within(self.run(sqlx::query(DELETE).bind(bytes)).scalar()).await?;
        Ok(gone.unsigned_abs())
    }

    async fn set_if(&self, expected: Expected, put: Put<'_>) -> Result<bool, KeyValueError> {
        self.taken().put(&put)?;
        let sql = match expected {
            Expected::Absent => SET_IF_ABSENT,
            Expected::Version(_) => SET_IF_VERSION,
        };
        let statement = sqlx::query(sql)
            .bind(put.key.as_bytes())
            .bind(put.value)
            .bind(put.version.0.cast_signed())
            .bind(millis(put.ttl));
        let statement = match expected {
            Expected::Absent => statement,
            Expected::Version(version) => statement.bind(version.0.cast_signed()),
        };
        let written = self.within(self.run(statement).none()).await?;
        self.wrote(written);
        Ok(written > 0)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, KeyValueError> {
        self.taken().key(key)?;
        let statement = sqlx::query(INCREMENT).bind(key.as_bytes()).bind(by).bind(millis(ttl));
        let call = async {
            match self.run(statement).optional::<(i64,)>().await {
                Err(error) if sqlstate(&error) == Some(OUT_OF_RANGE) => {
                    Ok(Err(KeyValueError::Overflow { key: key.to_owned() }))
                }
                Ok(None) => Ok(Err(KeyValueError::WrongKind { key: key.to_owned(), found: "value" })),
                Ok(Some((sum,))) => Ok(Ok(sum)),
                Err(error) => Err(error),
            }
        };
        let sum = self.within(call).await??;
        self.wrote(1);
        Ok(sum)
    }

    async fn clear(&self, prefix: &str) -> Result<u64, KeyValueError> {
        let (mut from, end) = (prefix.as_bytes().to_vec(), end_of(prefix));
        let mut removed = 0;
        loop {
            let statement = sqlx::query(CLEAR).bind(&from).bind(&end).bind(PAGE);
            let (live, last): (i64, Option<Vec<u8>>) = self.within(self.run(statement).one()).await?;
            removed += live.unsigned_abs();
            let Some(last) = last else { return Ok(removed) };
            // The first of all that come after it.
            from = last;
            from.push(0);
        }
    }
}

/// Every key that begins so is before it. No byte of UTF-8 is the highest one, so there always is one more.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(u8::MAX),
    }
    end
}

fn millis(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(LONGEST_MILLIS).clamp(1, LONGEST_MILLIS)
}

fn sqlstate(error: &db_pool::Error) -> Option<&str> {
    match error {
        db_pool::Error::Statement { sqlstate, .. } => sqlstate.as_deref(),
        _ => None,
    }
}

fn error_of(error: db_pool::Error) -> KeyValueError {
    match &error {
        // Another connection may have better luck: a server that goes, or a line that broke.
        db_pool::Error::Statement { retry: Retry::Reconnect, .. } => unavailable(error),
        db_pool::Error::Statement { source, .. } => {
            KeyValueError::Refused { store: NAME.to_owned(), reason: source.to_string() }
        }
        // No connection was to be had, or no answer in time.
        _ => unavailable(error),
    }
}

fn unavailable(source: impl Into<BoxError>) -> KeyValueError {
    KeyValueError::Unavailable { store: NAME.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_MILLIS, end_of, millis};
    use proptest::{prop_assert_eq, proptest};
    use std::time::Duration;

    proptest! {
        #[test]
        fn a_prefix_is_a_range(prefix: String, key: String, rest: String) {
            let is_in = |key: &str| key.as_bytes() >= prefix.as_bytes() && key.as_bytes() < &end_of(&prefix)[..];
            prop_assert_eq!(is_in(&key), key.starts_with(&prefix));
            let key = format!("{prefix}{rest}");
            prop_assert_eq!(is_in(&key), true);
        }
    }

    #[test]
    fn times_are_whole_milliseconds_from_one_on() {
        let times = [Duration::ZERO, Duration::from_micros(2_999), Duration::MAX];
        assert_eq!(times.map(millis), [1, 2, LONGEST_MILLIS]);
    }
}
