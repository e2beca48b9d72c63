//! A write of very many rows at once.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Size;
use crate::lint::change::{Change, Rows, Write};
use crate::lint::site::{Found, Sight, Site};

pub(super) const RULE: Rule = Rule {
    name: "unbatched-write",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "UPDATE or DELETE over a big table, or of all rows, locks them all until it ends and leaves as many dead ones",
    instead: "batches of some thousand rows, each in its own transaction",
    stands_for: &[],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::Write { table, what, .. } = site.change else { return None };
    let (verb, rows) = match what {
        Write::Insert => return None,
        Write::Update(rows) => ("UPDATE", rows),
        Write::Delete(rows) => ("DELETE", rows),
    };
    // By a condition it may be one row; of a table that is not known nobody can tell.
    let severity = match (site.weigh(table)?, rows) {
        (severity, Rows::All) => severity,
        (_, Rows::Some) if site.size(table) == Size::Unknown && site.sight == Sight::Seeing => return None,
        (_, Rows::Some) => Severity::Warning,
    };
    let sized = site.sized(table);
    let message = match rows {
        Rows::All => {
            format!("this {verb} has no WHERE: it locks every row of {sized} until its transaction ends")
        }
        Rows::Some => {
            format!("this {verb} reads {sized} and locks every row that fits until its transaction ends")
        }
    };
    let name = site.sql(table);
    Some(Found::new(severity, message).help(match verb {
        "DELETE" => format!(
            "DELETE FROM {name} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {name} WHERE .. LIMIT 5000)); again and again, each in a \
             transaction of its own"
        ),
        _ => format!(
            "UPDATE {name} SET .. WHERE id > :last AND id <= :last + 5000; on and on, each in a transaction of its own"
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, check_files};

    #[test]
    fn few_rows_are_written_at_once() {
        check(
            &RULE,
            "",
            &[
                ("UPDATE big SET a = 1", Expect::Error("has no WHERE")),
                ("DELETE FROM big", Expect::Error("this DELETE has no WHERE")),
                ("UPDATE big SET a = 1 WHERE b > 7", Expect::Warning("every row that fits")),
                ("WITH x AS (DELETE FROM big RETURNING 1) SELECT * FROM x", Expect::Error("has no WHERE")),
                (
                    "MERGE INTO big USING small ON big.a = small.a WHEN MATCHED THEN DELETE",
                    Expect::Warning("every row that fits"),
                ),
                ("UPDATE small SET a = 1", Expect::Nothing),
                ("INSERT INTO big VALUES (1)", Expect::Nothing),
            ],
        );
        check_files(
            &RULE,
            &[
                ("UPDATE t SET a = 1", Expect::Warning("has no WHERE")),
                ("UPDATE t SET a = 1 WHERE a = 2", Expect::Nothing),
            ],
        );
    }
}
