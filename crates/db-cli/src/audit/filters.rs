//! What events are looked for by, on the command line.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use db_security::audit::{Outcome, Search, SearchOrder};

/// All of them must hold.
#[derive(Args, Clone, Debug)]
pub(crate) struct FilterArgs {
    /// Who did it
    #[arg(long)]
    actor: Option<String>,
    /// What was done; a star at the end stands for any rest, as in 'task.*'
    #[arg(long)]
    action: Option<String>,
    /// To which kind of thing
    #[arg(long, value_name = "KIND")]
    entity: Option<String>,
    /// To which one of them
    #[arg(long)]
    id: Option<String>,
    /// How it ended: success, failure or denied
    #[arg(long)]
    outcome: Option<Outcome>,
    /// What it was a part of
    #[arg(long)]
    request: Option<String>,
    /// Whom it is about
    #[arg(long)]
    subject: Option<String>,
    /// From this time on: 2026-05-01, 2026-05-01T08:00:00Z, or so long ago, as in 7d
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<DateTime<Utc>>,
    /// Before this time, likewise
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<DateTime<Utc>>,
    /// What is in actor, action, id or the JSON of values and details, in whatever case
    #[arg(long)]
    text: Option<String>,
    /// What is at a path in the JSON of values and details (jsonpath), as in '$.plan ? (@ == "team")'
    #[arg(long, value_name = "JSONPATH")]
    path: Option<String>,
    /// The earliest first
    #[arg(long)]
    oldest_first: bool,
}

/// One more condition.
type Add = fn(Search, String) -> Search;

impl FilterArgs {
    pub(crate) fn search(&self) -> Search {
        let given = self.clone();
        let mut search = Search::new();
        let texts: [(Option<String>, Add); 8] = [
            (given.actor, Search::actor),
            (given.action, Search::action),
            (given.entity, Search::entity_type),
            (given.id, Search::entity_id),
            (given.request, Search::request),
            (given.subject, Search::subject),
            (given.text, Search::text),
            (given.path, Search::json_path),
        ];
        for (text, add) in texts {
            if let Some(text) = text {
                search = add(search, text);
            }
        }
        if let Some(outcome) = given.outcome {
            search = search.outcome(outcome);
        }
        if let Some(from) = given.from {
            search = search.from(from);
        }
        if let Some(until) = given.until {
            search = search.until(until);
        }
        if given.oldest_first { search.order(SearchOrder::OldestFirst) } else { search }
    }
}

/// A time, a day, or so long ago.
pub(crate) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    parsed(text, Utc::now()).ok_or_else(|| {
        "write 2026-05-01, 2026-05-01T08:00:00Z, or how long ago with a unit, as in 7d or 12h".to_owned()
    })
}

fn parsed(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
    let ago = match unit {
        "m" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        _ => None,
    };
    now.checked_sub_signed(ago?)
}

/// The first moment of a month.
pub(crate) fn month(text: &str) -> Result<DateTime<Utc>, String> {
    let day = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d");
    day.map(|day| day.and_time(NaiveTime::MIN).and_utc())
        .map_err(|_| "write a month, as in 2026-01".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{month, parsed};
    use chrono::DateTime;

    #[test]
    fn times_are_written_in_three_ways() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).expect("a time").to_utc();
        let now = at("2026-05-08T12:00:00Z");
        for (text, expected) in [
            ("2026-05-01", Some("2026-05-01T00:00:00Z")),
            ("2026-05-01T08:00:00+02:00", Some("2026-05-01T06:00:00Z")),
            ("7d", Some("2026-05-01T12:00:00Z")),
            ("12h", Some("2026-05-08T00:00:00Z")),
            ("30m", Some("2026-05-08T11:30:00Z")),
            ("", None),
            ("7", None),
            ("-7d", None),
            ("99999999999999999d", None),
            ("2026-13-01", None),
            ("é", None),
        ] {
            assert_eq!(parsed(text, now), expected.map(at), "{text}");
        }
        assert_eq!(month("2026-01").ok(), Some(at("2026-01-01T00:00:00Z")));
        assert!(month("2026-1-1").is_err() && month("2026").is_err());
    }
}
