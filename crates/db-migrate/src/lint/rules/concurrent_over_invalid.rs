//! An index that would be taken as built though it is broken.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, Presence};
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "concurrent-over-invalid",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "IF NOT EXISTS is content with an index of that name, even one that a failed CONCURRENTLY left invalid",
    instead: "DROP INDEX CONCURRENTLY IF EXISTS first, or REINDEX INDEX CONCURRENTLY",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::CreateIndex(index) = site.change else { return None };
    let name = index.name.as_ref().filter(|_| index.presence == Presence::Lenient)?;
    let table = site.relation(&index.table)?;
    let broken = table.index(name).filter(|found| !found.valid)?;
    let full = site.called(&index.table).renamed(&broken.name);
    let message = format!(
        "nothing is built: {full} exists and is invalid, so that no query uses it and each write pays for it"
    );
    Some(Found::new(Severity::Error, message).help(format!(
        "REINDEX INDEX CONCURRENTLY {0}; or first DROP INDEX CONCURRENTLY IF EXISTS {0};",
        full.sql()
    )))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn an_invalid_index_is_no_index() {
        check(
            &RULE,
            "",
            &[
                (
                    "CREATE INDEX CONCURRENTLY IF NOT EXISTS broken ON small (a)",
                    Expect::Error("public.broken exists and is invalid"),
                ),
                (
                    "DROP INDEX broken; CREATE INDEX CONCURRENTLY IF NOT EXISTS broken ON small (a)",
                    Expect::Nothing,
                ),
                (
                    "REINDEX INDEX CONCURRENTLY broken; CREATE INDEX CONCURRENTLY IF NOT EXISTS broken ON small (a)",
                    Expect::Nothing,
                ),
                ("CREATE INDEX CONCURRENTLY IF NOT EXISTS fresh ON small (a)", Expect::Nothing),
            ],
        );
    }
}
