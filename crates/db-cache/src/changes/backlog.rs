//! How much of what commits have made untrue the shared store may still have.

use crate::cache::Cache;
use sqlx::PgConnection;
use std::time::Duration;

/// Changes of all applications of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Rows that are kept for whoever was away.
    pub rows: u64,
    /// Of those, the ones that nobody has removed from the shared store yet.
    pub unapplied: u64,
    /// The age of the oldest of these.
    pub oldest_unapplied: Option<Duration>,
}

const BACKLOG: &str = "SELECT count(*), count(*) FILTER (WHERE applied_at IS NULL), \
        (extract(epoch FROM clock_timestamp() - min(made_at) FILTER (WHERE applied_at IS NULL)))::float8 \
    FROM cache_invalidations";

impl Cache {
    /// How many changes wait to be removed from the shared store.
    ///
    /// # Errors
    /// The driver's; the database must have our migrations.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn backlog(&self, conn: &mut PgConnection) -> Result<Backlog, sqlx::Error> {
        let (rows, unapplied, oldest): (i64, i64, Option<f64>) =
            sqlx::query_as(BACKLOG).fetch_one(conn).await?;
        Ok(Backlog {
            rows: rows.unsigned_abs(),
            unapplied: unapplied.unsigned_abs(),
            oldest_unapplied: oldest.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))),
        })
    }
}
