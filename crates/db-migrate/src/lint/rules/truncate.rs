//! A table that is emptied.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::{Cascade, Change};
use crate::lint::site::{Found, HasRows, Site};

pub(super) const RULE: Rule = Rule {
    name: "truncate",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "TRUNCATE loses all rows, and with CASCADE those of every table that refers to them",
    instead: "DELETE in batches, of the rows that are meant",
    stands_for: &["ban-truncate-cascade"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::Truncate { table, cascade } = site.change else { return None };
    let full = site.called(table);
    let also = match cascade {
        Cascade::Cascade => ", and those of every table that refers to it",
        Cascade::Restrict => "",
    };
    let (severity, message) = match site.rows(table) {
        HasRows::No if *cascade == Cascade::Restrict => return None,
        HasRows::Yes => (Severity::Error, format!("all rows of {} are lost{also}", site.sized(table))),
        HasRows::No | HasRows::Maybe => {
            (Severity::Warning, format!("all rows of {full} are lost, if there are any{also}"))
        }
    };
    Some(
        Found::new(severity, message).help("DELETE the rows that are meant, in batches, and name each table"),
    )
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn rows_are_lost() {
        check(
            &RULE,
            "",
            &[
                ("TRUNCATE small", Expect::Error("all rows of public.small (about 10 rows")),
                ("TRUNCATE empty", Expect::Nothing),
                ("TRUNCATE empty CASCADE", Expect::Warning("every table that refers to it")),
            ],
        );
    }
}
