//! A column that must have a value and gives none to the rows that are there.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, ConstraintKind};
use crate::lint::name::identifier;
use crate::lint::site::{Found, HasRows, Site};

pub(super) const RULE: Rule = Rule {
    name: "required-column",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "ADD COLUMN .. NOT NULL without a default fails as soon as there is a row",
    instead: "add it with a default, or without NOT NULL and fill it first",
    stands_for: &["adding-required-field"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::AddColumn { table, column, .. } = site.change else { return None };
    let is_key = column.constraints.iter().any(|one| matches!(one.kind, ConstraintKind::PrimaryKey { .. }));
    if !column.not_null || column.default.is_some() || column.filled_by.is_some() {
        return None;
    }
    let (name, why) = (&column.name, if is_key { "be a primary key" } else { "not be null" });
    let found = match site.rows(table) {
        HasRows::No => return None,
        HasRows::Yes => Found::new(
            Severity::Error,
            format!(
                "this fails: {} has rows, in which {name} would have no value and must {why}",
                site.sized(table)
            ),
        ),
        HasRows::Maybe => Found::new(
            Severity::Warning,
            format!(
                "this fails if {} has a row, in which {name} would have no value and must {why}",
                site.called(table)
            ),
        ),
    };
    let (table, kind) = (site.sql(table), column.kind.as_deref().unwrap_or(".."));
    let name = identifier(name);
    Some(found.help(format!("ALTER TABLE {table} ADD COLUMN {name} {kind} NOT NULL DEFAULT ..; or without NOT NULL, and fill it first")))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, check_files};

    #[test]
    fn an_empty_table_may_have_it() {
        check(
            &RULE,
            "",
            &[
                (
                    "ALTER TABLE small ADD COLUMN x int NOT NULL",
                    Expect::Error("this fails: public.small (about 10 rows"),
                ),
                ("ALTER TABLE small ADD COLUMN x int PRIMARY KEY", Expect::Error("must be a primary key")),
                ("ALTER TABLE empty ADD COLUMN x int NOT NULL", Expect::Nothing),
                ("ALTER TABLE small ADD COLUMN x int NOT NULL DEFAULT 1", Expect::Nothing),
                ("ALTER TABLE small ADD COLUMN x int NOT NULL GENERATED ALWAYS AS IDENTITY", Expect::Nothing),
                ("ALTER TABLE small ADD COLUMN x bigserial", Expect::Nothing),
                ("ALTER TABLE small ADD COLUMN x int", Expect::Nothing),
            ],
        );
        check_files(
            &RULE,
            &[("ALTER TABLE t ADD COLUMN x int NOT NULL", Expect::Warning("this fails if t has a row"))],
        );
    }
}
