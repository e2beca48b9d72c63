//! What cannot be looked into.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::Change;
use crate::lint::site::{Found, Site};

pub(crate) const RULE: Rule = Rule {
    name: NAME,
    severity: Severity::Hint,
    asked: Asked::ByDefault,
    says: "DO, CALL and a migration in Rust may do anything, and nobody can tell by looking: the risk is medium at least",
    instead: "plain statements where they will do; else a comment that ignores this and says what it does",
    stands_for: &[],
    check,
};

/// What makes a migration of medium risk, though it is no more than a hint.
pub(crate) const NAME: &str = "opaque";

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::Opaque(what) = site.change else { return None };
    Some(Found::new(Severity::Hint, message(what)).help(
        "say what it does: -- cairn: ignore = \"opaque: reason\"; or write plain statements in its place",
    ))
}

pub(crate) fn message(what: &str) -> String {
    format!("what {what} does is not looked into: it may drop or lock anything")
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, report};

    #[test]
    fn a_block_may_do_anything() {
        check(
            &RULE,
            "",
            &[
                ("DO $$ BEGIN EXECUTE 'DROP TABLE big'; END $$", Expect::Hint("what DO does")),
                ("CALL p()", Expect::Hint("what CALL does")),
                ("SELECT f()", Expect::Nothing),
            ],
        );
    }

    #[test]
    fn and_its_risk_is_medium_unless_somebody_has_looked() {
        let risk = |sql: &str| report(sql, None).migrations[0].risk.as_str();
        assert_eq!(risk("DO $$ BEGIN END $$"), "medium");
        assert_eq!(risk("-- cairn: ignore = 'opaque: it does nothing'\nDO $$ BEGIN END $$"), "low");
    }
}
