//! A table that running programs do not find any more.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::catalogue::Size;
use crate::lint::change::Change;
use crate::lint::name::Name;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "rename-table",
    severity: Severity::Warning,
    asked: Asked::ByDefault,
    says: "programs of the version before still ask for the old name",
    instead: "a view of the old name, dropped when no program asks for it",
    stands_for: &["renaming-table"],
    check,
};

fn check(site: &Site<'_>) -> Option<Found> {
    let (table, to) = match site.change {
        Change::RenameTable { table, to } => (table, Name { schema: None, name: to.clone() }),
        Change::MoveTable { table, schema } => (table, Name::new(schema, &table.name)),
        _ => return None,
    };
    if site.size(table) == Size::New {
        return None;
    }
    let old = site.called(table);
    let new = old.schema.as_deref().map_or_else(|| to.clone(), |schema| to.within(schema));
    let message = format!("programs that run now ask for {old}, and fail until they are replaced");
    Some(Found::new(Severity::Warning, message).help(format!(
        "in the same migration, CREATE VIEW {} AS SELECT * FROM {}; and drop it when no program uses it",
        old.sql(),
        new.sql()
    )))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::tests::{Expect, check};

    #[test]
    fn a_name_is_in_use_while_the_table_is() {
        check(
            &RULE,
            "",
            &[
                ("ALTER TABLE small RENAME TO t", Expect::Warning("ask for public.small")),
                ("ALTER TABLE big SET SCHEMA app", Expect::Warning("ask for public.big")),
                ("CREATE TABLE t (a int); ALTER TABLE t RENAME TO u", Expect::Nothing),
            ],
        );
    }
}
