//! A foreign key that is checked while writes to two tables wait.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, Constraint, ConstraintKind};
use crate::lint::name::identifier;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "foreign-key-scans",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "a foreign key that is checked at once reads the table while writes to both tables wait",
    instead: "ADD CONSTRAINT .. NOT VALID, and VALIDATE CONSTRAINT in a later migration",
    stands_for: &["adding-foreign-key-constraint", "constraint-missing-not-valid"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::AddConstraint { table, constraint } = site.change else {
        // A new column has nothing but nulls, which refer to nothing; with a default it does.
        return added_with_default(site);
    };
    let ConstraintKind::ForeignKey { to } = &constraint.kind else { return None };
    if !constraint.valid || site.weigh(table).is_none() {
        return None;
    }
    let severity = site.weigh_either(table, to)?;
    let message = format!(
        "writes to {} and {} wait while every row is checked against this foreign key",
        site.sized(table),
        site.sized(to)
    );
    Some(Found::new(severity, message).help(instead(site, constraint)))
}

fn added_with_default(site: &Site<'_>) -> Option<Found> {
    let Change::AddColumn { table, column, .. } = site.change else { return None };
    let refers = |one: &&Constraint| matches!(one.kind, ConstraintKind::ForeignKey { .. });
    let constraint = column.constraints.iter().find(refers).filter(|_| column.default.is_some())?;
    let ConstraintKind::ForeignKey { to } = &constraint.kind else { return None };
    let severity = site.weigh(table)?;
    let message = format!(
        "reads and writes of {} wait, and writes to {} too, while the default of every row is checked against this foreign key",
        site.sized(table),
        site.sized(to)
    );
    Some(
        Found::new(severity, message)
            .help("add the column first, the foreign key NOT VALID after it, and validate it later"),
    )
}

fn instead(site: &Site<'_>, constraint: &Constraint) -> String {
    let Some(table) = site.change.table() else { return String::new() };
    let written = site.text.trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" ");
    let given = crate::lint::alter::constraint_name(constraint, &table.name);
    let name = identifier(constraint.name.as_deref().unwrap_or(&given));
    format!(
        "{written} NOT VALID; then, in a later migration, ALTER TABLE {} VALIDATE CONSTRAINT {name};",
        site.sql(table)
    )
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, help};

    #[test]
    fn only_rows_that_are_there_are_checked() {
        check(
            &RULE,
            "",
            &[
                (
                    "ALTER TABLE big ADD FOREIGN KEY (a) REFERENCES small (a)",
                    Expect::Error("public.big (about"),
                ),
                (
                    "ALTER TABLE mid ADD FOREIGN KEY (a) REFERENCES big (a)",
                    Expect::Error("public.big (about"),
                ),
                ("ALTER TABLE small ADD FOREIGN KEY (a) REFERENCES big (a)", Expect::Nothing),
                ("ALTER TABLE big ADD FOREIGN KEY (a) REFERENCES small (a) NOT VALID", Expect::Nothing),
                ("ALTER TABLE big ADD COLUMN x int REFERENCES small (a)", Expect::Nothing),
                ("ALTER TABLE big ADD COLUMN x int DEFAULT 1 REFERENCES small (a)", Expect::Error("default")),
                ("CREATE TABLE t (a int REFERENCES big (a))", Expect::Nothing),
            ],
        );
        assert_eq!(
            help(&RULE, "ALTER TABLE big ADD CONSTRAINT k FOREIGN KEY (a)\n REFERENCES small (a)"),
            "ALTER TABLE big ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES small (a) NOT VALID; then, in a later migration, \
             ALTER TABLE public.big VALIDATE CONSTRAINT k;"
        );
    }
}
