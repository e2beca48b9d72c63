//! Reads what a statement does off its syntax tree.

mod alter;
mod column;
mod create;
mod query;

use super::change::{Cascade, Change, How, Presence, ReindexTarget};
use super::name::{Name, folded};
use squawk_syntax::ast::{self, AstNode, Stmt};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::ops::Range;

/// A change, and where in the text it is written.
pub(crate) type Located = (Change, Range<usize>);

/// What a statement does, in its order.
pub(crate) fn understand(statement: &Stmt) -> Vec<Located> {
    let whole = range(statement.syntax());
    let all = |changes: Vec<Change>| changes.into_iter().map(|change| (change, whole.clone())).collect();
    match statement {
        Stmt::AlterTable(alter) => alter::table(alter),
        Stmt::CreateTable(table) => all(create::table(table).into_iter().collect()),
        Stmt::CreateTableAs(table) => all(create::table_as(table).into_iter().collect()),
        Stmt::CreateIndex(index) => all(create::index(index).into_iter().collect()),
        Stmt::CreateType(kind) => all(create::enumeration(kind).into_iter().collect()),
        Stmt::CreateView(view) => {
            all(name(view.view()).map(|view| Change::CreateView { view }).into_iter().collect())
        }
        Stmt::CreateMaterializedView(view) => {
            all(name(view.view()).map(|view| Change::CreateView { view }).into_iter().collect())
        }
        Stmt::CreateTrigger(trigger) => all(trigger
            .on_relation()
            .and_then(|on| name(on.relation_name_ref()))
            .map(|table| Change::CreateTrigger { table })
            .into_iter()
            .collect()),
        Stmt::DropTable(drop) => all(drop_tables(drop)),
        Stmt::DropIndex(drop) => all(drop_indexes(drop)),
        Stmt::DropView(drop) => {
            let (presence, cascade) = (lenient(&drop.if_exists()), behaviour(drop.drop_behavior().as_ref()));
            all(names(drop.view_refs()).map(|view| Change::DropView { view, presence, cascade }).collect())
        }
        Stmt::DropMaterializedView(drop) => {
            let (presence, cascade) = (lenient(&drop.if_exists()), behaviour(drop.drop_behavior().as_ref()));
            all(names(drop.view_refs()).map(|view| Change::DropView { view, presence, cascade }).collect())
        }
        Stmt::AlterIndex(alter) => all(alter::index(alter).into_iter().collect()),
        Stmt::AlterType(alter) => all(alter::enumeration(alter).into_iter().collect()),
        _ => all(others(statement)),
    }
}

fn others(statement: &Stmt) -> Vec<Change> {
    match statement {
        Stmt::Refresh(refresh) => name(refresh.view_ref())
            .map(|view| Change::Refresh { view, how: how(refresh.concurrently_token().is_some()) })
            .into_iter()
            .collect(),
        Stmt::Reindex(reindex) => vec![reindexed(reindex)],
        Stmt::Cluster(cluster) => {
            vec![Change::Repack { table: name(cluster.table_name_ref()), by: "CLUSTER" }]
        }
        Stmt::Vacuum(vacuum) if vacuum.is_full() => query::vacuum_full(vacuum),
        Stmt::Do(_) => vec![Change::Opaque("DO")],
        Stmt::Call(_) => vec![Change::Opaque("CALL")],
        Stmt::CreateExtension(_) | Stmt::Execute(_) => vec![Change::Anything],
        Stmt::Select(_) | Stmt::SelectInto(_) => {
            let mut found = query::nested(statement);
            found.extend(query::select(statement.syntax()));
            found
        }
        Stmt::Set(set) => query::search_path(set).into_iter().collect(),
        Stmt::Truncate(truncate) => query::truncate(truncate),
        Stmt::Update(_) | Stmt::Delete(_) | Stmt::Insert(_) | Stmt::Copy(_) | Stmt::Merge(_) => {
            let mut found = query::nested(statement);
            found.extend(query::write(statement));
            found
        }
        Stmt::Lock(lock) => query::lock(lock),
        _ => lost(statement).unwrap_or_else(|| vec![Change::Other]),
    }
}

