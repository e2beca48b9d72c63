//! Who did what, and how often.

use super::{Report, ReportSpan, events};
use crate::audit::Error;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

/// By what events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityBy {
    /// Who did it.
    Actor,
    /// What was done.
    Action,
    /// The day, in UTC.
    Day,
}

/// How often something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct Activity {
    /// Who; `None` where nobody is named or it was not asked for.
    pub actor: Option<String>,
    /// What; `None` where it was not asked for.
    pub action: Option<String>,
    /// On which day, in UTC; `None` where it was not asked for.
    pub day: Option<NaiveDate>,
    /// Events.
    pub events: i64,
    /// Of them, those that failed.
    pub failures: i64,
    /// Of them, those that were not allowed.
    pub denied: i64,
    /// The last of them.
    pub last: DateTime<Utc>,
}

/// Counts events by these, most first.
///
/// # Errors
/// [`Error::NotThere`], [`Error::Database`].
///
/// # Cancel safety
/// Nothing is written.
pub async fn activity(
    conn: &mut PgConnection,
    span: &ReportSpan,
    by: &[ActivityBy],
) -> Result<Report<Activity>, Error> {
    // Constants of ours.
    let sql = format!(
        "SELECT actor, action, day, count(*) AS events, count(*) FILTER (WHERE outcome = 'failure') AS failures, \
         count(*) FILTER (WHERE outcome = 'denied') AS denied, max(occurred_at) AS last FROM \
         (SELECT CASE WHEN $3 THEN actor END, CASE WHEN $4 THEN action END, \
         CASE WHEN $5 THEN (occurred_at AT TIME ZONE 'UTC')::date END, outcome, occurred_at \
         FROM ({}) AS happened) AS counted (actor, action, day, outcome, occurred_at) \
         GROUP BY actor, action, day ORDER BY day DESC, events DESC, actor, action LIMIT $6",
        events("actor, action, outcome, occurred_at")
    );
    let mut rows: Vec<Activity> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(span.from)
        .bind(span.until)
        .bind(by.contains(&ActivityBy::Actor))
        .bind(by.contains(&ActivityBy::Action))
        .bind(by.contains(&ActivityBy::Day))
        .bind(span.limit())
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("report activity"))?;
    let is_cut = span.cut(&mut rows);
    Ok(Report { rows, is_cut })
}
