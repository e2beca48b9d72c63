//! `CREATE`.

use super::{column, how, lenient, name, names, single, text};
use crate::lint::catalogue::Cover;
use crate::lint::change::{Change, Column, Constraint, NewIndex, NewTable};
use crate::lint::name::Name;
use crate::lint::state::TEMPORARY;
use squawk_syntax::ast::{self, AstNode};

pub(super) fn table(create: &ast::CreateTable) -> Option<Change> {
    let (mut columns, mut constraints, mut complete) = (Vec::new(), Vec::new(), true);
    for arg in create.table_arg_list().into_iter().flat_map(|list| list.args()) {
        match arg {
            ast::TableArg::Column(found) => columns.extend(column::defined(&found)),
            ast::TableArg::TableConstraint(found) => {
                let found = ast::Constraint::cast(found.syntax().clone());
                constraints.extend(found.and_then(|found| column::constraint(&found, None)));
            }
            ast::TableArg::LikeClause(_) => complete = false,
        }
    }
    constraints
        .extend(columns.iter_mut().flat_map(|column: &mut Column| std::mem::take(&mut column.constraints)));
    settle(&mut columns, &constraints);
    let partition_of = create.partition_of().and_then(|partition| name(partition.table_name_ref()));
    complete &= partition_of.is_none() && create.inherits().is_none() && create.of_type().is_none();
    Some(Change::CreateTable(Box::new(NewTable {
        name: placed(name(create.table_name())?, create.persistence().as_ref()),
        presence: lenient(&create.if_not_exists()),
        columns,
        constraints,
        complete,
        partition_of,
        partitioned: create.partition_by().is_some(),
        filled: false,
    })))
}

/// A temporary table is in a schema of its own.
fn placed(name: Name, persistence: Option<&ast::Persistence>) -> Name {
    match persistence {
        Some(ast::Persistence::Temp(_)) => name.within(TEMPORARY),
        _ => name,
    }
}

/// The columns of a primary key cannot be null.
fn settle(columns: &mut [Column], constraints: &[Constraint]) {
    let is_key = |constraint: &&Constraint| {
        matches!(constraint.kind, crate::lint::change::ConstraintKind::PrimaryKey { .. })
    };
    for constraint in constraints.iter().filter(is_key) {
        for column in columns.iter_mut().filter(|column| constraint.columns.contains(&column.name)) {
            column.not_null = true;
        }
    }
}

pub(super) fn table_as(create: &ast::CreateTableAs) -> Option<Change> {
    let empty = create
        .data_option()
        .is_some_and(|option| text(option.syntax()).to_ascii_lowercase().contains("no data"));
    Some(Change::CreateTable(Box::new(NewTable {
        name: placed(name(create.table_name())?, create.persistence().as_ref()),
        presence: lenient(&create.if_not_exists()),
        columns: Vec::new(),
        constraints: Vec::new(),
        complete: false,
        partition_of: None,
        partitioned: false,
        filled: !empty,
    })))
}

pub(super) fn index(create: &ast::CreateIndex) -> Option<Change> {
    let table = create.table_relation_name().and_then(|relation| name(relation.table_name_ref()))?;
    let items: Vec<_> = create.partition_item_list()?.partition_items().collect();
    let is_bare = |item: &ast::PartitionItem| {
        item.collate().is_none()
            && item.op_class_ref().is_none()
            && item.attribute_list().is_none()
            && item.sort_order().is_none()
            && item.nulls_order().is_none()
    };
    let column = |item: &ast::PartitionItem| match item.expr() {
        Some(ast::Expr::NameRef(column)) => Some(column.text()),
        _ => None,
    };
    let method = create.using_method().and_then(|using| single(using.access_method_ref()));
    let bare = items.iter().all(is_bare)
        && create.index_include_clause().is_none()
        && create.nulls_distinct_option().is_none();
    let cover = match (create.where_clause(), bare) {
        (Some(_), _) => Cover::Partial,
        (None, true) => Cover::Plain,
        (None, false) => Cover::Special,
    };
    Some(Change::CreateIndex(Box::new(NewIndex {
        name: single(create.index()),
        table,
        unique: create.unique_token().is_some(),
        how: how(create.concurrently_token().is_some()),
        presence: lenient(&create.if_not_exists()),
        method: method.unwrap_or_else(|| "btree".to_owned()),
        columns: items.iter().map(column).collect(),
        cover,
        concurrently: concurrently(create),
    })))
}

/// The same statement with `CONCURRENTLY`.
fn concurrently(create: &ast::CreateIndex) -> String {
    let sql = text(create.syntax());
    let sql = sql.trim_end_matches(|end: char| end == ';' || end.is_whitespace());
    match sql.to_ascii_lowercase().find("index") {
        Some(at) => format!("{} CONCURRENTLY{};", &sql[..at + 5], &sql[at + 5..]),
        None => sql.to_owned(),
    }
}

pub(super) fn enumeration(create: &ast::CreateType) -> Option<Change> {
    let Some(ast::CreateTypeKind::EnumType(kind)) = create.kind() else { return Some(Change::Other) };
    let variants = kind.variant_list().into_iter().flat_map(|list| list.variants());
    let values = variants.filter_map(|variant| variant.literal()?.string_value()).collect();
    Some(Change::CreateEnum { name: names(create.type_name().into_iter()).next()?, values })
}
