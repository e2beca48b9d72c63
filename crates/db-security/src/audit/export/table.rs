//! Events as a table for people, in CSV (RFC 4180).

use crate::audit::{Error, Found, Personal};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::value::RawValue;
use std::borrow::Cow;

const NAMES: [&str; 19] = [
    "leaf",
    "sequenced_at",
    "id",
    "occurred_at",
    "actor",
    "request",
    "action",
    "entity_type",
    "entity_id",
    "outcome",
    "database_user",
    "old_values",
    "new_values",
    "details",
    "subject",
    "subject_key",
    "personal",
    "personal_values",
    "leaf_hash",
];

pub(super) fn head() -> Result<Vec<u8>, Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(NAMES).map_err(failed)?;
    table.into_inner().map_err(|error| Error::Write { source: error.into_error() })
}

pub(super) fn rows(events: &[Found]) -> Result<Vec<u8>, Error> {
    let mut table = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for event in events {
        table.write_record(cells(event)).map_err(failed)?;
    }
    table.into_inner().map_err(|error| Error::Write { source: error.into_error() })
}

fn cells(event: &Found) -> [String; 19] {
    let text = |text: Option<&String>| text.map_or_else(String::new, |text| guarded(text).into_owned());
    let json =
        |json: Option<&RawValue>| json.map_or_else(String::new, |json| guarded(json.get()).into_owned());
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let (state, values) = match &event.personal {
        None => ("", None),
        Some(Personal::Sealed) => ("sealed", None),
        Some(Personal::Open { values, .. }) => ("open", Some(&**values)),
        Some(Personal::Erased) => ("erased", None),
        Some(Personal::NoKey) => ("no_key", None),
        Some(Personal::Altered) => ("altered", None),
    };
    [
        event.leaf.map_or_else(String::new, |leaf| leaf.to_string()),
        event.sequenced_at.map_or_else(String::new, time),
        event.id.to_string(),
        time(event.occurred_at),
        text(event.actor.as_ref()),
        text(event.request.as_ref()),
        guarded(&event.action).into_owned(),
        guarded(&event.entity_type).into_owned(),
        text(event.entity_id.as_ref()),
        event.outcome.to_string(),
        guarded(&event.database_user).into_owned(),
        json(event.old_values.as_deref()),
        json(event.new_values.as_deref()),
        json(event.details.as_deref()),
        text(event.subject.as_ref()),
        event.subject_key.map_or_else(String::new, |key| key.to_string()),
        state.to_owned(),
        json(values),
        event.leaf_hash().map_or_else(String::new, |hash| hash.to_string()),
    ]
}

/// Spreadsheets run a cell that begins so (CWE-1236); one that begins with an apostrophe is text.
fn guarded(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn failed(error: csv::Error) -> Error {
    Error::Write { source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("'x", "''x"),
            ("ann", "ann"),
            ("", ""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(guarded(text), expected);
        }
    }
}
