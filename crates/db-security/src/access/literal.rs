//! Values as text of a policy: the one place that writes them. Each is in quotes and has its type written after it, so that
//! what it says never depends on the session that reads it.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

/// A value of a rule's condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Uuid(Uuid),
    Time(DateTime<Utc>),
}

impl Literal {
    /// The name of its type.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "pg_catalog.bool",
            Self::Integer(_) => "pg_catalog.int8",
            Self::Float(_) => "pg_catalog.float8",
            Self::Text(_) => "pg_catalog.text",
            Self::Uuid(_) => "pg_catalog.uuid",
            Self::Time(_) => "pg_catalog.timestamptz",
        }
    }

    /// The value with its type.
    pub(crate) fn sql(&self) -> String {
        let text = match self {
            Self::Bool(value) => quoted(if *value { "true" } else { "false" }),
            Self::Integer(value) => quoted(&value.to_string()),
            // Debug's form reads back as the same number.
            Self::Float(value) => quoted(&format!("{value:?}")),
            Self::Text(value) => quoted(value),
            Self::Uuid(value) => quoted(&value.to_string()),
            Self::Time(value) => quoted(&time(*value)),
        };
        format!("{text}::{}", self.type_name())
    }
}

/// A time to the microsecond, which is what PostgreSQL keeps.
fn time(value: DateTime<Utc>) -> String {
    value.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A text in quotes. It must hold no NUL: readers of values refuse one ([`is_text`]).
///
/// With a backslash the E form means the same whatever `standard_conforming_strings` says, and a quote is doubled in both.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3);
    out.push_str(if text.contains('\\') { "E'" } else { "'" });
    for char in text.chars() {
        if matches!(char, '\'' | '\\') {
            out.push(char);
        }
        // The server would end the text of a statement there; nothing is better than half of it.
        if char != '\0' {
            out.push(char);
        }
    }
    out.push('\'');
    out
}

/// Whether PostgreSQL can have the text.
pub(crate) fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

/// Whether PostgreSQL keeps the time as it is: years 1 to 9999, and no finer than microseconds.
pub(crate) fn is_time(time: DateTime<Utc>) -> bool {
    use chrono::{Datelike, Timelike};
    (1..=9999).contains(&time.year()) && time.nanosecond().is_multiple_of(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_end_nothing() {
        for (text, expected) in [
            ("plain", "'plain'"),
            ("it's", "'it''s'"),
            (r"a\b", r"E'a\\b'"),
            (r"\'; DROP TABLE t --", r"E'\\''; DROP TABLE t --'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(Literal::Integer(-5).sql(), "'-5'::pg_catalog.int8");
        assert_eq!(Literal::Float(1e300).sql(), "'1e300'::pg_catalog.float8");
    }
}
