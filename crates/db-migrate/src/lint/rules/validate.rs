//! A constraint that is validated while the lock of its making is still held.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::Change;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "validate-in-same-transaction",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "VALIDATE CONSTRAINT in the transaction that added it NOT VALID scans under the stronger lock after all",
    instead: "VALIDATE CONSTRAINT in a migration of its own",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::Validate { table, name } = site.change else { return None };
    let full = site.state.called(table);
    let added = (full.clone(), name.clone());
    if !site.transaction.unvalidated.contains(&added) {
        return None;
    }
    let severity = site.weigh(table)?;
    let held = site.transaction.locks.iter().filter(|held| held.table == full).map(|held| held.mode).max()?;
    let message = format!(
        "{name} was added in this transaction, whose {} lock on {} is held while every row is checked: {} wait",
        held.as_str(),
        site.sized(table),
        held.stops()
    );
    Some(Found::new(severity, message).help(format!(
        "put ALTER TABLE {} VALIDATE CONSTRAINT {} into a migration of its own",
        full.sql(),
        crate::lint::name::identifier(name)
    )))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn the_next_transaction_is_soon_enough() {
        let add = "ALTER TABLE big ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES small (a) NOT VALID";
        let validate = "ALTER TABLE big VALIDATE CONSTRAINT k";
        check(
            &RULE,
            "",
            &[
                (&format!("{add}; {validate}"), Expect::Error("SHARE ROW EXCLUSIVE lock on public.big")),
                (&format!("{add}; DROP INDEX CONCURRENTLY IF EXISTS j; {validate}"), Expect::Nothing),
                (validate, Expect::Nothing),
                (
                    &format!("{}; {}", add.replace("big", "small"), validate.replace("big", "small")),
                    Expect::Nothing,
                ),
            ],
        );
    }
}
