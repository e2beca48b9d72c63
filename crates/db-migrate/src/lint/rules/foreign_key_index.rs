//! A foreign key whose columns no index finds.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::{Cover, Relation};
use crate::lint::change::{Change, Constraint, ConstraintKind};
use crate::lint::name::{Name, identifier};
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "foreign-key-without-index",
    severity: Severity::Warning,
    asked: Asked::ByDefault,
    says: "without an index on the referring columns, each DELETE from the other table reads all of this one",
    instead: "CREATE INDEX CONCURRENTLY on the referring columns, before the foreign key",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let (table, constraint) = match site.change {
        Change::AddConstraint { table, constraint } => (table, &**constraint),
        Change::AddColumn { table, column, .. } => {
            (table, column.constraints.iter().find(|one| refers(one))?)
        }
        _ => return None,
    };
    let ConstraintKind::ForeignKey { to } = &constraint.kind else { return None };
    // Of a table that is not known, the indexes are not known either.
    let relation = site.relation(table)?;
    if constraint.columns.is_empty() || is_indexed(relation, &constraint.columns) {
        return None;
    }
    let severity = site.weigh(table)?.min(Severity::Warning);
    let message = format!(
        "each DELETE from {} reads all of {}: no index begins with ({})",
        site.called(to),
        site.sized(table),
        constraint.columns.join(", ")
    );
    Some(Found::new(severity, message).help(instead(site, table, constraint)))
}

fn refers(constraint: &Constraint) -> bool {
    matches!(constraint.kind, ConstraintKind::ForeignKey { .. })
}

/// Whether an index begins with these columns, in any order.
fn is_indexed(relation: &Relation, columns: &[String]) -> bool {
    relation.indexes.iter().any(|index| {
        let begins: Vec<_> = index.columns.iter().take(columns.len()).flatten().collect();
        index.valid && index.cover != Cover::Partial && columns.iter().all(|column| begins.contains(&column))
    })
}

fn instead(site: &Site<'_>, table: &Name, constraint: &Constraint) -> String {
    let columns = constraint.columns.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ");
    format!("CREATE INDEX CONCURRENTLY ON {} ({columns});", site.sql(table))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn an_index_that_begins_with_the_columns_will_do() {
        let add = |columns: &str| {
            format!("ALTER TABLE big ADD FOREIGN KEY ({columns}) REFERENCES small (a) NOT VALID")
        };
        check(&RULE, "", &[(&add("a"), Expect::Warning("no index begins with (a)"))]);
        check(
            &RULE,
            "CREATE INDEX i ON big (a, b);",
            &[(&add("a"), Expect::Nothing), (&add("b, a"), Expect::Nothing)],
        );
        check(&RULE, "CREATE INDEX i ON big (b, a);", &[(&add("a"), Expect::Warning("(a)"))]);
        check(&RULE, "CREATE INDEX i ON big (a) WHERE a > 1;", &[(&add("a"), Expect::Warning("(a)"))]);
        check(
            &RULE,
            "",
            &[
                ("ALTER TABLE small ADD FOREIGN KEY (a) REFERENCES big (a)", Expect::Nothing),
                ("ALTER TABLE big ADD COLUMN x int REFERENCES small (a)", Expect::Warning("(x)")),
            ],
        );
    }
}
