//! What was done, how long it took and what was refused, counted over a span of time.

mod activity;
mod denied;
mod tasks;

pub use activity::{Activity, ActivityBy, activity};
pub use denied::{Denied, denied};
pub use tasks::{SlowTask, TaskDurations, TaskReport, tasks};

use super::{Error, Found};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// Which span of time a report is about, and how many rows it may have. What a report reads is what happened in the span, by the index
/// over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReportSpan {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    #[serde(skip)]
    rows: u32,
}

/// What a report covers at most.
const MAX_DAYS: i64 = 400;
/// Rows of a report at most.
const MAX_ROWS: u32 = 10_000;

impl ReportSpan {
    /// From this time to before that one, with so many rows at most.
    ///
    /// # Errors
    /// [`Error::Search`] for a span that is empty or longer than 400 days, and for no rows or more than 10,000.
    pub fn new(from: DateTime<Utc>, until: DateTime<Utc>, rows: u32) -> Result<Self, Error> {
        let refused = |field, reason| Err(Error::Search { field, reason });
        if from >= until {
            return refused("until", "it is not after `from`, so nothing can be found");
        }
        if until - from > TimeDelta::days(MAX_DAYS) {
            return refused("from", "a report covers 400 days at most");
        }
        if rows == 0 || rows > MAX_ROWS {
            return refused("rows", "they are 1 to 10,000");
        }
        Ok(Self { from, until, rows })
    }

    /// The limit of a statement: one more row tells whether there are more.
    fn limit(&self) -> i64 {
        i64::from(self.rows) + 1
    }

    /// Cuts off what is beyond the limit. Whether something was.
    fn cut<T>(&self, rows: &mut Vec<T>) -> bool {
        let limit = usize::try_from(self.rows).unwrap_or(usize::MAX);
        let is_cut = rows.len() > limit;
        rows.truncate(limit);
        is_cut
    }
}

/// Rows of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report<T> {
    /// The rows, most first.
    pub rows: Vec<T>,
    /// Whether there are more than were asked for.
    pub is_cut: bool,
}

/// Events between `$1` and `$2`, each once: with these columns of the log, and with those of the inbox.
fn events(columns: &str) -> String {
    format!(
        "SELECT {columns} FROM audit_events WHERE occurred_at >= $1 AND occurred_at < $2 UNION ALL \
         SELECT {columns} FROM audit_inbox WHERE occurred_at >= $1 AND occurred_at < $2 AND {}",
        Found::NOT_REPEATED
    )
}
