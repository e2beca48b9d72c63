//! Several tables that nobody can use at once.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Size;
use crate::lint::change::Lock;
use crate::lint::name::Name;
use crate::lint::site::{Found, Sight, Site};

pub(super) const RULE: Rule = Rule {
    name: "many-exclusive-locks",
    severity: Severity::Warning,
    asked: Asked::ByDefault,
    says: "ACCESS EXCLUSIVE on several tables in one transaction deadlocks with whoever uses them in another order",
    instead: "a migration for each table",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    // One statement takes what it needs in an order that cannot be chosen.
    let now = crate::lint::lock::locks(site.change, site.state);
    let (table, _) =
        now.iter().find(|(table, mode)| *mode == Lock::AccessExclusive && is_used(site, table))?;
    let others: Vec<&Name> = site
        .transaction
        .locks
        .iter()
        .filter(|held| {
            held.mode == Lock::AccessExclusive && held.statement < site.statement && held.table != *table
        })
        .filter(|held| is_used(site, &held.table))
        .map(|held| &held.table)
        .collect();
    let first = others.first()?;
    // It is said once for each table.
    if site.transaction.locks.iter().any(|held| held.table == *table && held.mode == Lock::AccessExclusive) {
        return None;
    }
    let message = format!(
        "this waits for {table} while it holds {first}: whoever uses {table} and then {first} is in a deadlock with it"
    );
    Some(
        Found::new(Severity::Warning, message)
            .help("put what changes another table into a migration of its own"),
    )
}

/// Whether it is known that others are at it.
fn is_used(site: &Site<'_>, table: &Name) -> bool {
    let known = matches!(site.size(table), Size::About { .. }) || site.sight == Sight::Blind;
    known && site.weigh(table).is_some()
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn one_busy_table_at_a_time() {
        check(
            &RULE,
            "",
            &[
                (
                    "ALTER TABLE big ADD x int; ALTER TABLE mid ADD x int; ALTER TABLE mid ADD y int",
                    Expect::Warning("this waits for public.mid while it holds public.big"),
                ),
                ("ALTER TABLE big ADD x int; ALTER TABLE small ADD x int", Expect::Nothing),
                ("ALTER TABLE big ADD x int; ALTER TABLE big ADD y int", Expect::Nothing),
                (
                    "ALTER TABLE big ADD x int; DROP INDEX CONCURRENTLY IF EXISTS j; ALTER TABLE mid ADD x int",
                    Expect::Nothing,
                ),
            ],
        );
    }
}
