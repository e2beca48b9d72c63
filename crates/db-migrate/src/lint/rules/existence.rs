//! What is there already, and what is not there: the statement fails, says the catalogue.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Change, Presence};
use crate::lint::name::Name;
use crate::lint::site::{Found, Site};
use crate::lint::state::Knowledge;

pub(super) const MISSING: Rule = Rule {
    name: "does-not-exist",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "the catalogue has no such table, column, constraint or index, so the statement fails",
    instead: "the right name, or IF EXISTS",
    stands_for: &[],
    check: missing,
};

pub(super) const EXISTS: Rule = Rule {
    name: "exists-already",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "the catalogue has a table, column, constraint, index or enum value of this name, so the statement fails",
    instead: "another name; IF NOT EXISTS only where whatever is there will do",
    stands_for: &[],
    check: exists,
};

fn missing(site: &Site<'_>) -> Option<Found> {
    let absent = absent(site)?;
    let near = nearest(site, &absent);
    let found = Found::new(Severity::Error, format!("this fails: there is no {}", absent.what));
    Some(match near {
        Some(near) => found.help(format!("did you mean {near}?")),
        None => found,
    })
}

struct Absent {
    what: String,
    table: Option<Name>,
}

fn absent(site: &Site<'_>) -> Option<Absent> {
    let certain = site.state.knowledge == Knowledge::Whole;
    if !certain {
        return None;
    }
    match site.change {
        Change::DropTable { presence: Presence::Lenient, .. }
        | Change::DropView { presence: Presence::Lenient, .. }
        | Change::DropIndex { presence: Presence::Lenient, .. }
        | Change::CreateTable(_) => return None,
        Change::DropView { view, .. } | Change::Refresh { view, .. } => {
            return site
                .state
                .lacks(view)
                .then(|| Absent { what: format!("view {view}"), table: Some(view.clone()) });
        }
        Change::DropIndex { index, .. } => {
            let known = site.state.index(index).is_some();
            return (!known).then(|| Absent { what: format!("index {index}"), table: None });
        }
        _ => {}
    }
    let table = site.change.table()?;
    if site.text.to_ascii_lowercase().contains("if exists") && site.state.lacks(table) {
        return None;
    }
    if site.state.lacks(table) {
        return Some(Absent { what: format!("table {table}"), table: Some(table.clone()) });
    }
    let relation = site.relation(table)?;
    let full = site.called(table);
    let no_column = |column: &str| relation.complete && relation.column(column).is_none();
    match site.change {
        Change::DropColumn { presence: Presence::Lenient, .. } => None,
        Change::DropConstraint { name, presence: Presence::Demanded, .. } | Change::Validate { name, .. } => {
            let gone = relation.complete && relation.constraint(name).is_none();
            gone.then(|| Absent { what: format!("constraint {name} of {full}"), table: None })
        }
        change => {
            let column = change.column().filter(|column| no_column(column))?;
            Some(Absent { what: format!("column {column} of {full}"), table: None })
        }
    }
}

/// A relation of nearly the same name.
fn nearest(site: &Site<'_>, absent: &Absent) -> Option<String> {
    let wanted = &absent.table.as_ref()?.name;
    let near = |name: &Name| strsim::jaro_winkler(wanted, &name.name);
    let best = site.state.relations().map(|(name, _)| name).max_by(|a, b| near(a).total_cmp(&near(b)))?;
    (near(best) > 0.85).then(|| best.to_string())
}

