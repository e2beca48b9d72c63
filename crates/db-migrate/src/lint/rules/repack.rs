//! A table that is written anew as a whole.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::Change;
use crate::lint::name::Name;
use crate::lint::site::{Found, Sight, Site};

pub(super) const RULE: Rule = Rule {
    name: "table-rewritten",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "VACUUM FULL, CLUSTER, SET LOGGED and the like write the whole table anew while reads and writes wait",
    instead: "pg_repack or pg_squeeze; REPACK CONCURRENTLY from PostgreSQL 19 on",
    stands_for: &["prefer-repack"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let (table, by) = match site.change {
        Change::Repack { table, by } => (table.as_ref(), *by),
        Change::RewriteTable { table, by } => (Some(table), *by),
        Change::MoveIndex { index } => return moved(site, index),
        _ => return None,
    };
    let Some(table) = table else {
        let message = format!(
            "{by} without a table writes every table anew, one after the other, while its readers wait"
        );
        return Some(Found::new(Severity::Error, message).help("name the tables that need it"));
    };
    let severity = site.weigh(table)?;
    let message = format!("reads and writes of {} wait while {by} writes it anew", site.sized(table));
    Some(Found::new(severity, message).help(format!(
        "pg_repack --table {} does the same beside its users; to give space back to the table alone, VACUUM {};",
        site.called(table),
        site.sql(table)
    )))
}

/// An index is written anew elsewhere, behind a lock on it that each query of its table would need.
fn moved(site: &Site<'_>, index: &Name) -> Option<Found> {
    let (severity, table) = match site.state.index(index) {
        Some((table, _)) => (site.weigh(table)?, site.sized(table)),
        None if site.state.is_whole() && site.sight == Sight::Seeing => return None,
        None => (Severity::Warning, "its table".to_owned()),
    };
    let message = format!("reads and writes of {table} wait while SET TABLESPACE writes {index} anew");
    let help =
        format!("REINDEX (TABLESPACE ..) INDEX CONCURRENTLY {}; does the same beside its users", index.sql());
    Some(Found::new(severity, message).help(help))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn a_small_table_is_soon_done() {
        check(
            &RULE,
            "",
            &[
                ("VACUUM FULL big", Expect::Error("VACUUM FULL writes it anew")),
                ("VACUUM (FULL) big", Expect::Error("VACUUM FULL writes it anew")),
                ("CLUSTER big USING i", Expect::Error("CLUSTER writes it anew")),
                ("ALTER TABLE big SET UNLOGGED", Expect::Error("SET UNLOGGED")),
                ("VACUUM FULL", Expect::Error("every table")),
                ("VACUUM big", Expect::Nothing),
                ("VACUUM FULL small", Expect::Nothing),
            ],
        );
        let setup = "CREATE INDEX big_a ON big (a); CREATE INDEX small_a ON small (a);";
        check(
            &RULE,
            setup,
            &[
                ("ALTER INDEX big_a SET TABLESPACE s", Expect::Error("while SET TABLESPACE writes big_a")),
                ("ALTER INDEX small_a SET TABLESPACE s", Expect::Nothing),
            ],
        );
    }
}
