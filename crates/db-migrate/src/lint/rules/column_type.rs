//! A column of another type, for which every row is written anew.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::Change;
use crate::lint::kind::rewrites;
use crate::lint::name::identifier;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "type-change-rewrites",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "ALTER COLUMN .. TYPE writes table and indexes anew while reads and writes wait, unless the old values can stay",
    instead: "a new column, filled in batches and by a trigger, then swapped",
    stands_for: &["changing-column-type"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::SetType { table, column, to, using } = site.change else { return None };
    let severity = site.weigh(table)?;
    let from = site.relation(table).and_then(|relation| relation.column(column)?.kind.clone());
    let is_converted = using.as_ref().is_some_and(|using| !is_cast(using, column));
    if !is_converted && from.as_ref().is_some_and(|from| !rewrites(from, to)) {
        return None;
    }
    let sized = site.sized(table);
    let message = match &from {
        Some(from) => format!(
            "reads and writes of {sized} wait while every row is written anew: {column} is {from}, not {to}"
        ),
        None => format!(
            "reads and writes of {sized} wait while every row is written anew, if {column} is not nearly {to} already"
        ),
    };
    let (table, column, new) = (site.sql(table), identifier(column), identifier(&format!("{column}_new")));
    Some(Found::new(severity, message).help(format!(
        "ALTER TABLE {table} ADD COLUMN {new} {to}; keep it equal by a trigger, fill it in batches, and then in one \
         transaction ALTER TABLE {table} DROP COLUMN {column}; ALTER TABLE {table} RENAME COLUMN {new} TO {column};"
    )))
}

/// Whether an expression is the column itself, cast or not.
fn is_cast(using: &str, column: &str) -> bool {
    let bare = using
        .split("::")
        .next()
        .unwrap_or_default()
        .trim_matches(|c: char| matches!(c, '(' | ')') || c.is_whitespace());
    crate::lint::name::folded(bare) == column
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, check_files};

    #[test]
    fn what_can_stay_is_silent() {
        check(
            &RULE,
            "ALTER TABLE big ADD v varchar(10);",
            &[
                ("ALTER TABLE big ALTER COLUMN a TYPE bigint", Expect::Error("a is int, not bigint")),
                ("ALTER TABLE big ALTER COLUMN v TYPE varchar(20)", Expect::Nothing),
                ("ALTER TABLE big ALTER COLUMN v TYPE text", Expect::Nothing),
                ("ALTER TABLE big ALTER COLUMN v TYPE text USING v::text", Expect::Nothing),
                (
                    "ALTER TABLE big ALTER COLUMN v TYPE text USING lower(v)",
                    Expect::Error("v is varchar(10)"),
                ),
                ("ALTER TABLE big ALTER COLUMN v TYPE varchar(5)", Expect::Error("v is varchar(10)")),
                ("ALTER TABLE small ALTER COLUMN a TYPE bigint", Expect::Nothing),
                (
                    "ALTER TABLE big ALTER COLUMN v TYPE text; ALTER TABLE big ALTER COLUMN v TYPE varchar(10)",
                    Expect::Error("v is text"),
                ),
            ],
        );
        check_files(
            &RULE,
            &[("ALTER TABLE t ALTER a TYPE text", Expect::Warning("if a is not nearly text already"))],
        );
    }
}
