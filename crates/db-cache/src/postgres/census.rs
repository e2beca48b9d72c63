//! What takes the room of the table, by namespace.

use super::{PostgresStore, end_of};
use crate::census::MOST_NAMES;
use async_trait::async_trait;
use db_core::{Census, KeyValueError, Share};
use std::time::Duration;

/// It reads every key, and the length of every value.
const DEADLINE: Duration = Duration::from_secs(60);

/// By the first part behind the prefix, of which only so many are told apart.
const CENSUS: &str = "
WITH live AS (
    SELECT substring(key FROM $3) AS rest, (octet_length(key) + coalesce(octet_length(value), 8))::bigint AS bytes
    FROM cache_entries WHERE key >= $1 AND key < $2 AND expires_at > now()),
parted AS (SELECT rest, position('\\x3a'::bytea IN rest) AS colon, bytes FROM live),
named AS (
    SELECT CASE colon WHEN 0 THEN rest ELSE substring(rest FOR colon - 1) END AS name,
        count(*) AS entries, sum(bytes) AS bytes
    FROM parted GROUP BY 1),
placed AS (SELECT *, row_number() OVER (ORDER BY bytes DESC, name) AS place FROM named)
SELECT CASE WHEN place <= $4 THEN convert_from(name, 'UTF8') END, sum(entries)::bigint, sum(bytes)::bigint
FROM placed GROUP BY 1, least(place, $4 + 1) ORDER BY 3 DESC, 1";

/// The relation as the server counts it.
const FIGURES: &str = "
SELECT pg_size_pretty(pg_total_relation_size('cache_entries')), coalesce(live, 0), coalesce(dead, 0)
FROM (SELECT max(n_live_tup) AS live, max(n_dead_tup) AS dead FROM pg_stat_user_tables
    WHERE relid = 'cache_entries'::regclass) AS counted";

#[async_trait]
impl Census for PostgresStore {
    async fn census(
        &self,
        prefix: &str,
        counted: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Vec<Share>, KeyValueError> {
        let patient = self.clone().deadline(DEADLINE);
        // PostgreSQL counts from 1.
        let behind = i32::try_from(prefix.len()).unwrap_or(i32::MAX).saturating_add(1);
        let most = i64::try_from(MOST_NAMES).unwrap_or(i64::MAX);
        let statement =
            sqlx::query(CENSUS).bind(prefix.as_bytes()).bind(end_of(prefix)).bind(behind).bind(most);
        let rows: Vec<(Option<String>, i64, i64)> = patient.within(patient.run(statement).all()).await?;
        let share = |(name, entries, bytes): (Option<String>, i64, i64)| Share {
            name,
            entries: entries.unsigned_abs(),
            bytes: bytes.unsigned_abs(),
        };
        let shares: Vec<Share> = rows.into_iter().map(share).collect();
        counted(shares.iter().map(|share| share.entries).sum());
        Ok(shares)
    }

    async fn figures(&self) -> Result<Vec<(String, String)>, KeyValueError> {
        let (size, live, dead): (String, i64, i64) =
            self.within(self.run(sqlx::query(FIGURES)).one()).await?;
        Ok(vec![
            ("table_size".to_owned(), size),
            ("live_rows".to_owned(), live.to_string()),
            ("dead_rows".to_owned(), dead.to_string()),
        ])
    }
}
