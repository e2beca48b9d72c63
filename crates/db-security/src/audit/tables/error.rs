//! Why a table cannot be audited so.

use std::fmt;

/// Why a table cannot be audited so; nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is no table of this name.
    #[error("there is no table \"{table}\"{}", hint(nearest.as_deref()))]
    NoTable {
        /// The name.
        table: String,
        /// The nearest name that there is.
        nearest: Option<String>,
    },
    /// The table has no such column.
    #[error("{table} has no column \"{column}\"{}", hint(nearest.as_deref()))]
    NoColumn {
        /// The table.
        table: String,
        /// The name.
        column: String,
        /// The nearest column that there is.
        nearest: Option<String>,
    },
    /// It is no table whose rows have changes.
    #[error("{table} cannot be audited: {kind}")]
    NoRows {
        /// Its name.
        table: String,
        /// What it is.
        kind: &'static str,
    },
    /// A column cannot be dealt with so.
    #[error("{column} of {table} {why}")]
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Why not.
        why: Unfit,
    },
    /// A subject is named, and nothing is personal.
    #[error("{table} names a subject, but no column is personal: name those, or leave the subject out")]
    IdleSubject {
        /// The table.
        table: String,
    },
}

/// Why a column cannot be dealt with so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// A part of the primary key was to be left out.
    ExcludedKey,
    /// A part of the primary key was to be personal.
    PersonalKey,
    /// It was to be both left out and personal.
    ExcludedAndPersonal,
    /// It names the subject, and was to be personal.
    PersonalSubject,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExcludedKey => {
                "is a part of the primary key and cannot be left out: events name the row by it"
            }
            Self::PersonalKey => {
                "is a part of the primary key and cannot be personal: events name the row by it, in the clear"
            }
            Self::ExcludedAndPersonal => "is to be left out and to be personal: choose one",
            Self::PersonalSubject => {
                "names the subject and cannot be personal: it stands in the clear for as long as the log"
            }
        })
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean \"{nearest}\"?"))
}

/// The name that is nearest to one that is not there, where one is near.
pub(super) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    const NEAR: f64 = 0.75;
    let scored = names
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase()), known));
    let (score, known) = scored.max_by(|(one, _), (two, _)| one.total_cmp(two))?;
    (score >= NEAR).then(|| known.to_owned())
}
