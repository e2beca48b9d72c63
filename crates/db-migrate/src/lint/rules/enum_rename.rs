//! A value of an enum that running programs still write.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::Change;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "rename-enum-value",
    severity: Severity::Warning,
    asked: Asked::ByDefault,
    says: "programs of the version before still write the old value, and fail",
    instead: "a new value beside the old one, and programs that know both",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::RenameEnumValue { name, from } = site.change else { return None };
    let message = format!(
        "programs that run now write '{from}' where {name} is asked for, and fail until they are replaced"
    );
    Some(Found::new(Severity::Warning, message).help(format!(
        "ALTER TYPE {} ADD VALUE '..'; let the programs know both, and move the rows in batches",
        name.sql()
    )))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn a_value_is_in_use() {
        check(
            &RULE,
            "CREATE TYPE mood AS ENUM ('sad');",
            &[
                ("ALTER TYPE mood RENAME VALUE 'sad' TO 'low'", Expect::Warning("write 'sad'")),
                ("ALTER TYPE mood ADD VALUE 'low'", Expect::Nothing),
            ],
        );
    }
}
