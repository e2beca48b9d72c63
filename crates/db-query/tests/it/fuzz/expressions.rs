//! Any expression: one of all forms, of hostile names and values.

use super::{selects, source::Source};
use db_query::{
    Bound, Call, Condition, Direction, Expr, Exprs, Op, Operand, Order, SqlType, WindowSpec, Writer, all_of,
    any_of, array_agg, asc, case, clock_timestamp, coalesce, col, constant, count, count_all, desc, excluded,
    exists, func, headline, json_array, lower, make_interval, max, now, rank, row_number, row_of, scalar,
    string_agg, sum, to_tsvector, value, websearch, window,
};
use sqlx::types::Json;

/// Writes one of all forms.
#[derive(Clone, Copy)]
pub(super) struct Any<'s>(&'s Source);

impl Exprs for Any<'_> {
    fn write_list(self, writer: &mut Writer) {
        let source = self.0;
        if !source.goes_deeper() {
            return if source.coin() { column(source, writer) } else { plain(source, writer) };
        }
        match source.below(4) {
            0 => nested_condition(source, writer),
            1 => nested_value(source, writer),
            2 => of_queries(source, writer),
            _ => of_functions(source, writer),
        }
    }
}

/// An expression of any form, as the arguments of a function that leaves it as it is.
pub(super) fn any(source: &Source) -> Operand<Call<Any<'_>>> {
    coalesce(Any(source))
}

/// The same as a condition.
pub(super) fn condition(source: &Source) -> Condition<Call<Any<'_>>> {
    any(source).holds()
}

/// Of a column and a value.
fn column(source: &Source, writer: &mut Writer) {
    let name = source.dotted();
    let operand = col(&name);
    match source.below(12) {
        0 => operand.write(writer),
        1 => operand.cmp(source.op(), source.text()).write(writer),
        2 => operand.any(source.texts()).write(writer),
        3 => operand.none_of(source.texts()).write(writer),
        4 => operand.has(source.text()).write(writer),
        5 => operand.is_null().write(writer),
        6 => operand.is_not_null().write(writer),
        7 => operand.between(source.text(), source.text()).write(writer),
        8 => operand.eq_col(&source.dotted()).write(writer),
        9 => operand.collate(&source.dotted()).write(writer),
        10 => operand.cmp(Op::Contains, Json(source.json())).write(writer),
        _ => json(source, operand, writer),
    }
}

/// Into jsonb.
fn json(source: &Source, operand: Operand<impl Expr>, writer: &mut Writer) {
    match source.below(5) {
        0 => operand.get(value(source.text())).get_text(constant(source.constant())).write(writer),
        1 => operand.get_text(constant(-1)).write(writer),
        2 => operand.at(&source.texts()).write(writer),
        3 => operand.text_at(&source.texts()).write(writer),
        _ => operand.cmp_to(Op::PathExists, value(source.text()).cast(SqlType::Jsonpath)).write(writer),
    }
}

/// Without a column.
fn plain(source: &Source, writer: &mut Writer) {
    match source.below(8) {
        0 => value(source.text()).write(writer),
        1 => constant(source.constant()).write(writer),
        2 => constant(i64::from(source.below(9)) - 4).write(writer),
        3 => constant(source.coin()).write(writer),
        4 => value(source.text()).cast(source.sql_type()).write(writer),
        5 => excluded(&source.plain()).write(writer),
        6 => (now() - make_interval(value(1.0_f64))).write(writer),
        _ => value(Json(source.json())).cast(SqlType::Jsonb).write(writer),
    }
}

