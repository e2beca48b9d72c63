//! Long work under a lock that an earlier statement took.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Size;
use crate::lint::change::{Change, Lock};
use crate::lint::site::{Found, Held, Site};

pub(super) const RULE: Rule = Rule {
    name: "lock-held-during-work",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "a lock is held to the end of the transaction: long work after it makes everybody wait for that work",
    instead: "the work in a migration of its own, before or after",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let (tables, work) = crate::lint::lock::work(site.change)?;
    if site.alone {
        return None;
    }
    let severity = tables.iter().filter_map(|table| site.weigh(table)).max()?;
    let worked = tables.iter().max_by_key(|table| site.weigh(table)).map(|table| site.sized(table))?;
    let is_held = |held: &&Held| held.statement < site.statement && held.mode >= Lock::ShareRowExclusive;
    // Of a table that is made here, nobody waits; one of no size at all may be in everybody's way.
    let held = site.transaction.locks.iter().filter(is_held).filter(|held| held.size != Size::New);
    // An index is built CONCURRENTLY, and so elsewhere; a rule of its own says so.
    let own = match site.change {
        Change::CreateIndex(index) => Some(site.state.called(&index.table)),
        _ => None,
    };
    let held = held.filter(|held| own.as_ref() != Some(&held.table));
    let held = held.max_by_key(|held| held.mode)?;
    let message = format!(
        "{} of {} wait until this {work} is done: its transaction holds {} on it since an earlier statement; the {work} works \
         through {worked}",
        held.mode.stops(),
        held.table,
        held.mode.as_str(),
    );
    Some(Found::new(severity, message).help(format!("put the {work} into a migration of its own")))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn work_waits_for_the_next_transaction() {
        let add = "ALTER TABLE big ADD COLUMN x int";
        let fill = "UPDATE big SET x = 1 WHERE a > 1";
        check(
            &RULE,
            "",
            &[
                (
                    &format!("{add}; {fill}"),
                    Expect::Error("reads and writes of public.big wait until this UPDATE is done"),
                ),
                (
                    &format!("ALTER TABLE small ADD x int; {fill}"),
                    Expect::Error("reads and writes of public.small wait"),
                ),
                (&format!("{fill}; {add}"), Expect::Nothing),
                (&format!("{add}; UPDATE small SET a = 1"), Expect::Nothing),
                (&format!("{add}; DROP INDEX CONCURRENTLY IF EXISTS j; {fill}"), Expect::Nothing),
                (&format!("CREATE TABLE t (a int); {fill}"), Expect::Nothing),
                (&format!("{add}; CREATE INDEX i ON big (a)"), Expect::Nothing),
                ("LOCK TABLE small; CREATE INDEX i ON big (a)", Expect::Error("this CREATE INDEX is done")),
                ("LOCK TABLE small; INSERT INTO small SELECT * FROM big", Expect::Error("INSERT .. SELECT")),
            ],
        );
    }
}
