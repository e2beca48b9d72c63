//! What holds and why: every value with its source, and what two configurations do not share.

use crate::merge::Settings;
use crate::schema::keys;
use std::fmt;

/// Every key with its value and source. Its `Display` is a table in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Explanation {
    /// In the order of the reference.
    pub rows: Vec<ExplainRow>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExplainRow {
    /// Canonical name.
    pub key: &'static str,
    /// The value for a reader, `***` for a secret; `None` when there is none.
    pub value: Option<String>,
    /// Where it came from; `None` when there is no value.
    pub source: Option<String>,
    /// What it means.
    pub doc: &'static str,
}

/// A key whose values differ between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Change {
    /// Canonical name.
    pub key: &'static str,
    /// The value in the first, masked where it is secret; `None` when there is none.
    pub before: Option<String>,
    /// The value in the second.
    pub after: Option<String>,
    /// Where the first came from.
    pub before_source: Option<String>,
    /// Where the second came from.
    pub after_source: Option<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |row: &ExplainRow| row.value.clone().unwrap_or_else(|| "-".to_owned());
        let width = |cell: fn(&ExplainRow) -> usize| self.rows.iter().map(cell).max().unwrap_or(0);
        let keys = width(|row| row.key.len());
        let values = width(|row| row.value.as_ref().map_or(1, |value| value.chars().count())).min(60);
        for row in &self.rows {
            let source = row.source.as_deref().unwrap_or("not set");
            writeln!(f, "{:keys$}  {:values$}  {source}", row.key, shown(row))?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<String>, source: &Option<String>| match (value, source) {
            (Some(value), Some(source)) => format!("{value} ({source})"),
            _ => "not set".to_owned(),
        };
        let before = side(&self.before, &self.before_source);
        write!(f, "{}: {before} -> {}", self.key, side(&self.after, &self.after_source))
    }
}

pub(crate) fn explain(settings: &Settings) -> Explanation {
    let row = |key: &'static crate::schema::Key| ExplainRow {
        key: key.name,
        value: settings.get(key.name).map(|setting| setting.value.shown()),
        source: settings.get(key.name).map(|setting| setting.source.to_string()),
        doc: key.doc,
    };
    Explanation { rows: keys().filter(|key| !key.is_compound()).map(row).collect() }
}

pub(crate) fn diff(before: &Settings, after: &Settings) -> Vec<Change> {
    let differing = |key: &&crate::schema::Key| match (before.get(key.name), after.get(key.name)) {
        (Some(one), Some(two)) => !one.value.agrees(&two.value),
        (None, None) => false,
        _ => true,
    };
    let change = |key: &'static crate::schema::Key| Change {
        key: key.name,
        before: before.get(key.name).map(|setting| setting.value.shown()),
        after: after.get(key.name).map(|setting| setting.value.shown()),
        before_source: before.get(key.name).map(|setting| setting.source.to_string()),
        after_source: after.get(key.name).map(|setting| setting.source.to_string()),
    };
    keys().filter(differing).map(change).collect()
}
