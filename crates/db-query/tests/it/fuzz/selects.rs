//! SELECTs with any clauses, and what stands in them: sources, columns, hints.

use super::{
    columns::AnyColumns,
    expressions::{AnyWindow, any, condition, order},
    refs,
    source::Source,
};
use db_query::{
    Cte, Lock, PlanHint, Select, SqlType, Start, Writer, asc, col, cte, cube, func, lateral, rollup, rows_of,
    subquery, table_as, unnest, value, values, window,
};

/// Adds a common table expression that reads or, where it may, writes.
macro_rules! with_cte {
    ($source:expr, $builder:expr) => {{
        let source: &Source = $source;
        let (name, columns) = (source.plain(), source.plains(source.below(3) as usize));
        let columns = refs(&columns);
        let cte = $crate::fuzz::selects::any_cte(source, &name, &columns);
        match source.below(5) {
            0 => $builder.with(cte, |q| $crate::fuzz::changes::nested_insert(source, q)),
            1 => $builder.with(cte, |q| $crate::fuzz::changes::nested_update(source, q)),
            2 => $builder.with(cte, |q| $crate::fuzz::changes::nested_delete(source, q)),
            _ => $builder.with(cte, |q| $crate::fuzz::selects::nested(source, q, None)),
        }
    }};
}

/// Adds a hint of any form.
macro_rules! with_hint {
    ($source:expr, $builder:expr) => {{
        let source: &Source = $source;
        let (a, b) = (source.hint(), source.hint());
        let both = [a.as_str(), b.as_str()];
        $builder.hint(match source.below(8) {
            0 => PlanHint::IndexOnlyScan(&a, &b),
            1 => PlanHint::IndexScan(&a, &b),
            2 => PlanHint::BitmapScan(&a, &b),
            3 => PlanHint::HashJoin(&both),
            4 => PlanHint::MergeJoin(&both),
            5 => PlanHint::NestLoop(&both),
            6 => PlanHint::Leading(&both),
            _ => PlanHint::Rows(&both, 7),
        })
    }};
}
pub(super) use {with_cte, with_hint};

pub(super) fn any_cte<'a>(source: &Source, name: &'a str, columns: &'a [&'a str]) -> Cte<'a> {
    let cte = cte(name).columns(columns);
    match source.below(4) {
        0 => cte.recursive(),
        1 => cte.materialized(),
        2 => cte.not_materialized(),
        _ => cte,
    }
}

/// A whole SELECT.
pub(super) fn whole(source: &Source) -> Select {
    let select = filled(source, Select::from(AnySource(source)), None);
    match source.below(6) {
        0 => with_hint!(source, select),
        1 => select.hint(PlanHint::SeqScan(&source.hint())).hint(PlanHint::Parallel(&source.hint(), 2)),
        _ => select,
    }
}

/// A SELECT inside another statement, with so many columns.
pub(super) fn nested(source: &Source, start: Start, columns: Option<u32>) -> Select {
    filled(source, start.from(AnySource(source)), columns)
}

fn filled(source: &Source, mut select: Select, columns: Option<u32>) -> Select {
    let unites = source.below(8) == 0;
    let columns = if unites { columns.or(Some(2)) } else { columns };
    select = select.columns(AnyColumns(source, columns));
    for _ in 0..source.below(3) {
        select = with_clause(source, select);
    }
    if unites {
        let build = |q| nested(source, q, columns);
        select = match source.below(4) {
            0 => select.union(build),
            1 => select.union_all(build),
            2 => select.intersect(build),
            _ => select.except(build),
        };
    }
    match source.below(8) {
        0 => select.limit(7),
        1 => select.offset(7),
        2 => select.offset(7).limit(7),
        3 => select.distinct(),
        4 => select.distinct_on(&[&source.dotted(), &source.dotted()]),
        5 => with_lock(source, select),
        _ => select,
    }
}

fn with_clause(source: &Source, select: Select) -> Select {
    let names = [source.dotted(), source.dotted()];
    let names = [names[0].as_str(), names[1].as_str()];
    match source.below(15) {
        0 => select.join(AnySource(source), condition(source)).filter(col(names[0]).eq_col(names[1])),
        1 => select.left_join(names[0], col(names[1]).is_null()),
        2 => select
            .right_join(table_as(names[0], &source.plain()), condition(source))
            .order_by(order(source, names[1])),
        3 => select.full_join(names[0], condition(source)).group_by(&[names[1]]),
        4 => select.cross_join(AnySource(source)).group_by(&names),
        5 => select.join_using(names[0], &[&source.dotless()]).order_by(asc(names[1])),
        6 => select.and_from(names[0]).group_by_expr(func(names[1], any(source))),
        7 => select.group_by(rollup(&names)),
        8 => select.group_by(cube(&names)).having(condition(source)),
        9 => select
            .window(&source.plain(), AnyWindow(source))
            .window(&source.plain(), window().partition_by(&names)),
        10 => select.order_by(order(source, names[0])).order_by(order(source, names[1])),
        11 => select
            .order_by(any(source).desc())
            .filter(col(names[0]).any(source.texts()))
            .having(condition(source))
            .group_by(&[names[1]]),
        12 => with_cte!(source, select.group_by(&names)),
        _ => select.filter(condition(source)).filter(col(names[0]).ne(source.text())).order_by(asc(names[1])),
    }
}

fn with_lock(source: &Source, select: Select) -> Select {
    let (a, b) = (source.plain(), source.plain());
    let names = [a.as_str(), b.as_str()];
    match source.below(4) {
        0 => select.lock(Lock::for_update().of(&names)),
        1 => select.lock(Lock::for_no_key_update().of(&names).skip_locked()),
        2 => select.lock(Lock::for_share().of(&names[..1])).lock(Lock::for_key_share().of(&names[1..])),
        _ => select.lock(Lock::for_update().of(&names).no_wait()),
    }
}

/// Rows from anywhere.
pub(super) struct AnySource<'s>(pub(super) &'s Source);

impl db_query::Source for AnySource<'_> {
    fn write_source(self, writer: &mut Writer) {
        let source = self.0;
        let form = if source.goes_deeper() { source.below(8) } else { source.below(2) };
        if form == 0 {
            return source.dotted().as_str().write_source(writer);
        }
        // In a list of names dots belong to them, elsewhere they separate.
        let (alias, name) = (source.plain(), if form < 6 { source.dotted() } else { source.plain() });
        let name = name.as_str();
        match form {
            1 => table_as(name, &alias).write_source(writer),
            2 => subquery(&alias, |q| nested(source, q, Some(1)).columns([name])).write_source(writer),
            3 => lateral(&alias, |q| nested(source, q, Some(1)).columns([name])).write_source(writer),
            4 => rows_of(func(name, value(source.text())), &alias, &[&source.plain()]).write_source(writer),
            5 => rows_of(func(name, (any(source),)), &alias, &[]).write_source(writer),
            6 => unnest(&alias, |arrays| {
                arrays.column(name, vec![source.text()]).column_as(
                    &source.plain(),
                    vec![source.text()],
                    source.sql_type_element(),
                );
            })
            .write_source(writer),
            _ => values(&alias, &[name, &source.plain()], |rows| {
                for _ in 0..2 {
                    rows.row(|row| {
                        row.value(source.text()).expr(any(source));
                    });
                }
            })
            .write_source(writer),
        }
    }
}

impl Source {
    /// A type whose arrays there are.
    fn sql_type_element(&self) -> SqlType {
        match self.sql_type() {
            SqlType::Array(element) => *element,
            other => other,
        }
    }
}
