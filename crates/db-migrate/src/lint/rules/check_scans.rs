//! A check that reads every row while everybody waits.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, Constraint, ConstraintKind};
use crate::lint::name::identifier;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "check-scans",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "a CHECK that is tested at once reads every row while reads and writes wait",
    instead: "ADD CONSTRAINT .. CHECK (..) NOT VALID, and VALIDATE CONSTRAINT in a later migration",
    stands_for: &["constraint-missing-not-valid"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let (table, constraint) = match site.change {
        Change::AddConstraint { table, constraint } => (table, &**constraint),
        Change::AddColumn { table, column, .. } => {
            (table, column.constraints.iter().find(|one| is_check(one))?)
        }
        _ => return None,
    };
    if !is_check(constraint) || !constraint.valid {
        return None;
    }
    let severity = site.weigh(table)?;
    let message = format!("reads and writes of {} wait while every row is tested", site.sized(table));
    let given = crate::lint::alter::constraint_name(constraint, &table.name);
    let name = identifier(constraint.name.as_deref().unwrap_or(&given));
    let ConstraintKind::Check { expression } = &constraint.kind else { return None };
    let sql = site.sql(table);
    Some(Found::new(severity, message).help(format!(
        "ALTER TABLE {sql} ADD CONSTRAINT {name} CHECK ({expression}) NOT VALID; then, in a later migration, ALTER TABLE \
         {sql} VALIDATE CONSTRAINT {name};"
    )))
}

fn is_check(constraint: &Constraint) -> bool {
    matches!(constraint.kind, ConstraintKind::Check { .. })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, help};

    #[test]
    fn what_is_validated_later_is_silent() {
        check(
            &RULE,
            "",
            &[
                ("ALTER TABLE big ADD CONSTRAINT c CHECK (a > 1)", Expect::Error("every row is tested")),
                ("ALTER TABLE big ADD COLUMN x int CHECK (x > 1)", Expect::Error("every row is tested")),
                ("ALTER TABLE big ADD CONSTRAINT c CHECK (a > 1) NOT VALID", Expect::Nothing),
                ("ALTER TABLE small ADD CONSTRAINT c CHECK (a > 1)", Expect::Nothing),
            ],
        );
        assert!(
            help(&RULE, "ALTER TABLE big ADD CHECK (a > 1)")
                .contains("ADD CONSTRAINT big_check CHECK (a > 1) NOT VALID;")
        );
    }
}
