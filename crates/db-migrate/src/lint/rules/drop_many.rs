//! Many things dropped at once, with the rows of tables that the statement does not name.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Cascade, Change};
use crate::lint::name::Name;
use crate::lint::site::{Found, HasRows, Site};

pub(super) const RULE: Rule = Rule {
    name: "drop-many",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "DROP SCHEMA, DROP OWNED, and CASCADE from a type or an extension lose rows of tables that are not named",
    instead: "drop each table by name, after a backup",
    stands_for: &[],
    check,
};

/// Of a schema of many tables, the first ones are told.
const MOST_NAMED: usize = 3;

fn check(site: &Site<'_>) -> Option<Found> {
    let found = match site.change {
        Change::DropSchema { schema, cascade } => schema_dropped(site, schema, *cascade)?,
        Change::DropOwned => {
            Found::new(Severity::Error, "every table that the role owns is dropped, with its rows")
        }
        Change::DropKind { what } => {
            let used = site.state.relations().any(|(table, _)| site.rows(table) != HasRows::No);
            if !used && site.state.is_whole() {
                return None;
            }
            let message = format!("CASCADE drops every column that needs the {what}, with its values");
            Found::new(Severity::Error, message)
        }
        _ => return None,
    };
    Some(found.help("drop by name what is meant, so that a reader sees what goes; back it up first"))
}

fn schema_dropped(site: &Site<'_>, schema: &str, cascade: Cascade) -> Option<Found> {
    let inside = site.state.relations().filter(|(table, _)| table.schema.as_deref() == Some(schema));
    let filled: Vec<&Name> =
        inside.map(|(table, _)| table).filter(|table| site.rows(table) != HasRows::No).collect();
    if filled.is_empty() {
        let unknown = !site.state.is_whole() && cascade == Cascade::Cascade;
        let message = format!("whatever is in {schema} is lost, with all rows");
        return unknown.then(|| Found::new(Severity::Error, message));
    }
    let told: Vec<String> = filled.iter().take(MOST_NAMED).map(|table| site.sized(table)).collect();
    let more = match filled.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let tables = told.join(", ") + &more;
    Some(Found::new(
        Severity::Error,
        match cascade {
            Cascade::Cascade => format!("the rows of {tables} are lost"),
            Cascade::Restrict => format!("this fails: {schema} holds {tables}"),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, check_files};

    #[test]
    fn what_is_not_named_is_lost_all_the_same() {
        check(
            &RULE,
            "CREATE TABLE app.t (a int);",
            &[
                ("DROP SCHEMA app CASCADE", Expect::Error("the rows of app.t (about 10 rows")),
                ("DROP SCHEMA app", Expect::Error("this fails: app holds app.t")),
                ("DROP TABLE app.t; DROP SCHEMA app CASCADE", Expect::Nothing),
                ("DROP SCHEMA other CASCADE", Expect::Nothing),
                ("DROP SCHEMA public CASCADE", Expect::Error("and 2 more are lost")),
                ("DROP OWNED BY somebody", Expect::Error("every table that the role owns")),
                ("DROP TYPE mood CASCADE", Expect::Error("every column that needs the type")),
                ("DROP EXTENSION citext CASCADE", Expect::Error("every column that needs the extension")),
                ("DROP TYPE mood", Expect::Nothing),
            ],
        );
        check_files(
            &RULE,
            &[
                ("DROP SCHEMA app CASCADE", Expect::Error("whatever is in app is lost")),
                ("DROP SCHEMA app", Expect::Nothing),
            ],
        );
    }
}
