//! Measurements of agents: one row a value, summed up by span.

use crate::{AgentId, Answer, entity, repository, run::Call};
use chrono::{DateTime, Utc};
use db_query::{Delete, Op, Select, asc, avg, col, constant, count_all, desc, func, max, min, value};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};

entity! {
    /// A row of `agent_metrics`.
    pub struct AgentMetric in "agent_metrics";
    /// A measurement to insert; many go best by [`copy_in`](crate::repository::copy_in).
    struct NewAgentMetric;

    serial {
        /// Key, counted by the database.
        id: i64,
    }
    required {
        /// Whose it is.
        agent_id: AgentId,
        /// What was measured; not empty.
        name: String,
        /// How much; finite.
        value: f64,
    }
    optional {
        /// In which unit, as in `ms`, `bytes` or `1`.
        unit: String,
    }
    default {
        /// What tells it from others of the name.
        labels: Value = json!({}),
    }
    now {
        /// When.
        recorded_at: DateTime<Utc>,
    }
}

/// Values of one metric in one span of time.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct MetricSpan {
    /// Where the span begins.
    pub begins_at: DateTime<Utc>,
    /// How many values there are.
    pub count: i64,
    /// Their mean.
    pub average: f64,
    /// The smallest.
    pub least: f64,
    /// The median.
    pub p50: f64,
    /// Ninety-five of a hundred are not larger.
    pub p95: f64,
    /// The largest.
    pub most: f64,
}

/// How long the spans of [`spans`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanLength {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

impl SpanLength {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// The latest values of a metric, latest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn latest<'c>(
    conn: &'c mut PgConnection,
    agent_id: AgentId,
    name: &str,
    limit: u32,
) -> Answer<'c, Vec<AgentMetric>> {
    repository::find(conn, |metrics| {
        metrics
            .filter(col("agent_id").eq(agent_id))
            .filter(col("name").eq(name))
            .order_by(desc("recorded_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// A metric summed up by spans from one time to before another, oldest first; a span without a value is left out.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn spans<'c>(
    conn: &'c mut PgConnection,
    agent_id: AgentId,
    name: &str,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    length: SpanLength,
) -> Answer<'c, Vec<MetricSpan>> {
    let call = Call::new::<AgentMetric>("sum up");
    let begin = || func("date_trunc", (constant(length.as_str()), col("recorded_at"), constant("UTC")));
    let statement = Select::from("agent_metrics")
        .columns((
            begin().alias("begins_at"),
            count_all().alias("count"),
            avg(col("value")).alias("average"),
            min(col("value")).alias("least"),
            db_query::percentile(value(0.5), col("value")).alias("p50"),
            db_query::percentile(value(0.95), col("value")).alias("p95"),
            max(col("value")).alias("most"),
        ))
        .filter(col("agent_id").eq(agent_id))
        .filter(col("name").eq(name))
        .filter(col("recorded_at").ge(from))
        .filter(col("recorded_at").cmp_to(Op::Lt, value(until)))
        .group_by_expr(begin())
        .order_by(asc("begins_at"))
        .build();
    Box::pin(async move { call.decode(&call.rows(conn, statement).await?) })
}

/// Forgets what was measured before a time, and returns how many values that were.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn forget_before(conn: &mut PgConnection, time: DateTime<Utc>) -> Answer<'_, u64> {
    let call = Call::new::<AgentMetric>("delete from");
    let statement = Delete::from("agent_metrics").filter(col("recorded_at").lt(time)).build();
    Box::pin(async move { call.execute(conn, statement).await })
}
