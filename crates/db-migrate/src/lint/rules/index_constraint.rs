//! A constraint whose index is built while everybody waits.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, Constraint, ConstraintKind};
use crate::lint::name::{Name, identifier};
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "constraint-builds-index",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "UNIQUE and PRIMARY KEY build their index while reads and writes wait",
    instead: "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT .. USING INDEX",
    stands_for: &[
        "disallowed-unique-constraint",
        "adding-serial-primary-key-field",
        "constraint-missing-not-valid",
    ],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let (table, constraint) = match site.change {
        Change::AddConstraint { table, constraint } => (table, &**constraint),
        Change::AddColumn { table, column, .. } => {
            (table, column.constraints.iter().find(|one| kind(one).is_some())?)
        }
        _ => return None,
    };
    let (what, key) = kind(constraint)?;
    let severity = site.weigh(table)?;
    let message =
        format!("reads and writes of {} wait until the index of this {what} is built", site.sized(table));
    let found = Found::new(severity, message);
    Some(match key {
        Some(key) => found.help(instead(site, table, constraint, key)),
        None => {
            found.help("an exclusion constraint cannot be built otherwise: do it when nobody needs the table")
        }
    })
}

/// What it is called, and what follows its name; none where there is no index to take over.
fn kind(constraint: &Constraint) -> Option<(&'static str, Option<&'static str>)> {
    match &constraint.kind {
        ConstraintKind::PrimaryKey { using_index: None } => Some(("primary key", Some("PRIMARY KEY"))),
        ConstraintKind::Unique { using_index: None } => Some(("unique constraint", Some("UNIQUE"))),
        ConstraintKind::Exclude => Some(("exclusion constraint", None)),
        _ => None,
    }
}

fn instead(site: &Site<'_>, table: &Name, constraint: &Constraint, key: &str) -> String {
    let given = crate::lint::alter::constraint_name(constraint, &table.name);
    let name = identifier(constraint.name.as_deref().unwrap_or(&given));
    let columns = constraint.columns.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ");
    let table = site.sql(table);
    format!(
        "CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns}); ALTER TABLE {table} ADD CONSTRAINT {name} {key} \
         USING INDEX {name};"
    )
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, help};

    #[test]
    fn an_index_that_is_there_is_taken_over() {
        check(
            &RULE,
            "",
            &[
                ("ALTER TABLE big ADD CONSTRAINT k UNIQUE (a)", Expect::Error("unique constraint")),
                ("ALTER TABLE big ADD PRIMARY KEY (a)", Expect::Error("primary key")),
                ("ALTER TABLE big ADD COLUMN x int UNIQUE", Expect::Error("unique constraint")),
                ("ALTER TABLE big ADD EXCLUDE USING gist (a WITH =)", Expect::Error("exclusion constraint")),
                ("ALTER TABLE big ADD CONSTRAINT k UNIQUE USING INDEX i", Expect::Nothing),
                ("ALTER TABLE small ADD CONSTRAINT k UNIQUE (a)", Expect::Nothing),
                ("ALTER TABLE big ADD CHECK (a > 1)", Expect::Nothing),
            ],
        );
        assert_eq!(
            help(&RULE, "ALTER TABLE big ADD UNIQUE (a, \"B\")"),
            "CREATE UNIQUE INDEX CONCURRENTLY \"big_a_B_key\" ON public.big (a, \"B\"); ALTER TABLE public.big ADD \
             CONSTRAINT \"big_a_B_key\" UNIQUE USING INDEX \"big_a_B_key\";"
        );
    }
}
