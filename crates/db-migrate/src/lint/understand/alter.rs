//! `ALTER`.

use super::{Located, behaviour, column, how, lenient, name, range, single, text};
use crate::lint::change::Change;
use crate::lint::name::Name;
use squawk_syntax::ast::{
    self, AlterColumnOption, AlterIndexAction, AlterTableAction, AlterTypeAction, AstNode,
};

/// One change for each action.
pub(super) fn table(alter: &ast::AlterTable) -> Vec<Located> {
    let Some(table) = alter.table_relation_name().and_then(|relation| name(relation.table_name_ref())) else {
        return vec![(Change::Other, range(alter.syntax()))];
    };
    let mut found = Vec::new();
    for action in alter.actions() {
        let at = range(action.syntax());
        let changes =
            taken(&table, &action).unwrap_or_else(|| vec![Change::AlterTable { table: table.clone() }]);
        found.extend(changes.into_iter().map(|change| (change, at.clone())));
    }
    found
}

fn taken(table: &Name, action: &AlterTableAction) -> Option<Vec<Change>> {
    let table = table.clone();
    Some(vec![match action {
        AlterTableAction::AddColumn(add) => {
            let presence = lenient(&add.if_not_exists());
            Change::AddColumn { table, column: Box::new(column::added(add)?), presence }
        }
        AlterTableAction::DropColumn(drop) => Change::DropColumn {
            table,
            column: single(drop.column_name_ref())?,
            presence: lenient(&drop.if_exists()),
            cascade: behaviour(drop.drop_behavior().as_ref()),
        },
        AlterTableAction::RenameColumn(rename) => Change::RenameColumn {
            table,
            column: single(rename.column_name_ref())?,
            to: single(rename.column_name())?,
        },
        AlterTableAction::TableRenameTo(rename) => {
            Change::RenameTable { table, to: single(rename.table_name())? }
        }
        AlterTableAction::SetSchema(set) => Change::MoveTable { table, schema: single(set.schema_ref())? },
        AlterTableAction::AddConstraint(add) => {
            let constraint = Box::new(column::constraint(&add.constraint()?, None)?);
            Change::AddConstraint { table, constraint }
        }
        AlterTableAction::DropConstraint(drop) => Change::DropConstraint {
            table,
            name: single(drop.constraint_name_ref())?,
            presence: lenient(&drop.if_exists()),
        },
        AlterTableAction::ValidateConstraint(validate) => {
            Change::Validate { table, name: single(validate.constraint_name_ref())? }
        }
        AlterTableAction::AlterColumn(alter) => altered(table, alter)?,
        AlterTableAction::AttachPartition(attach) => {
            Change::AttachPartition { table, partition: name(attach.table_name_ref())? }
        }
        AlterTableAction::DetachPartition(detach) => {
            let option = detach.detach_partition_option();
            let concurrently =
                option.is_some_and(|option| text(option.syntax()).eq_ignore_ascii_case("concurrently"));
            Change::DetachPartition {
                table,
                partition: name(detach.table_name_ref())?,
                how: how(concurrently),
            }
        }
        AlterTableAction::SetLogged(_) => Change::RewriteTable { table, by: "SET LOGGED" },
        AlterTableAction::SetUnlogged(_) => Change::RewriteTable { table, by: "SET UNLOGGED" },
        AlterTableAction::SetAccessMethod(_) => Change::RewriteTable { table, by: "SET ACCESS METHOD" },
        AlterTableAction::SetTablespace(_) => Change::RewriteTable { table, by: "SET TABLESPACE" },
        _ => return None,
    }])
}

fn altered(table: Name, alter: &ast::AlterColumn) -> Option<Change> {
    let column = single(alter.column_name_ref())?;
    Some(match alter.option()? {
        AlterColumnOption::SetNotNull(_) => Change::SetNotNull { table, column },
        AlterColumnOption::DropNotNull(_) => Change::DropNotNull { table, column },
        AlterColumnOption::SetType(set) => Change::SetType {
            table,
            column,
            to: text(set.ty()?.syntax()),
            using: set
                .using_expr()
                .and_then(|using| using.expr())
                .map(|expression| text(expression.syntax())),
        },
        _ => return None,
    })
}

pub(super) fn index(alter: &ast::AlterIndex) -> Option<Change> {
    let index = name(alter.index_ref())?;
    Some(match alter.action() {
        Some(AlterIndexAction::IndexRenameTo(rename)) => {
            Change::RenameIndex { index, to: single(rename.index())? }
        }
        Some(AlterIndexAction::SetTablespace(_)) => Change::MoveIndex { index },
        _ => Change::Other,
    })
}

pub(super) fn enumeration(alter: &ast::AlterType) -> Option<Change> {
    let name = name(alter.type_name_ref())?;
    Some(match alter.action()? {
        AlterTypeAction::AddValue(add) => Change::AddEnumValue {
            name,
            value: add.literal()?.string_value()?,
            presence: lenient(&add.if_not_exists()),
        },
        AlterTypeAction::RenameValue(rename) => {
            Change::RenameEnumValue { name, from: rename.from()?.string_value()? }
        }
        _ => Change::Other,
    })
}
