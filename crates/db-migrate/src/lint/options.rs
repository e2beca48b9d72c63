//! What is linted, and how strictly.

use super::Severity;
use crate::MigrationId;
use std::collections::BTreeSet;

/// What is linted, and how strictly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintOptions {
    /// Which migrations.
    pub scope: Scope,
    /// Those that the database has, by its history; of a database without a history, none.
    pub applied: BTreeSet<MigrationId>,
    /// Rules that are asked though they are off by default.
    pub include: BTreeSet<String>,
    /// Rules that are not asked.
    pub exclude: BTreeSet<String>,
    /// From which size on a table is one that others wait for.
    pub big: Threshold,
    /// The server's major version, where no catalogue tells it.
    pub server_version: u32,
    /// Schemas in which names without one are looked for, where no catalogue tells them.
    pub search_path: Option<Vec<String>>,
}

/// Which migrations are linted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Those that the database does not have.
    #[default]
    Pending,
    /// All.
    All,
    /// This one and those after it, by its version or its label; what comes before is taken as applied.
    From(String),
}

/// A size of a table. One that has either is big; one that has a hundred times either is huge, and then what is a
/// warning for a big one is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Rows.
    pub rows: u64,
    /// Bytes, without indexes.
    pub bytes: u64,
}

impl Default for Threshold {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 10 << 20 }
    }
}

/// The oldest that is still maintained.
const OLDEST_SERVER: u32 = 14;

impl Default for LintOptions {
    fn default() -> Self {
        Self {
            scope: Scope::Pending,
            applied: BTreeSet::new(),
            include: BTreeSet::new(),
            exclude: BTreeSet::new(),
            big: Threshold::default(),
            server_version: OLDEST_SERVER,
            search_path: None,
        }
    }
}

impl LintOptions {
    /// Whether a rule is asked.
    pub(crate) fn asks(&self, rule: &str, by_default: super::Asked) -> bool {
        let wanted = by_default == super::Asked::ByDefault || self.include.contains(rule);
        wanted && !self.exclude.contains(rule)
    }
}

/// What the size of a table makes of a rule about how long others wait.
pub(crate) fn by_size(size: super::catalogue::Size, big: Threshold) -> Option<Severity> {
    use super::catalogue::Size;
    match size {
        Size::New => None,
        Size::Unknown => Some(Severity::Warning),
        Size::About { rows, bytes } => {
            if rows >= big.rows.saturating_mul(100) || bytes >= big.bytes.saturating_mul(100) {
                Some(Severity::Error)
            } else if rows >= big.rows || bytes >= big.bytes {
                Some(Severity::Warning)
            } else {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Severity, Threshold, by_size};
    use crate::lint::catalogue::Size;

    #[test]
    fn a_rule_is_as_loud_as_its_table_is_big() {
        let about = |rows, bytes| Size::About { rows, bytes };
        for (size, expected) in [
            (Size::New, None),
            (Size::Unknown, Some(Severity::Warning)),
            (about(9_999, 8192), None),
            (about(10_000, 8192), Some(Severity::Warning)),
            (about(10, 11 << 20), Some(Severity::Warning)),
            (about(1_000_000, 8192), Some(Severity::Error)),
            (about(10, 1 << 30), Some(Severity::Error)),
        ] {
            assert_eq!(by_size(size, Threshold::default()), expected, "{size:?}");
        }
    }
}
