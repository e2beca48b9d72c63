//! Months of the log: each is a partition, made a month before the first event of it is moved there.

use super::Error;
use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, raw_sql};
use std::fmt;

/// A month, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month(NaiveDate);

impl Month {
    pub(crate) fn of(at: DateTime<Utc>) -> Self {
        Self(at.date_naive().with_day(1).unwrap_or(at.date_naive()))
    }

    pub(crate) fn start(self) -> DateTime<Utc> {
        self.0.and_time(NaiveTime::MIN).and_utc()
    }

    /// The one after it, but where time ends.
    fn next(self) -> Option<Self> {
        self.0.checked_add_months(Months::new(1)).map(Self)
    }

    /// The first moment that is not in it.
    pub(crate) fn end(self) -> DateTime<Utc> {
        self.next().map_or(DateTime::<Utc>::MAX_UTC, Self::start)
    }

    /// The partition's name: digits and a fixed word, so it needs no quotes.
    pub(crate) fn partition(self) -> String {
        format!("audit_events_{:04}_{:02}", self.0.year(), self.0.month())
    }

    /// The month of a partition.
    pub(crate) fn of_partition(name: &str) -> Option<Self> {
        let (year, month) = name.strip_prefix("audit_events_")?.split_once('_')?;
        NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1).map(Self)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// Makes the partitions of a month and of the next where there are none. Whoever reads the log may have looked for its partitions a moment
/// before its statement's snapshot: one that is filled as soon as it is there would hide events that have just left the inbox. Only whoever
/// holds the log's row calls it.
pub(crate) async fn ensure(conn: &mut PgConnection, month: Month) -> Result<(), Error> {
    let there = months(conn).await?;
    for month in [Some(month), month.next()].into_iter().flatten() {
        if !there.contains(&month) {
            make(conn, month).await?;
        }
    }
    Ok(())
}

/// Months that have a partition, oldest first.
pub(crate) async fn months(conn: &mut PgConnection) -> Result<Vec<Month>, Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
         WHERE inhparent = 'audit_events'::regclass",
    )
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("read the partitions of the log"))?;
    let mut months: Vec<Month> = names.iter().filter_map(|name| Month::of_partition(name)).collect();
    months.sort_unstable();
    Ok(months)
}

/// Beside the table and then attached, so that readers do not wait.
async fn make(conn: &mut PgConnection, month: Month) -> Result<(), Error> {
    let name = month.partition();
    let (start, end) = (month.start().to_rfc3339(), month.end().to_rfc3339());
    // Nothing but names and times of our own making. The check spares the server a scan as it attaches.
    let making = format!(
        "CREATE TABLE {name} (LIKE audit_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS, \
         CONSTRAINT {name}_month CHECK (sequenced_at >= '{start}' AND sequenced_at < '{end}')); \
         ALTER TABLE audit_events ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}'); \
         ALTER TABLE {name} DROP CONSTRAINT {name}_month; \
         CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON {name} \
         FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
    );
    raw_sql(AssertSqlSafe(making))
        .execute(conn)
        .await
        .map_err(Error::while_trying("make a partition of the log"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Month;
    use chrono::DateTime;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).expect("a time").to_utc();
        let december = Month::of(at("2026-12-31T23:59:59.999999Z"));
        assert_eq!(december.partition(), "audit_events_2026_12");
        assert_eq!(december.end(), at("2027-01-01T00:00:00Z"));
        assert_eq!(Month::of(december.end()).to_string(), "2027-01");
        assert_eq!(Month::of_partition("audit_events_2026_12"), Some(december));
        assert_eq!(Month::of_partition("audit_events_pkey"), None);
    }
}
