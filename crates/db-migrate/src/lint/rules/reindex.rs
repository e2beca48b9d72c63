//! An index that is rebuilt while others wait.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, How, ReindexTarget};
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "reindex-not-concurrent",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "REINDEX without CONCURRENTLY lets writes wait, and reads that would use the index",
    instead: "REINDEX .. CONCURRENTLY",
    stands_for: &["require-concurrent-reindex"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::Reindex { target, how: How::Blocking } = site.change else { return None };
    let table = match target {
        ReindexTarget::Table(table) => Some(site.state.called(table)),
        ReindexTarget::Index(index) => site.state.index(index).map(|(table, _)| table.clone()),
        ReindexTarget::Everything => None,
    };
    let (severity, what) = match (&table, target) {
        (Some(table), _) => (site.weigh(table)?, site.sized(table)),
        (None, ReindexTarget::Everything) => (Severity::Error, "each table in its turn".to_owned()),
        (None, _) => (Severity::Warning, "its table (of a size that is not known)".to_owned()),
    };
    let message =
        format!("writes to {what} wait while its indexes are built anew, and reads that would use them");
    let words: Vec<&str> = site.text.trim_end_matches(';').split_whitespace().collect();
    let at = words.iter().position(|word| {
        ["TABLE", "INDEX", "SCHEMA", "DATABASE", "SYSTEM"].contains(&word.to_ascii_uppercase().as_str())
    })?;
    Some(Found::new(severity, message).help(format!(
        "{} CONCURRENTLY {};",
        words[..=at].join(" "),
        words[at + 1..].join(" ")
    )))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, help};

    #[test]
    fn an_index_has_the_size_of_its_table() {
        check(
            &RULE,
            "CREATE INDEX i ON big (a); CREATE INDEX j ON small (a);",
            &[
                ("REINDEX TABLE big", Expect::Error("public.big (about")),
                ("REINDEX INDEX i", Expect::Error("public.big (about")),
                ("REINDEX INDEX j", Expect::Nothing),
                ("REINDEX INDEX CONCURRENTLY i", Expect::Nothing),
                ("REINDEX SCHEMA public", Expect::Error("each table in its turn")),
            ],
        );
        assert_eq!(help(&RULE, "REINDEX TABLE big;"), "REINDEX TABLE CONCURRENTLY big;");
    }
}
