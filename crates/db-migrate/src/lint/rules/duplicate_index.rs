//! An index that is there already, by another name.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Cover;
use crate::lint::change::Change;
use crate::lint::name::identifier;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "duplicate-index",
    severity: Severity::Warning,
    asked: Asked::ByDefault,
    says: "an index on the same columns exists, and each write pays for both",
    instead: "nothing, or drop the other one",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::CreateIndex(index) = site.change else { return None };
    let twin = site.relation(&index.table)?.indexes.iter().find(|other| {
        let same = other.columns == index.columns && other.method == index.method;
        let plain = other.cover == Cover::Plain && index.cover == Cover::Plain;
        // Expressions are not compared.
        let same = same && plain && index.columns.iter().all(Option::is_some);
        // A unique one does what a plain one does, and not the other way round.
        same && other.valid && (other.unique || !index.unique) && index.name.as_ref() != Some(&other.name)
    })?;
    let message = format!("{} has {} on the same columns", site.called(&index.table), twin.name);
    Some(
        Found::new(Severity::Warning, message)
            .help(format!("leave it out, or drop {} later", identifier(&twin.name))),
    )
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn one_index_on_the_same_columns_is_enough() {
        check(
            &RULE,
            "CREATE INDEX i ON small (a, b); CREATE INDEX j ON small (b DESC);",
            &[
                ("CREATE INDEX k ON small (a, b)", Expect::Warning("public.small has i on the same columns")),
                ("CREATE INDEX k ON small (b, a)", Expect::Nothing),
                ("CREATE INDEX k ON small (a)", Expect::Nothing),
                ("CREATE INDEX k ON small (b)", Expect::Nothing),
                ("CREATE INDEX k ON small (lower(a)); CREATE INDEX l ON small (upper(a))", Expect::Nothing),
                ("CREATE UNIQUE INDEX k ON small (a, b)", Expect::Nothing),
                ("CREATE INDEX k ON small USING hash (a)", Expect::Nothing),
                ("DROP INDEX i; CREATE INDEX k ON small (a, b)", Expect::Nothing),
                ("CREATE TABLE t (a int PRIMARY KEY); CREATE INDEX k ON t (a)", Expect::Warning("t_pkey")),
            ],
        );
    }
}
