//! What a statement that runs by itself leaves behind, so that somebody who finds the database later can tell whether it
//! ran.

use squawk_syntax::SourceFile;
use squawk_syntax::ast::{AlterTableAction, AstNode, Stmt};

/// The effect of a statement that no transaction protects. Names are as the statement writes them, quotes and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// An index, by the name it is given, on a table.
    CreateIndex {
        /// `None` where the server chooses.
        name: Option<String>,
        table: String,
    },
    /// No index of these names.
    DropIndex { names: Vec<String> },
    /// The table is no partition any more.
    Detach { partition: String },
    /// A database of this name.
    CreateDatabase { name: String },
    /// No database of this name.
    DropDatabase { name: String },
    /// The same when it runs once more.
    Repeatable,
    /// Nothing that could be looked for.
    Unknown,
}

/// Reads a statement's effect off its syntax tree.
pub(crate) fn effect(statement: &str) -> Effect {
    let parsed = SourceFile::parse(statement);
    let mut statements = parsed.tree().stmts();
    match (statements.next(), statements.next()) {
        (Some(statement), None) => of(&statement).unwrap_or(Effect::Unknown),
        _ => Effect::Unknown,
    }
}

fn of(statement: &Stmt) -> Option<Effect> {
    Some(match statement {
        Stmt::CreateIndex(create) => Effect::CreateIndex {
            name: create.index().map(|index| text(&index)),
            table: text(&create.table_relation_name()?.table_name_ref()?),
        },
        Stmt::DropIndex(drop) => {
            Effect::DropIndex { names: drop.index_refs().map(|name| text(&name)).collect() }
        }
        Stmt::AlterTable(alter) => alter.actions().find_map(|action| match action {
            AlterTableAction::DetachPartition(detach) => {
                Some(Effect::Detach { partition: text(&detach.table_name_ref()?) })
            }
            _ => None,
        })?,
        Stmt::CreateDatabase(create) => Effect::CreateDatabase { name: text(&create.database()?) },
        Stmt::DropDatabase(drop) => Effect::DropDatabase { name: text(&drop.database_ref()?) },
        Stmt::Vacuum(_) | Stmt::Cluster(_) | Stmt::Reindex(_) | Stmt::AlterSystem(_) | Stmt::Discard(_) => {
            Effect::Repeatable
        }
        _ => return None,
    })
}

fn text(node: &impl AstNode) -> String {
    node.syntax().text().to_string().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Effect, effect};

    #[test]
    fn is_read_off_the_statement() {
        let index = |name: Option<&str>, table: &str| Effect::CreateIndex {
            name: name.map(str::to_owned),
            table: table.to_owned(),
        };
        for (sql, expected) in [
            ("CREATE INDEX CONCURRENTLY i ON t (a)", index(Some("i"), "t")),
            (
                "create unique index concurrently if not exists \"I x\" on only app.\"T\" using gin (lower(a)) where a > 1",
                index(Some("\"I x\""), "app.\"T\""),
            ),
            ("CREATE INDEX CONCURRENTLY ON t (a)", index(None, "t")),
            (
                "DROP INDEX CONCURRENTLY IF EXISTS a.i, \"j\"",
                Effect::DropIndex { names: vec!["a.i".into(), "\"j\"".into()] },
            ),
            ("ALTER TABLE t DETACH PARTITION s.p CONCURRENTLY", Effect::Detach { partition: "s.p".into() }),
            ("CREATE DATABASE d", Effect::CreateDatabase { name: "d".into() }),
            ("DROP DATABASE IF EXISTS d", Effect::DropDatabase { name: "d".into() }),
            ("VACUUM (ANALYZE) t", Effect::Repeatable),
            ("REINDEX TABLE CONCURRENTLY t", Effect::Repeatable),
            ("ALTER SYSTEM SET work_mem = '4MB'", Effect::Repeatable),
            ("CALL p()", Effect::Unknown),
        ] {
            assert_eq!(effect(sql), expected, "{sql}");
        }
    }
}
