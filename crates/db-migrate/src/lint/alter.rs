//! What `ALTER TABLE` makes of a table. Pure.

use super::catalogue::{Cover, Index, Relation};
use super::change::{Change, Constraint, ConstraintKind, NewIndex, Presence};

/// Does a change to its table; `full` is the constraint that it adds, with all its names.
pub(super) fn alter(relation: &mut Relation, change: &Change, full: Option<Constraint>) {
    match change {
        Change::AddColumn { column, presence, .. } => {
            if *presence == Presence::Lenient && relation.column(&column.name).is_some() {
                return;
            }
            relation.columns.push(super::change::Column { constraints: Vec::new(), ..(**column).clone() });
            for constraint in &column.constraints {
                constrain(relation, constraint.clone());
            }
        }
        Change::DropColumn { column, .. } => {
            relation.columns.retain(|one| one.name != *column);
            relation.constraints.retain(|one| !one.columns.contains(column));
            relation.indexes.retain(|one| !one.columns.iter().flatten().any(|one| one == column));
        }
        Change::RenameColumn { column, to, .. } => rename_column(relation, column, to),
        Change::SetType { column, to, .. } => {
            edit(relation, column, |column| column.kind = Some(to.clone()));
        }
        Change::SetNotNull { column, .. } => edit(relation, column, |column| column.not_null = true),
        Change::DropNotNull { column, .. } => edit(relation, column, |column| column.not_null = false),
        Change::AddConstraint { .. } => {
            if let Some(full) = full {
                constrain(relation, full);
            }
        }
        Change::DropConstraint { name, .. } => {
            relation.constraints.retain(|one| one.name.as_ref() != Some(name));
            relation.indexes.retain(|one| one.name != *name);
        }
        Change::Validate { name, .. } => {
            let found = relation.constraints.iter_mut().find(|one| one.name.as_ref() == Some(name));
            if let Some(constraint) = found {
                constraint.valid = true;
            }
        }
        _ => {}
    }
}

/// Adds a constraint, and the index that enforces it.
pub(super) fn constrain(relation: &mut Relation, constraint: Constraint) {
    let unique = match &constraint.kind {
        ConstraintKind::PrimaryKey { using_index } | ConstraintKind::Unique { using_index } => {
            Some(using_index.clone())
        }
        ConstraintKind::NotNull if constraint.valid => {
            let columns = constraint.columns.clone();
            columns.iter().for_each(|column| edit(relation, column, |column| column.not_null = true));
            None
        }
        _ => None,
    };
    if let (Some(using), Some(name)) = (unique, &constraint.name) {
        match using.and_then(|using| relation.indexes.iter_mut().find(|index| index.name == using)) {
            // The index takes the constraint's name.
            Some(index) => index.name.clone_from(name),
            None => relation.indexes.push(Index {
                name: name.clone(),
                columns: constraint.columns.iter().cloned().map(Some).collect(),
                unique: true,
                valid: true,
                method: "btree".to_owned(),
                cover: Cover::Plain,
            }),
        }
    }
    relation.constraints.push(constraint);
}

/// The name that the server gives to a constraint without one.
pub(super) fn constraint_name(constraint: &Constraint, table: &str) -> String {
    let suffix = match constraint.kind {
        ConstraintKind::PrimaryKey { .. } => return format!("{table}_pkey"),
        ConstraintKind::Unique { .. } => "key",
        ConstraintKind::Exclude => "excl",
        ConstraintKind::Check { .. } => "check",
        ConstraintKind::NotNull => "not_null",
        ConstraintKind::ForeignKey { .. } => "fkey",
    };
    std::iter::once(table)
        .chain(constraint.columns.iter().map(String::as_str))
        .chain([suffix])
        .collect::<Vec<_>>()
        .join("_")
}

/// The name that the server gives to an index without one.
pub(super) fn index_name(index: &NewIndex) -> String {
    let columns = index.columns.iter().map(|column| column.as_deref().unwrap_or("expr"));
    std::iter::once(index.table.name.as_str()).chain(columns).chain(["idx"]).collect::<Vec<_>>().join("_")
}

fn rename_column(relation: &mut Relation, from: &str, to: &str) {
    let renamed = |name: &mut String| {
        if name == from {
            to.clone_into(name);
        }
    };
    relation.columns.iter_mut().for_each(|column| renamed(&mut column.name));
    relation.constraints.iter_mut().flat_map(|one| &mut one.columns).for_each(renamed);
    relation.indexes.iter_mut().flat_map(|one| &mut one.columns).flatten().for_each(renamed);
}

fn edit(relation: &mut Relation, name: &str, edit: impl FnOnce(&mut super::change::Column)) {
    if let Some(column) = relation.columns.iter_mut().find(|column| column.name == name) {
        edit(column);
    }
}
