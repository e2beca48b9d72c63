//! Something that others are built on.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Dependent;
use crate::lint::change::{Cascade, Change, ConstraintKind};
use crate::lint::name::Name;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "dropped-with-dependents",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "dropping what a view or a function is built on fails, or with CASCADE drops those too",
    instead: "change or drop what is built on it first, by name",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let (relation, column, cascade) = match site.change {
        Change::DropTable { table, cascade, .. } | Change::DropView { view: table, cascade, .. } => {
            (table, None, *cascade)
        }
        Change::DropColumn { table, column, cascade, .. } => (table, Some(column), *cascade),
        Change::SetType { table, column, .. } => (table, Some(column), Cascade::Restrict),
        _ => return None,
    };
    let found = site.relation(relation)?;
    let touched = |dependent: &&Dependent| column.is_none() || dependent.column.as_ref() == column;
    let mut names: Vec<String> =
        found.dependents.iter().filter(touched).map(|dependent| dependent.what.clone()).collect();
    let full = site.state.called(relation);
    if column.is_none() {
        names.extend(referring(site, &full));
    }
    names.retain(|name| !is_gone(site, name));
    names.sort();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let what = column.map_or_else(|| full.to_string(), |column| format!("{full}.{column}"));
    let list = names.join(", ");
    Some(match cascade {
        Cascade::Restrict => Found::new(Severity::Error, format!("this fails: {list} depends on {what}"))
            .help("drop or change what depends on it first, and make it anew afterwards"),
        Cascade::Cascade => Found::new(Severity::Warning, format!("CASCADE drops {list} with {what}"))
            .help("drop what depends on it by name, so that a reader sees what goes"),
    })
}

/// The foreign keys of other tables.
fn referring(site: &Site<'_>, full: &Name) -> Vec<String> {
    let mut found = Vec::new();
    for (table, relation) in site.state.relations().filter(|(table, _)| *table != full) {
        for constraint in &relation.constraints {
            if matches!(&constraint.kind, ConstraintKind::ForeignKey { to } if to == full) {
                let name = constraint.name.as_deref().unwrap_or("its foreign key");
                found.push(format!("foreign key {name} of {table}"));
            }
        }
    }
    found
}

/// Whether an earlier statement has dropped a view that the catalogue had.
fn is_gone(site: &Site<'_>, dependent: &str) -> bool {
    let view = dependent.strip_prefix("view ").or_else(|| dependent.strip_prefix("materialized view "));
    view.and_then(Name::parse).is_some_and(|view| site.state.lacks(&view))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn a_view_keeps_its_table() {
        check(
            &RULE,
            "",
            &[
                ("DROP TABLE seen", Expect::Error("this fails: view public.looks depends on public.seen")),
                (
                    "DROP TABLE seen CASCADE",
                    Expect::Warning("CASCADE drops view public.looks with public.seen"),
                ),
                ("ALTER TABLE seen DROP COLUMN a", Expect::Error("depends on public.seen.a")),
                ("ALTER TABLE seen DROP COLUMN b", Expect::Nothing),
                ("ALTER TABLE seen ALTER a TYPE bigint", Expect::Error("depends on public.seen.a")),
                ("DROP VIEW looks; DROP TABLE seen", Expect::Nothing),
                ("DROP TABLE small", Expect::Nothing),
            ],
        );
    }

    #[test]
    fn so_does_a_foreign_key() {
        let setup = "CREATE TABLE child (a int CONSTRAINT k REFERENCES small (a));";
        check(
            &RULE,
            setup,
            &[
                ("DROP TABLE small", Expect::Error("foreign key k of public.child")),
                ("DROP TABLE child; DROP TABLE small", Expect::Nothing),
                ("ALTER TABLE child DROP CONSTRAINT k; DROP TABLE small", Expect::Nothing),
            ],
        );
    }
}
