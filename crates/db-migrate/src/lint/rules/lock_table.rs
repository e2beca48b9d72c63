//! A lock that is taken for its own sake.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, Lock};
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "explicit-lock",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "LOCK TABLE lets everybody who uses the table wait until the transaction ends",
    instead: "the statements alone, each of which takes the lock it needs; or a transaction of a moment",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::Lock { table, mode } = site.change else { return None };
    if *mode < Lock::Share {
        return None;
    }
    let severity = site.weigh(table)?;
    let message =
        format!("{} of {} wait from here until the transaction ends", mode.stops(), site.sized(table));
    Some(Found::new(severity, message).help("leave it out where the statements after it take what they need"))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn a_big_table_has_somebody_who_waits() {
        check(
            &RULE,
            "",
            &[
                ("LOCK TABLE big; SELECT pg_sleep(60)", Expect::Error("reads and writes of public.big")),
                ("LOCK TABLE mid IN SHARE MODE", Expect::Warning("writes of public.mid")),
                ("LOCK TABLE big IN ROW EXCLUSIVE MODE", Expect::Nothing),
                ("LOCK TABLE small", Expect::Nothing),
            ],
        );
    }
}
