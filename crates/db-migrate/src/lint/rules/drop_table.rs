//! A table whose rows are lost.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, Presence};
use crate::lint::name::identifier;
use crate::lint::site::{Found, HasRows, Site};

pub(super) const RULE: Rule = Rule {
    name: "drop-table",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "a table is dropped, with its rows",
    instead: "rename it first, and drop it when nobody has missed it",
    stands_for: &["ban-drop-table"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::DropTable { table, presence, .. } = site.change else { return None };
    let known = site.relation(table).is_some();
    let found = match site.rows(table) {
        HasRows::No => return None,
        HasRows::Yes => Found::new(Severity::Error, format!("the rows of {} are lost", site.sized(table))),
        // Of a table that may not be there, less is said than of one that must be.
        HasRows::Maybe if *presence == Presence::Lenient && !known => Found::new(
            Severity::Hint,
            format!("the rows of {} are lost, if there are any", site.called(table)),
        ),
        HasRows::Maybe => Found::new(
            Severity::Warning,
            format!("the rows of {} are lost, if there are any", site.called(table)),
        ),
    };
    let (name, kept) = (site.sql(table), identifier(&format!("{}_dropped", table.name)));
    Some(found.help(format!(
        "ALTER TABLE {name} RENAME TO {kept}; and drop it in a later migration, or back it up first"
    )))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, check_files};

    #[test]
    fn an_empty_table_is_no_loss() {
        check(
            &RULE,
            "",
            &[
                ("DROP TABLE big", Expect::Error("the rows of public.big (about 5,000,000 rows")),
                ("DROP TABLE small", Expect::Error("about 10 rows")),
                ("DROP TABLE empty", Expect::Nothing),
                ("CREATE TABLE t (a int); DROP TABLE t", Expect::Nothing),
            ],
        );
        check_files(
            &RULE,
            &[
                ("DROP TABLE t", Expect::Warning("if there are any")),
                ("DROP TABLE IF EXISTS t", Expect::Hint("if there are any")),
            ],
        );
    }
}