fn exists(site: &Site<'_>) -> Option<Found> {
    if site.state.knowledge != Knowledge::Whole {
        return None;
    }
    let what = match site.change {
        Change::CreateTable(table) if table.presence == Presence::Demanded => {
            let name = site.state.placed(&table.name);
            site.relation(&name).map(|_| format!("a relation {name}"))
        }
        Change::AddColumn { table, column, presence: Presence::Demanded } => site
            .relation(table)
            .filter(|relation| relation.column(&column.name).is_some())
            .map(|_| format!("a column {} of {}", column.name, site.called(table))),
        Change::AddConstraint { table, constraint } => {
            let name = constraint.name.as_deref()?;
            let found = site.relation(table)?.constraint(name);
            found.map(|_| format!("a constraint {name} of {}", site.called(table)))
        }
        Change::CreateIndex(index) if index.presence == Presence::Demanded => {
            let name = site.called(&index.table).renamed(index.name.as_deref()?);
            site.state.index(&name).map(|_| format!("an index {name}"))
        }
        Change::RenameTable { table, to } => {
            let name = site.called(table).renamed(to);
            site.relation(&name).map(|_| format!("a relation {name}"))
        }
        Change::RenameColumn { table, to, .. } => {
            let found = site.relation(table)?.column(to);
            found.map(|_| format!("a column {to} of {}", site.called(table)))
        }
        Change::AddEnumValue { name, value, presence: Presence::Demanded } => {
            let values = site.state.enumeration(name)?;
            values.contains(value).then(|| format!("a value '{value}' of {name}"))
        }
        _ => None,
    }?;
    Some(Found::new(Severity::Error, format!("this fails: there is {what} already")))
}

#[cfg(test)]
mod tests {
    use super::{EXISTS, MISSING};
    use crate::lint::tests::{Expect, check, check_files};

    #[test]
    fn what_is_not_there_cannot_be_changed() {
        check(
            &MISSING,
            "CREATE INDEX i ON small (a);",
            &[
                ("ALTER TABLE smal ADD x int", Expect::Error("there is no table smal")),
                ("ALTER TABLE IF EXISTS smal ADD x int", Expect::Nothing),
                ("ALTER TABLE small DROP COLUMN x", Expect::Error("no column x of public.small")),
                ("ALTER TABLE small DROP COLUMN IF EXISTS x", Expect::Nothing),
                ("ALTER TABLE small ADD x int; ALTER TABLE small DROP COLUMN x", Expect::Nothing),
                ("ALTER TABLE small VALIDATE CONSTRAINT k", Expect::Error("no constraint k of public.small")),
                ("DROP TABLE t", Expect::Error("no table t")),
                ("DROP TABLE IF EXISTS t", Expect::Nothing),
                ("CREATE TABLE t (a int); DROP TABLE t", Expect::Nothing),
                ("DROP TABLE small; ALTER TABLE small ADD x int", Expect::Error("no table small")),
                ("DROP INDEX j", Expect::Error("no index j")),
                ("DROP INDEX i", Expect::Nothing),
                ("CREATE INDEX ON t (a)", Expect::Error("no table t")),
                ("UPDATE pg_catalog.pg_class SET relname = 'a'", Expect::Nothing),
                ("DO $$ BEGIN END $$; DROP TABLE t", Expect::Nothing),
                ("CREATE SCHEMA later; CREATE TABLE later.t (a int); DROP TABLE later.t", Expect::Nothing),
            ],
        );
        check_files(&MISSING, &[("DROP TABLE t", Expect::Nothing)]);
    }

    #[test]
    fn what_is_there_cannot_be_made() {
        check(
            &EXISTS,
            "CREATE INDEX i ON small (a); ALTER TABLE small ADD CONSTRAINT k CHECK (a > 1); CREATE TYPE mood AS ENUM ('sad');",
            &[
                ("CREATE TABLE small (a int)", Expect::Error("a relation public.small already")),
                ("CREATE TABLE IF NOT EXISTS small (a int)", Expect::Nothing),
                ("CREATE TABLE app.small (a int)", Expect::Nothing),
                ("DROP TABLE small; CREATE TABLE small (a int)", Expect::Nothing),
                ("ALTER TABLE small ADD COLUMN a int", Expect::Error("a column a of public.small")),
                ("ALTER TABLE small ADD CONSTRAINT k CHECK (a > 2)", Expect::Error("a constraint k")),
                ("CREATE INDEX i ON big (a)", Expect::Error("an index public.i")),
                ("ALTER TABLE big RENAME TO small", Expect::Error("a relation public.small")),
                ("ALTER TYPE mood ADD VALUE 'sad'", Expect::Error("a value 'sad' of mood")),
                ("ALTER TYPE mood ADD VALUE 'glad'", Expect::Nothing),
            ],
        );
    }
}
