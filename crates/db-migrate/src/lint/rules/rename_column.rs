//! A column that running programs do not find any more.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Size;
use crate::lint::change::Change;
use crate::lint::name::identifier;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "rename-column",
    severity: Severity::Warning,
    asked: Asked::ByDefault,
    says: "programs of the version before still ask for the old name",
    instead: "a new column beside the old one, kept equal until no program uses the old one",
    stands_for: &["renaming-column"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::RenameColumn { table, column, to } = site.change else { return None };
    if site.size(table) == Size::New {
        return None;
    }
    let full = site.called(table);
    let message = format!("programs that run now ask for {full}.{column}, and fail until they are replaced");
    Some(Found::new(Severity::Warning, message).help(format!(
        "ALTER TABLE {} ADD COLUMN {} ..; keep it equal by a trigger, fill it in batches, and drop {} when no program uses it",
        full.sql(),
        identifier(to),
        identifier(column)
    )))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn a_name_is_in_use_while_the_table_is() {
        check(
            &RULE,
            "",
            &[
                ("ALTER TABLE small RENAME COLUMN a TO b", Expect::Warning("ask for public.small.a")),
                ("CREATE TABLE t (a int); ALTER TABLE t RENAME a TO b", Expect::Nothing),
            ],
        );
    }
}
