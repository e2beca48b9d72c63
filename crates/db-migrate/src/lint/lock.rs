//! Which locks a change takes, and how long it works meanwhile. Pure.
//!
//! Source: PostgreSQL documentation, 13.3.1 "Table-Level Locks" and the pages of the statements.

use super::change::{Change, ConstraintKind, How, Lock, ReindexTarget, Write};
use super::name::Name;
use super::state::State;

/// The tables that a change locks, by their full names.
pub(crate) fn locks(change: &Change, state: &State) -> Vec<(Name, Lock)> {
    let exclusive = |table: &Name| vec![(state.called(table), Lock::AccessExclusive)];
    match change {
        Change::AddConstraint { table, constraint } => match &constraint.kind {
            ConstraintKind::ForeignKey { to } => {
                vec![
                    (state.called(table), Lock::ShareRowExclusive),
                    (state.called(to), Lock::ShareRowExclusive),
                ]
            }
            _ => exclusive(table),
        },
        Change::AddColumn { table, column, .. } => {
            let mut locks = exclusive(table);
            locks.extend(column.constraints.iter().filter_map(|constraint| match &constraint.kind {
                ConstraintKind::ForeignKey { to } => Some((state.called(to), Lock::ShareRowExclusive)),
                _ => None,
            }));
            locks
        }
        Change::Validate { table, .. } => vec![(state.called(table), Lock::ShareUpdateExclusive)],
        Change::AttachPartition { table, partition } => {
            vec![
                (state.called(table), Lock::ShareUpdateExclusive),
                (state.called(partition), Lock::AccessExclusive),
            ]
        }
        Change::DetachPartition { table, how: How::Concurrently, .. } => {
            vec![(state.called(table), Lock::ShareUpdateExclusive)]
        }
        Change::DetachPartition { table, partition, .. } => {
            vec![
                (state.called(table), Lock::AccessExclusive),
                (state.called(partition), Lock::AccessExclusive),
            ]
        }
        Change::CreateIndex(index) => {
            let mode = if index.how == How::Blocking { Lock::Share } else { Lock::ShareUpdateExclusive };
            vec![(state.called(&index.table), mode)]
        }
        Change::DropIndex { index, how: How::Blocking, .. } => {
            let table = state.index(index).map(|(table, _)| table.clone());
            table.map(|table| (table, Lock::AccessExclusive)).into_iter().collect()
        }
        Change::Reindex { target: ReindexTarget::Table(table), how: How::Blocking } => {
            vec![(state.called(table), Lock::Share)]
        }
        Change::CreateTrigger { table } => vec![(state.called(table), Lock::ShareRowExclusive)],
        Change::Write { table, .. } => vec![(state.called(table), Lock::RowExclusive)],
        Change::Lock { table, mode } => vec![(state.called(table), *mode)],
        Change::CreateTable(table) => table
            .constraints
            .iter()
            .filter_map(|constraint| match &constraint.kind {
                ConstraintKind::ForeignKey { to } => Some((state.called(to), Lock::ShareRowExclusive)),
                _ => None,
            })
            .collect(),
        Change::DropTable { table, .. }
        | Change::RenameTable { table, .. }
        | Change::MoveTable { table, .. }
        | Change::DropColumn { table, .. }
        | Change::RenameColumn { table, .. }
        | Change::SetType { table, .. }
        | Change::SetNotNull { table, .. }
        | Change::DropNotNull { table, .. }
        | Change::DropConstraint { table, .. }
        | Change::RewriteTable { table, .. }
        | Change::AlterTable { table }
        | Change::Truncate { table, .. }
        | Change::Repack { table: Some(table), .. } => exclusive(table),
        _ => Vec::new(),
    }
}

/// What a change works on for as long as there are rows, and what that is called.
pub(crate) fn work(change: &Change) -> Option<(Vec<&Name>, &'static str)> {
    Some(match change {
        Change::Write { table, what: Write::Update(_), .. } => (vec![table], "UPDATE"),
        Change::Write { table, what: Write::Delete(_), .. } => (vec![table], "DELETE"),
        Change::Write { what: Write::Insert, from, .. } => (from.iter().collect(), "INSERT .. SELECT"),
        Change::Validate { table, .. } => (vec![table], "VALIDATE CONSTRAINT"),
        Change::CreateIndex(index) => (vec![&index.table], "CREATE INDEX"),
        Change::Refresh { view, .. } => (vec![view], "REFRESH MATERIALIZED VIEW"),
        _ => return None,
    })
}
