//! Statements that write, with any clauses.

use super::{
    columns::AnyColumns,
    expressions::{any, condition},
    refs,
    selects::{AnySource, nested, with_cte, with_hint},
    source::Source,
};
use db_query::{
    BuildError, Delete, Insert, Merge, OnConflict, PlanHint, Row, Start, Statement, Update, col, value,
};

pub(super) fn insert(source: &Source) -> Insert {
    let (table, columns) = (source.dotted(), source.plains(2));
    filled_insert(source, Insert::into(&table, &refs(&columns)))
}

pub(super) fn nested_insert(source: &Source, start: Start) -> Insert {
    let (table, columns) = (source.dotted(), source.plains(2));
    filled_insert(source, start.insert_into(&table, &refs(&columns)))
}

pub(super) fn update(source: &Source) -> Update {
    let update = filled_update(source, Update::table(&source.dotted()));
    if source.below(4) == 0 { with_hint!(source, update) } else { update }
}

pub(super) fn nested_update(source: &Source, start: Start) -> Update {
    filled_update(source, start.update(&source.dotted()))
}

pub(super) fn delete(source: &Source) -> Delete {
    let delete = filled_delete(source, Delete::from(&source.dotted()));
    if source.below(4) == 0 { with_hint!(source, delete) } else { delete }
}

pub(super) fn nested_delete(source: &Source, start: Start) -> Delete {
    filled_delete(source, start.delete_from(&source.dotted()))
}

fn fill_row(source: &Source, row: &mut Row<'_>) {
    for _ in 0..2 {
        match source.below(4) {
            0 => row.default_value(),
            1 => row.expr(any(source)),
            _ => row.value(source.text()),
        };
    }
}

fn filled_insert(source: &Source, mut insert: Insert) -> Insert {
    if source.below(4) == 0 {
        insert = insert.from_query(|q| nested(source, q, Some(2)));
    } else {
        for _ in 0..=source.below(2) {
            insert = insert.row(|row| fill_row(source, row));
        }
    }
    insert = with_conflict(source, insert);
    if source.below(4) == 0 {
        insert = insert.returning(AnyColumns(source, None));
    }
    if source.below(8) == 0 { with_cte!(source, insert) } else { insert }
}

fn with_conflict(source: &Source, insert: Insert) -> Insert {
    let form = source.below(7);
    if form > 4 {
        return insert;
    }
    let names = source.plains(2);
    let names = refs(&names);
    match form {
        0 => insert.on_conflict(OnConflict::columns(&names).do_nothing()),
        1 => insert.on_conflict_update(&names[..1], &names[1..]),
        2 => insert.on_conflict(OnConflict::columns(&names).only(condition(source)).set(|sets| {
            sets.set(&source.plain(), source.text()).set_excluded(&source.plain());
        })),
        3 => {
            insert.on_conflict(OnConflict::constraint(names[0]).update(&names[1..]).filter(condition(source)))
        }
        _ => insert.on_conflict(OnConflict::columns(&names).set(|sets| {
            sets.set_expr(&source.plain(), any(source));
        })),
    }
}

fn filled_update(source: &Source, mut update: Update) -> Update {
    if source.below(3) == 0 {
        update = update.alias(&source.plain());
    }
    update = update.set(&source.plain(), source.text()).set_expr(&source.plain(), any(source));
    for _ in 0..source.below(3) {
        update = match source.below(4) {
            0 => update.from(AnySource(source)),
            1 => update.returning(AnyColumns(source, None)),
            2 => with_cte!(source, update),
            _ => update.filter(condition(source)),
        };
    }
    if source.coin() { update.filter(col(&source.dotted()).eq(source.text())) } else { update.all_rows() }
}

fn filled_delete(source: &Source, mut delete: Delete) -> Delete {
    if source.below(3) == 0 {
        delete = delete.alias(&source.plain());
    }
    for _ in 0..source.below(3) {
        delete = match source.below(4) {
            0 => delete.using(AnySource(source)),
            1 => delete.returning(AnyColumns(source, None)),
            2 => with_cte!(source, delete),
            _ => delete.filter(condition(source)),
        };
    }
    // Without a filter it is refused, as hostile as harmless.
    if source.below(8) > 0 { delete.filter(col(&source.dotted()).eq(source.text())) } else { delete }
}

pub(super) fn merge(source: &Source) -> Result<Statement, BuildError> {
    let (table, on) = (source.dotted(), source.dotted());
    let mut merge = Merge::into(&table, AnySource(source), col(&on).eq_col(&source.dotted()));
    for _ in 0..=source.below(2) {
        merge = match source.below(4) {
            0 => merge.when_matched_delete(condition(source)),
            1 => merge.when_matched_update(condition(source), |sets| {
                sets.set(&source.plain(), source.text()).set_expr(&source.plain(), any(source));
            }),
            2 => {
                merge.when_matched_do_nothing(col(&source.dotted()).cmp_to(source.op(), value(source.text())))
            }
            _ => {
                let columns = source.plains(2);
                merge.when_not_matched_insert(condition(source), &refs(&columns), |row| fill_row(source, row))
            }
        };
    }
    if source.below(4) == 0 {
        // Not a recursive one: the server has none for MERGE.
        merge = merge.with(source.plain().as_str(), |q| nested(source, q, None));
    }
    merge.build()
}
