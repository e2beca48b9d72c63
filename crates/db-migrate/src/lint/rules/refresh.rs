//! A materialized view that nobody can read while it is made anew.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Cover;
use crate::lint::change::{Change, How};
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "refresh-not-concurrent",
    severity: Severity::Warning,
    asked: Asked::ByDefault,
    says: "REFRESH MATERIALIZED VIEW without CONCURRENTLY lets readers of the view wait",
    instead: "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on the view",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::Refresh { view, how: How::Blocking } = site.change else { return None };
    let severity = site.weigh(view)?.min(Severity::Warning);
    let message = format!("reads of {} wait while it is made anew", site.sized(view));
    let name = site.sql(view);
    let has_key = site
        .relation(view)
        .is_some_and(|view| view.indexes.iter().any(|index| index.unique && index.cover != Cover::Partial));
    let key =
        if has_key { String::new() } else { format!("CREATE UNIQUE INDEX CONCURRENTLY ON {name} (..); ") };
    Some(Found::new(severity, message).help(format!("{key}REFRESH MATERIALIZED VIEW CONCURRENTLY {name};")))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn a_view_is_read_meanwhile() {
        check(
            &RULE,
            "",
            &[
                ("REFRESH MATERIALIZED VIEW big", Expect::Warning("reads of public.big (about")),
                ("REFRESH MATERIALIZED VIEW CONCURRENTLY big", Expect::Nothing),
                ("REFRESH MATERIALIZED VIEW small", Expect::Nothing),
            ],
        );
    }
}
