//! A value of an enum in the transaction that makes it.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::Change;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "enum-value-used",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "a value that ALTER TYPE .. ADD VALUE has added cannot be used before its transaction ends",
    instead: "use it in the next migration",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    if matches!(site.change, Change::AddEnumValue { .. }) {
        return None;
    }
    let added = site.transaction.enum_values.iter();
    let (name, value) =
        added.rev().find(|(_, value)| site.text.contains(&format!("'{}'", value.replace('\'', "''"))))?;
    let message = format!(
        "this fails if '{value}' is meant as a {name}: the transaction that adds a value cannot use it yet"
    );
    Some(Found::new(Severity::Error, message).help("put what uses it into the next migration"))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn a_new_value_is_for_the_next_transaction() {
        let add = "ALTER TYPE mood ADD VALUE 'sad'";
        check(
            &RULE,
            "CREATE TYPE mood AS ENUM ('glad');",
            &[
                (
                    &format!("{add}; INSERT INTO small VALUES ('sad')"),
                    Expect::Error("if 'sad' is meant as a mood"),
                ),
                (&format!("{add}; INSERT INTO small VALUES ('glad')"), Expect::Nothing),
                (
                    &format!("{add}; DROP INDEX CONCURRENTLY IF EXISTS j; INSERT INTO small VALUES ('sad')"),
                    Expect::Nothing,
                ),
                ("CREATE TYPE m AS ENUM ('sad'); INSERT INTO small VALUES ('sad')", Expect::Nothing),
            ],
        );
    }
}