/// What goes with rows that are not named.
fn lost(statement: &Stmt) -> Option<Vec<Change>> {
    let by_cascade = |behavior: Option<ast::DropBehavior>, what| match behaviour(behavior.as_ref()) {
        Cascade::Cascade => Some(vec![Change::DropKind { what }]),
        Cascade::Restrict => None,
    };
    match statement {
        Stmt::DropSchema(drop) => {
            let cascade = behaviour(drop.drop_behavior().as_ref());
            let schemas = drop.schema_refs().filter_map(|schema| single(Some(schema)));
            Some(schemas.map(|schema| Change::DropSchema { schema, cascade }).collect())
        }
        Stmt::DropOwned(_) => Some(vec![Change::DropOwned]),
        Stmt::DropType(drop) => by_cascade(drop.drop_behavior(), "type"),
        Stmt::DropDomain(drop) => by_cascade(drop.drop_behavior(), "domain"),
        Stmt::DropExtension(drop) => by_cascade(drop.drop_behavior(), "extension"),
        _ => None,
    }
}

fn drop_tables(drop: &ast::DropTable) -> Vec<Change> {
    let (presence, cascade) = (lenient(&drop.if_exists()), behaviour(drop.drop_behavior().as_ref()));
    names(drop.table_name_refs()).map(|table| Change::DropTable { table, presence, cascade }).collect()
}

fn drop_indexes(drop: &ast::DropIndex) -> Vec<Change> {
    let (presence, how) = (lenient(&drop.if_exists()), how(drop.concurrently_token().is_some()));
    names(drop.index_refs()).map(|index| Change::DropIndex { index, presence, how }).collect()
}

fn reindexed(reindex: &ast::Reindex) -> Change {
    let target = match reindex.reindex_target() {
        Some(ast::ReindexTarget::ReindexTargetTable(target)) => {
            name(target.table_name_ref()).map(ReindexTarget::Table)
        }
        Some(ast::ReindexTarget::ReindexTargetIndex(target)) => {
            name(target.index_ref()).map(ReindexTarget::Index)
        }
        _ => None,
    };
    Change::Reindex {
        target: target.unwrap_or(ReindexTarget::Everything),
        how: how(reindex.is_concurrently()),
    }
}

/// Where a node is in the text, without the blanks and comments before it, and without the semicolon.
pub(crate) fn range(node: &SyntaxNode) -> Range<usize> {
    let solid = |token: &squawk_syntax::SyntaxToken| {
        !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT | SyntaxKind::SEMICOLON)
    };
    let mut tokens = node.descendants_with_tokens().filter_map(|element| element.into_token()).filter(solid);
    let Some(first) = tokens.next() else { return node.text_range().into() };
    let last = tokens.last().unwrap_or_else(|| first.clone());
    first.text_range().start().into()..last.text_range().end().into()
}

fn text(node: &SyntaxNode) -> String {
    let mut text = String::new();
    for token in node.descendants_with_tokens().filter_map(|element| element.into_token()) {
        match token.kind() {
            SyntaxKind::WHITESPACE | SyntaxKind::COMMENT => text.push(' '),
            _ => text.push_str(token.text()),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn name<N: AstNode>(node: Option<N>) -> Option<Name> {
    Name::parse(&text(node?.syntax()))
}

fn names<N: AstNode>(nodes: impl Iterator<Item = N>) -> impl Iterator<Item = Name> {
    nodes.filter_map(|node| name(Some(node)))
}

fn single<N: AstNode>(node: Option<N>) -> Option<String> {
    node.map(|node| folded(&text(node.syntax())))
}

fn lenient<N>(clause: &Option<N>) -> Presence {
    if clause.is_some() { Presence::Lenient } else { Presence::Demanded }
}

fn behaviour(behaviour: Option<&ast::DropBehavior>) -> Cascade {
    match behaviour {
        Some(ast::DropBehavior::Cascade(_)) => Cascade::Cascade,
        _ => Cascade::Restrict,
    }
}

fn how(concurrently: bool) -> How {
    if concurrently { How::Concurrently } else { How::Blocking }
}

#[cfg(test)]
mod tests;
