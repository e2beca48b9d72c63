//! A statement that no transaction protects, among others.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "concurrent-with-others",
    severity: Severity::Hint,
    asked: Asked::ByDefault,
    says: "a migration that fails at a CONCURRENTLY has done what stands before it and nothing after",
    instead: "each CONCURRENTLY in a migration of its own",
    stands_for: &["ban-concurrent-index-creation-in-transaction"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    if !site.alone || site.statements < 2 {
        return None;
    }
    let message = "if this fails, the migration is half applied: the statements before it are kept, those after it are not run";
    Some(Found::new(Severity::Hint, message).help("put it into a migration of its own"))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn alone_it_is_all_or_nothing() {
        check(
            &RULE,
            "",
            &[
                ("CREATE INDEX CONCURRENTLY i ON big (a)", Expect::Nothing),
                ("SELECT 1; CREATE INDEX CONCURRENTLY i ON big (a)", Expect::Hint("half applied")),
                ("SELECT 1; SELECT 2", Expect::Nothing),
            ],
        );
    }
}
