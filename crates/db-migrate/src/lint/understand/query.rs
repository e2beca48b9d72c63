//! Statements that read and write rows, and settings.

use super::{behaviour, name, names, text};
use crate::lint::change::{Change, Lock, Rows, Write};
use crate::lint::name::{Name, folded};
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode, Stmt};

pub(super) fn vacuum_full(vacuum: &ast::Vacuum) -> Vec<Change> {
    let by = "VACUUM FULL";
    let tables: Vec<Name> = vacuum
        .table_and_columns_list()
        .into_iter()
        .flat_map(|list| list.table_and_columnss())
        .filter_map(|one| name(one.table_relation_name()?.table_name_ref()))
        .collect();
    match tables.is_empty() {
        true => vec![Change::Repack { table: None, by }],
        false => tables.into_iter().map(|table| Change::Repack { table: Some(table), by }).collect(),
    }
}

pub(super) fn truncate(truncate: &ast::Truncate) -> Vec<Change> {
    let cascade = behaviour(truncate.drop_behavior().as_ref());
    let tables = truncate.table_list().into_iter().flat_map(|list| list.table_relation_names());
    let tables = tables.filter_map(|relation| name(relation.table_name_ref()));
    tables.map(|table| Change::Truncate { table, cascade }).collect()
}

/// A query that calls nothing changes nothing.
pub(super) fn select(statement: &SyntaxNode) -> Vec<Change> {
    let calls = statement.descendants().any(|node| ast::CallExpr::can_cast(node.kind()));
    let makes = ast::SelectInto::can_cast(statement.kind());
    vec![if calls || makes { Change::Anything } else { Change::Other }]
}

/// The writes in the `WITH` of a statement.
pub(super) fn nested(statement: &Stmt) -> Vec<Change> {
    let inner = statement.syntax().descendants().skip(1).filter_map(Stmt::cast);
    let writes = inner.filter(|inner| {
        matches!(inner, Stmt::Update(_) | Stmt::Delete(_) | Stmt::Insert(_) | Stmt::Merge(_))
    });
    writes.filter_map(|inner| write(&inner)).collect()
}

/// By the worst that it does to a row.
fn merged(merge: &ast::Merge) -> Write {
    let mut worst = Write::Insert;
    for action in merge.syntax().descendants().filter_map(ast::MergeAction::cast) {
        match action {
            ast::MergeAction::MergeDelete(_) => return Write::Delete(Rows::Some),
            ast::MergeAction::MergeUpdate(_) => worst = Write::Update(Rows::Some),
            ast::MergeAction::MergeDoNothing(_) | ast::MergeAction::MergeInsert(_) => {}
        }
    }
    worst
}

pub(super) fn write(statement: &Stmt) -> Option<Change> {
    let rows =
        |clause: Option<ast::WhereClauseOrCurrentOf>| if clause.is_some() { Rows::Some } else { Rows::All };
    let (table, what) = match statement {
        Stmt::Update(update) => (
            name(update.relation_name()?.relation_name_ref())?,
            Write::Update(rows(update.where_clause_or_current_of())),
        ),
        Stmt::Delete(delete) => (
            name(delete.relation_name()?.relation_name_ref())?,
            Write::Delete(rows(delete.where_clause_or_current_of())),
        ),
        Stmt::Merge(merge) => (name(merge.table_relation_name()?.table_name_ref())?, merged(merge)),
        Stmt::Insert(insert) => (name(insert.relation_name_ref())?, Write::Insert),
        Stmt::Copy(copy) => {
            let Some(ast::CopyDirection::CopyFrom(_)) = copy.copy_direction() else {
                return Some(Change::Other);
            };
            (name(copy.copy_table()?.table_name_ref())?, Write::Insert)
        }
        _ => return Some(Change::Other),
    };
    let from = names(
        statement
            .syntax()
            .descendants()
            .filter_map(ast::RelationFromItem::cast)
            .filter_map(|item| item.relation_name_ref()),
    );
    Some(Change::Write { table, what, from: from.collect() })
}

pub(super) fn lock(lock: &ast::Lock) -> Vec<Change> {
    let words = lock.lock_mode_clause().map(|clause| text(clause.syntax()).to_ascii_uppercase());
    let mode = match words.as_deref() {
        None | Some("IN ACCESS EXCLUSIVE MODE" | "IN EXCLUSIVE MODE") => Lock::AccessExclusive,
        Some("IN SHARE ROW EXCLUSIVE MODE") => Lock::ShareRowExclusive,
        Some("IN SHARE MODE") => Lock::Share,
        Some("IN SHARE UPDATE EXCLUSIVE MODE") => Lock::ShareUpdateExclusive,
        Some(_) => Lock::RowExclusive,
    };
    let tables = lock.relation_list().into_iter().flat_map(|list| list.relation_names());
    let tables = names(tables.filter_map(|relation| relation.relation_name_ref()));
    tables.map(|table| Change::Lock { table, mode }).collect()
}

/// `SET search_path TO a, b`, for however long.
pub(super) fn search_path(set: &ast::Set) -> Option<Change> {
    let words = text(set.syntax());
    let lower = words.to_ascii_lowercase();
    let at = lower
        .find("search_path")
        .filter(|at| matches!(lower[..*at].trim_end(), "set" | "set local" | "set session"))?;
    let rest = words[at + "search_path".len()..].trim_start();
    let values = rest
        .strip_prefix('=')
        .or_else(|| rest.get(..2).filter(|to| to.eq_ignore_ascii_case("to")).map(|_| &rest[2..]))?;
    let schemas =
        values.trim_end_matches(';').split(',').map(|schema| folded(schema.trim().trim_matches('\'')));
    Some(Change::SearchPath(schemas.filter(|schema| !schema.is_empty()).collect()))
}
