//! A column whose values are lost.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::Change;
use crate::lint::site::{Found, HasRows, Site};

pub(super) const RULE: Rule = Rule {
    name: "drop-column",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "a column is dropped, with its values, while programs of the version before still ask for it",
    instead: "let no program ask for it first; then drop it in a later migration",
    stands_for: &["ban-drop-column"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::DropColumn { table, column, .. } = site.change else { return None };
    let full = site.called(table);
    let found = match site.rows(table) {
        HasRows::No => return None,
        HasRows::Yes => {
            Found::new(Severity::Error, format!("the values of {column} in {} are lost", site.sized(table)))
        }
        HasRows::Maybe => {
            Found::new(Severity::Warning, format!("the values of {full}.{column} are lost, if there are any"))
        }
    };
    Some(found.help(
        "deploy programs that do not ask for it, and drop it in a later migration; ignore this with that as the reason",
    ))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, check_files};

    #[test]
    fn an_empty_table_loses_nothing() {
        check(
            &RULE,
            "",
            &[
                ("ALTER TABLE big DROP COLUMN a", Expect::Error("the values of a in public.big (about")),
                ("ALTER TABLE empty DROP COLUMN a", Expect::Nothing),
                ("CREATE TABLE t (a int); ALTER TABLE t DROP a", Expect::Nothing),
            ],
        );
        check_files(&RULE, &[("ALTER TABLE t DROP a", Expect::Warning("the values of t.a are lost"))]);
    }
}
