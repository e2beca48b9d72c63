//! `SET NOT NULL` that reads every row while everybody waits.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Relation;
use crate::lint::change::{Change, ConstraintKind};
use crate::lint::name::{Name, identifier};
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "not-null-scans",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "SET NOT NULL reads every row while reads and writes wait, unless a valid CHECK says it already",
    instead: "CHECK (column IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT in a later migration, then SET NOT NULL",
    stands_for: &["adding-not-nullable-field"],
    check,
};

/// From here on the constraint itself can be added without a scan.
const NAMED_NOT_NULL: u32 = 18;

fn check(site: &Site<'_>) -> Option<Found> {
    let (table, column) = match site.change {
        Change::SetNotNull { table, column } => (table, column),
        Change::AddConstraint { table, constraint }
            if constraint.kind == ConstraintKind::NotNull && constraint.valid =>
        {
            (table, constraint.columns.first()?)
        }
        _ => return None,
    };
    let severity = site.weigh(table)?;
    if site.relation(table).is_some_and(|relation| is_certain(relation, column)) {
        return None;
    }
    let message =
        format!("reads and writes of {} wait while every row is looked at for a null", site.sized(table));
    Some(Found::new(severity, message).help(instead(site, table, column)))
}

/// Whether the server knows already that there is no null: by the column, or by a valid check.
fn is_certain(relation: &Relation, column: &str) -> bool {
    relation.column(column).is_some_and(|column| column.not_null)
        || relation.constraints.iter().any(|constraint| {
            matches!(&constraint.kind, ConstraintKind::Check { expression } if constraint.valid && forbids(expression, column))
        })
}

/// Whether an expression is `column IS NOT NULL`, or that and more.
fn forbids(expression: &str, column: &str) -> bool {
    let bare: String = expression.chars().filter(|character| !matches!(character, '(' | ')')).collect();
    let words: Vec<&str> = bare.split_whitespace().collect();
    let is = |word: &str, upper: &str| word.eq_ignore_ascii_case(upper);
    if words.iter().any(|word| is(word, "OR") || is(word, "CASE") || is(word, "NOT") && !bare_is_not(&words))
    {
        return false;
    }
    words.split(|word| is(word, "AND")).any(|part| match part {
        [name, one, two, three] => {
            crate::lint::name::folded(name) == column && is(one, "IS") && is(two, "NOT") && is(three, "NULL")
        }
        _ => false,
    })
}

/// Whether each `NOT` is that of an `IS NOT`.
fn bare_is_not(words: &[&str]) -> bool {
    words
        .iter()
        .enumerate()
        .filter(|(_, word)| word.eq_ignore_ascii_case("NOT"))
        .all(|(at, _)| at.checked_sub(1).is_some_and(|before| words[before].eq_ignore_ascii_case("IS")))
}

fn instead(site: &Site<'_>, table: &Name, column: &str) -> String {
    let (name, column, table) =
        (identifier(&format!("{column}_not_null")), identifier(column), site.sql(table));
    let check = if site.version >= NAMED_NOT_NULL {
        format!("NOT NULL {column}")
    } else {
        format!("CHECK ({column} IS NOT NULL)")
    };
    let last = if site.version >= NAMED_NOT_NULL {
        String::new()
    } else {
        format!(
            " ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL; ALTER TABLE {table} DROP CONSTRAINT {name};"
        )
    };
    format!(
        "ALTER TABLE {table} ADD CONSTRAINT {name} {check} NOT VALID; then, in a later migration, ALTER TABLE {table} \
         VALIDATE CONSTRAINT {name};{last}"
    )
}

#[cfg(test)]
mod tests {
    use super::{RULE, forbids};
    use crate::lint::tests::{Expect, check, help};

    #[test]
    fn a_valid_check_saves_the_scan() {
        let set = "ALTER TABLE big ALTER COLUMN a SET NOT NULL";
        check(&RULE, "", &[(set, Expect::Error("looked at for a null"))]);
        check(&RULE, "ALTER TABLE big ADD CHECK (a IS NOT NULL);", &[(set, Expect::Nothing)]);
        check(&RULE, "ALTER TABLE big ADD CHECK (a IS NOT NULL) NOT VALID;", &[(set, Expect::Error("null"))]);
        check(&RULE, "ALTER TABLE big ADD CHECK (b IS NOT NULL);", &[(set, Expect::Error("null"))]);
        check(&RULE, "ALTER TABLE big ALTER a SET NOT NULL;", &[(set, Expect::Nothing)]);
        check(&RULE, "", &[("ALTER TABLE small ALTER COLUMN a SET NOT NULL", Expect::Nothing)]);
        let later = "ALTER TABLE big ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE big VALIDATE CONSTRAINT c;";
        check(&RULE, "", &[(&format!("{later} {set}"), Expect::Nothing)]);
        assert!(help(&RULE, set).starts_with(
            "ALTER TABLE public.big ADD CONSTRAINT a_not_null CHECK (a IS NOT NULL) NOT VALID;"
        ));
    }

    #[test]
    fn a_check_is_read_as_the_server_writes_it() {
        for (expression, expected) in [
            ("((a IS NOT NULL))", true),
            ("a is not null", true),
            ("((a IS NOT NULL) AND (a > 1))", true),
            ("((a IS NOT NULL) OR (b > 1))", false),
            ("(NOT (a IS NOT NULL))", false),
            ("(a > 1)", false),
            ("(ab IS NOT NULL)", false),
        ] {
            assert_eq!(forbids(expression, "a"), expected, "{expression}");
        }
    }
}
