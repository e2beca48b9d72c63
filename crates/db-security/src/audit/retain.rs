//! Lets old months go, and leaves of them what proofs need.

use super::{
    Error, Event, Hash,
    log::extent,
    partition::{self, Month},
    record,
    sequence::{missing, read_tiles},
    tree::{Missing, TILE, needs},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, Row as _, raw_sql};

/// What an event is about, and what it says, that notes a month that has left.
pub(crate) const RETAINED: (&str, &str) = ("audit_events", "audit.retain");

/// A month that has left the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Which month, as in `2026-01`.
    pub month: String,
    /// Its first leaf.
    pub from_leaf: u64,
    /// Its last leaf.
    pub through_leaf: u64,
    /// The root of the tree that ends with it.
    #[serde(serialize_with = "as_text")]
    pub root: Hash,
}

fn as_text<S: serde::Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hash.to_base64())
}

/// Removes the months that have ended before this, oldest first, in the caller's transaction, and notes each in the log. What is left is
/// proved as before; what has left can be shown to have been there by whoever kept it with its proofs.
///
/// While the transaction lasts nobody reads the log: it waits for that at most five seconds and lets others pass.
///
/// # Errors
/// [`Error::NotOver`] for a time to come, before which a month would leave that has not ended. [`Error::Damaged`] where a month does not begin with the first leaf that is there: verify first. [`Error::Database`], also when
/// the log is in use for too long. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn retain(conn: &mut PgConnection, from: DateTime<Utc>) -> Result<Vec<Left>, Error> {
    sqlx::query("SELECT set_config('lock_timeout', '5s', true)")
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("set how long to wait"))?;
    sqlx::query("SELECT FROM audit_tree FOR UPDATE")
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("lock the log"))?;
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&mut *conn)
        .await
        .map_err(Error::while_trying("ask what time it is"))?;
    if from > now {
        return Err(Error::NotOver { before: from, now });
    }
    let mut gone = Vec::new();
    for month in partition::months(conn).await?.into_iter().filter(|month| month.end() <= from) {
        gone.extend(let_go(conn, month).await?);
    }
    Ok(gone)
}

async fn let_go(conn: &mut PgConnection, month: Month) -> Result<Option<Left>, Error> {
    let log = extent(conn).await?;
    let name = month.partition();
    // A name of digits and a fixed word.
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT min(leaf), max(leaf), min(sequenced_at), max(sequenced_at), count(*) FROM {name}"
    )))
    .fetch_one(&mut *conn)
    .await
    .map_err(Error::while_trying("read a month of the log"))?;
    let Some((first, last)) = row.get::<Option<i64>, _>(0).zip(row.get::<Option<i64>, _>(1)) else {
        remove(conn, &name).await?;
        return Ok(None);
    };
    let damaged = || Error::Damaged {
        what: format!("{month} holds leaves {first} to {last}, and the log begins at {}", log.first_leaf),
    };
    let (from_leaf, through_leaf) =
        u64::try_from(first).ok().zip(u64::try_from(last).ok()).ok_or_else(damaged)?;
    let is_whole = u64::try_from(row.get::<i64, _>(4)) == Ok(through_leaf - from_leaf + 1);
    if from_leaf != log.first_leaf || !is_whole {
        return Err(damaged());
    }
    let size = through_leaf + 1;
    let tiles = read_tiles(conn, &needs::for_root(size)).await?;
    let root = tiles.frontier(size).map_err(|Missing(place)| missing(place))?.root();
    remove(conn, &name).await?;
    sqlx::query(
        "WITH stub AS (INSERT INTO audit_stubs (from_leaf, through_leaf, from_time, through_time, root) \
         VALUES ($1, $2, $3, $4, $5)), \
         tree AS (UPDATE audit_tree SET first_leaf = $2 + 1) \
         DELETE FROM audit_tiles WHERE level = 0 AND tile < $6",
    )
    .bind(first)
    .bind(last)
    .bind(row.get::<DateTime<Utc>, _>(2))
    .bind(row.get::<DateTime<Utc>, _>(3))
    .bind(root.as_bytes().as_slice())
    .bind(i64::try_from(size / TILE).unwrap_or(i64::MAX))
    .execute(&mut *conn)
    .await
    .map_err(Error::while_trying("leave a stub of a month"))?;
    let event = Event::new(RETAINED.1, RETAINED.0)
        .entity(month.to_string())
        .detail("from_leaf", json!(from_leaf))
        .detail("through_leaf", json!(through_leaf))
        .detail("root", json!(root.to_base64()));
    record(conn, None, event).await?;
    Ok(Some(Left { month: month.to_string(), from_leaf, through_leaf, root }))
}

async fn remove(conn: &mut PgConnection, name: &str) -> Result<(), Error> {
    raw_sql(AssertSqlSafe(format!("ALTER TABLE audit_events DETACH PARTITION {name}; DROP TABLE {name}")))
        .execute(conn)
        .await
        .map_err(Error::while_trying("remove a month of the log"))?;
    Ok(())
}
