//! What was refused, and what failed.

use super::{Report, ReportSpan, events};
use crate::audit::Error;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

/// How often somebody was refused something, or failed at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct Denied {
    /// Who; `None` where nobody is named.
    pub actor: Option<String>,
    /// What was tried.
    pub action: String,
    /// On which kind of thing.
    pub entity_type: String,
    /// On which one.
    pub entity_id: Option<String>,
    /// Times that it was not allowed.
    pub denied: i64,
    /// Times that it failed.
    pub failures: i64,
    /// The first time.
    pub first: DateTime<Utc>,
    /// The last time.
    pub last: DateTime<Utc>,
}

/// Counts what was not allowed and what failed, by who tried what on which thing, most first.
///
/// # Errors
/// [`Error::NotThere`], [`Error::Database`].
///
/// # Cancel safety
/// Nothing is written.
pub async fn denied(conn: &mut PgConnection, span: &ReportSpan) -> Result<Report<Denied>, Error> {
    // Constants of ours.
    let sql = format!(
        "SELECT actor, action, entity_type, entity_id, count(*) FILTER (WHERE outcome = 'denied') AS denied, \
         count(*) FILTER (WHERE outcome = 'failure') AS failures, min(occurred_at) AS first, max(occurred_at) AS last \
         FROM ({}) AS happened WHERE outcome <> 'success' GROUP BY actor, action, entity_type, entity_id \
         ORDER BY count(*) DESC, last DESC, actor, action, entity_type, entity_id LIMIT $3",
        events("actor, action, entity_type, entity_id, outcome, occurred_at")
    );
    let mut rows: Vec<Denied> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(span.from)
        .bind(span.until)
        .bind(span.limit())
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("report what was refused"))?;
    let is_cut = span.cut(&mut rows);
    Ok(Report { rows, is_cut })
}
