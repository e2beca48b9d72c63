//! An index that is built while writes wait.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::RelationKind;
use crate::lint::change::{Change, How};
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "index-not-concurrent",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "CREATE INDEX without CONCURRENTLY lets writes wait until the index is built",
    instead: "CREATE INDEX CONCURRENTLY",
    stands_for: &["require-concurrent-index-creation"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::CreateIndex(index) = site.change else { return None };
    if index.how == How::Concurrently {
        return None;
    }
    let severity = site.weigh(&index.table)?;
    let message = format!("writes to {} wait until this index is built", site.sized(&index.table));
    let partitioned =
        site.relation(&index.table).is_some_and(|relation| relation.kind == RelationKind::Partitioned);
    Some(Found::new(severity, message).help(if partitioned {
        let table = site.sql(&index.table);
        format!(
            "CREATE INDEX i ON ONLY {table} (..); then, for each partition, CREATE INDEX CONCURRENTLY i_p ON p (..); and \
             ALTER INDEX i ATTACH PARTITION i_p;"
        )
    } else {
        index.concurrently.clone()
    }))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check, check_files};

    #[test]
    fn is_as_loud_as_the_table_is_big() {
        check(
            &RULE,
            "",
            &[
                ("CREATE INDEX i ON big (a)", Expect::Error("about 5,000,000 rows")),
                ("CREATE INDEX i ON mid (a)", Expect::Warning("about 50,000 rows")),
                ("CREATE INDEX i ON small (a)", Expect::Nothing),
                ("CREATE INDEX CONCURRENTLY i ON big (a)", Expect::Nothing),
                ("CREATE TABLE t (a int); CREATE INDEX i ON t (a)", Expect::Nothing),
                ("CREATE TABLE t AS SELECT 1 AS a; CREATE INDEX i ON t (a)", Expect::Nothing),
                (
                    "ALTER TABLE big RENAME TO huge; CREATE INDEX i ON huge (a)",
                    Expect::Error("public.huge ("),
                ),
                ("CREATE INDEX i ON parted (a)", Expect::Error("public.parted (")),
            ],
        );
    }

    #[test]
    fn without_a_catalogue_a_table_may_be_big() {
        check_files(
            &RULE,
            &[
                ("CREATE INDEX i ON t (a)", Expect::Warning("t (of a size that is not known)")),
                ("CREATE TABLE t (a int); CREATE INDEX i ON t (a)", Expect::Nothing),
            ],
        );
    }
}