fn nested_condition(source: &Source, writer: &mut Writer) {
    let left = condition(source);
    match source.below(10) {
        0 => left.and(condition(source)).write(writer),
        1 => left.or(condition(source)).write(writer),
        2 => (!left).write(writer),
        3 => left.is_true().write(writer),
        4 => (!left.is_not_true()).write(writer),
        5 => all_of([left, condition(source)]).write(writer),
        6 => any_of([left, condition(source), condition(source)]).write(writer),
        7 => any(source).cmp_to(source.op(), any(source)).write(writer),
        8 => row_of((any(source), any(source))).eq_to(row_of((any(source), any(source)))).write(writer),
        _ => any(source).is_not_distinct_from(source.text()).write(writer),
    }
}

fn nested_value(source: &Source, writer: &mut Writer) {
    let left = any(source);
    match source.below(8) {
        0 => (left + any(source) * constant(2)).write(writer),
        1 => ((left - any(source)) / any(source) % constant(3)).write(writer),
        2 => left.concat(value(source.text())).write(writer),
        3 => case(condition(source), left).end().write(writer),
        4 => case(condition(source), left)
            .when(condition(source), constant(source.constant()))
            .otherwise(value(source.text()))
            .write(writer),
        5 => left.cast(source.sql_type()).write(writer),
        6 => left.collate(&source.dotted()).write(writer),
        _ => json_array((left, any(source))).write(writer),
    }
}

fn of_queries(source: &Source, writer: &mut Writer) {
    match source.below(4) {
        0 => exists(|q| selects::nested(source, q, None)).write(writer),
        1 => (!exists(|q| selects::nested(source, q, None))).write(writer),
        2 => scalar(|q| selects::nested(source, q, Some(1))).write(writer),
        _ => any(source).in_query(|q| selects::nested(source, q, Some(1))).write(writer),
    }
}

fn of_functions(source: &Source, writer: &mut Writer) {
    match source.below(13) {
        0 => func(&source.dotted(), (any(source), value(source.text()))).write(writer),
        1 => func(&source.dotted(), ()).write(writer),
        2 => count_all().only(condition(source)).write(writer),
        3 => count(any(source)).distinct().write(writer),
        4 => array_agg(any(source)).ordered(asc(&source.dotted())).write(writer),
        5 => string_agg(any(source), &source.text()).write(writer),
        6 => sum(any(source)).only(condition(source)).over(AnyWindow(source)).write(writer),
        7 => row_number().over(source.plain().as_str()).write(writer),
        8 => max(lower(any(source))).over(AnyWindow(source)).write(writer),
        9 => to_tsvector(source.config(), any(source))
            .matches(websearch(source.config(), value(source.text())))
            .write(writer),
        10 => rank(any(source), any(source)).write(writer),
        11 => headline(source.config(), any(source), any(source)).write(writer),
        _ => clock_timestamp().write(writer),
    }
}

/// A window of any form.
pub(super) struct AnyWindow<'s>(pub(super) &'s Source);

impl WindowSpec for AnyWindow<'_> {
    fn write_window(self, writer: &mut Writer) {
        let source = self.0;
        let names = [source.dotted(), source.dotted()];
        let names = [names[0].as_str(), names[1].as_str()];
        match source.below(4) {
            0 => window()
                .partition_by(&names[..1])
                .order_by(asc(names[1]))
                .order_by(any(source).desc())
                .write_window(writer),
            1 => window().partition_by(&names).write_window(writer),
            2 => window()
                .order_by(desc(names[0]).nulls_last())
                .order_by(asc(names[1]))
                .rows(Bound::Preceding(3), Bound::Current)
                .write_window(writer),
            _ => window()
                .partition_by(&names[..1])
                .order_by(asc(names[1]))
                .rows(Bound::Start, Bound::Following(1))
                .write_window(writer),
        }
    }
}

/// A sort key of a column.
pub(super) fn order<'a>(source: &Source, name: &'a str) -> Order<db_query::SortKey<'a>> {
    let direction = if source.coin() { Direction::Ascending } else { Direction::Descending };
    let order = Order::by(name, direction);
    match source.below(3) {
        0 => order.nulls_first(),
        1 => order.nulls_last(),
        _ => order,
    }
}
