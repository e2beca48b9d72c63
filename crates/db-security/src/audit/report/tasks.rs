//! How long tasks took.

use super::{ReportSpan, events};
use crate::audit::Error;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

/// Ends of tasks that a report looks at, the latest first.
const MAX_ENDS: i64 = 100_000;

/// What an end may say that it took: three hundred centuries. More is not known to be a duration.
const MAX_SECONDS: i64 = 1_000_000_000_000;

/// How long tasks of one kind took that have ended in a span of time. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct TaskDurations {
    /// What kind of thing the tasks are, mostly `tasks`.
    pub entity_type: String,
    /// Those that were completed.
    pub completed: i64,
    /// Those that failed.
    pub failed: i64,
    /// Those whose duration is not known: nobody noted how they began, nor how long they took.
    pub untimed: i64,
    /// Half took no longer; `None` where no duration is known, as for the others.
    pub p50: Option<f64>,
    /// 95 in 100 took no longer.
    pub p95: Option<f64>,
    /// 99 in 100 took no longer.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// All of them together.
    pub total: Option<f64>,
}

/// A task that took long.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
#[non_exhaustive]
pub struct SlowTask {
    /// What kind of thing.
    pub entity_type: String,
    /// Which task.
    pub entity_id: String,
    /// Who ended it.
    pub actor: Option<String>,
    /// Whether it was completed; it failed otherwise.
    pub is_completed: bool,
    /// When it began, where that was noted.
    pub began: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How long it took.
    pub seconds: f64,
}

/// How long tasks took.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskReport {
    /// By kind of task.
    pub kinds: Vec<TaskDurations>,
    /// Those that took longest.
    pub slowest: Vec<SlowTask>,
    /// Whether more tasks ended in the span than are looked at, 100,000: the earliest are left out.
    pub is_cut: bool,
}

/// The ends of tasks with how long each took: since the event of the same task just before it, where that is its start, or else what the
/// end itself says.
fn timed() -> String {
    const BEFORE: &str = "before.entity_type = ended.entity_type AND before.entity_id = ended.entity_id \
        AND before.action IN ('task.start', 'task.complete', 'task.fail') \
        AND (before.occurred_at, before.id) < (ended.occurred_at, ended.id)";
    format!(
        "WITH ended AS MATERIALIZED (SELECT * FROM ({events}) AS happened \
           WHERE action IN ('task.complete', 'task.fail') AND entity_id IS NOT NULL \
           ORDER BY occurred_at DESC, id DESC LIMIT $3), \
         timed AS (SELECT ended.entity_type, ended.entity_id, ended.actor, ended.action = 'task.complete' AS is_completed, \
           began.occurred_at AS began, ended.occurred_at AS ended, CASE \
             WHEN began.occurred_at IS NOT NULL THEN extract(epoch FROM ended.occurred_at - began.occurred_at)::float8 \
             WHEN jsonb_typeof(ended.details -> 'seconds') = 'number' THEN \
               CASE WHEN (ended.details -> 'seconds')::numeric BETWEEN 0 AND {MAX_SECONDS} \
                 THEN (ended.details -> 'seconds')::float8 END \
           END AS seconds \
         FROM ended LEFT JOIN LATERAL ( \
           SELECT CASE WHEN action = 'task.start' THEN occurred_at END AS occurred_at FROM ( \
             (SELECT action, occurred_at, id FROM audit_events AS before WHERE {BEFORE} \
              ORDER BY occurred_at DESC, id DESC LIMIT 1) \
             UNION ALL \
             (SELECT action, occurred_at, id FROM audit_inbox AS before WHERE {BEFORE} AND refused IS NULL \
              AND occurred_at > '0001-01-01 00:00:00+00' \
              ORDER BY occurred_at DESC, id DESC LIMIT 1)) AS one ORDER BY occurred_at DESC, id DESC LIMIT 1 \
         ) AS began ON true)",
        events = events("id, actor, action, entity_type, entity_id, occurred_at, details"),
    )
}

/// Reports how long tasks took that have ended in a span, by their kind, and the slowest of them: as many as the span says rows.
///
/// Tasks are told by `task.start`, `task.complete` and `task.fail` of one thing ([`Event::task_start`](crate::audit::Event::task_start)
/// and its neighbours).
///
/// # Errors
/// [`Error::NotThere`], [`Error::Database`].
///
/// # Cancel safety
/// Nothing is written.
pub async fn tasks(conn: &mut PgConnection, span: &ReportSpan) -> Result<TaskReport, Error> {
    // Constants of ours.
    let kinds = format!(
        "{} SELECT entity_type, count(*) FILTER (WHERE is_completed) AS completed, \
         count(*) FILTER (WHERE NOT is_completed) AS failed, count(*) FILTER (WHERE seconds IS NULL) AS untimed, \
         percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50, \
         percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95, \
         percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS p99, max(seconds) AS max, sum(seconds) AS total \
         FROM timed GROUP BY entity_type ORDER BY count(*) DESC, entity_type LIMIT $4",
        timed()
    );
    let mut kinds: Vec<TaskDurations> = ask(conn, span, kinds, span.limit()).await?;
    let slowest = format!(
        "{} SELECT * FROM timed WHERE seconds IS NOT NULL ORDER BY seconds DESC, ended DESC, entity_id LIMIT $4",
        timed()
    );
    let slowest: Vec<SlowTask> = ask(conn, span, slowest, i64::from(span.rows)).await?;
    let ended: i64 = kinds.iter().map(|kind| kind.completed + kind.failed).sum();
    let is_cut = span.cut(&mut kinds) || ended >= MAX_ENDS;
    Ok(TaskReport { is_cut, kinds, slowest })
}

async fn ask<T>(conn: &mut PgConnection, span: &ReportSpan, sql: String, rows: i64) -> Result<Vec<T>, Error>
where
    T: for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    sqlx::query_as(AssertSqlSafe(sql))
        .bind(span.from)
        .bind(span.until)
        .bind(MAX_ENDS)
        .bind(rows)
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("report how long tasks took"))
}
