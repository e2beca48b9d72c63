//! Functions: the common ones by name, aggregates with DISTINCT, ORDER BY and FILTER, any of them over a window.

use super::{Condition, Expr, Exprs, Operand, Value, value};
use crate::{
    order::{Order, Orders},
    touch::Role,
    window::Over,
    writer::Writer,
};

/// A function's name: one that this crate knows to be harmless, or one that the caller gave.
#[derive(Clone, Copy, Debug)]
enum Name<'a> {
    Known(&'static str),
    /// One of the same that answers otherwise each time.
    Time(&'static str),
    Given(&'a str),
}

/// A call of a function.
#[derive(Clone, Copy, Debug)]
pub struct Call<A, O = (), F = ()> {
    name: Name<'static>,
    arguments: A,
    distinct: bool,
    order: O,
    filter: F,
}

/// A call of a function by a name that the caller gave.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a, A> {
    name: Name<'a>,
    arguments: A,
}

impl<A> Call<A> {
    pub(crate) fn known(name: &'static str, arguments: A) -> Self {
        Self { name: Name::Known(name), arguments, distinct: false, order: (), filter: () }
    }

    fn time(name: &'static str, arguments: A) -> Self {
        Self { name: Name::Time(name), ..Self::known(name, arguments) }
    }
}

impl Name<'_> {
    fn write(self, writer: &mut Writer) {
        match self {
            Self::Known(name) => writer.push(name),
            Self::Time(name) => {
                writer.push(name);
                writer.state().asks_for_the_time = true;
            }
            Self::Given(name) => writer.name(name, Role::Function),
        }
        writer.push("(");
    }
}

impl<A: Exprs, O: Orders, F: Filters> Expr for Call<A, O, F> {
    fn write(self, writer: &mut Writer) {
        self.name.write(writer);
        if self.distinct {
            writer.push("DISTINCT ");
        }
        self.arguments.write_list(writer);
        self.order.write_orders(" ORDER BY ", writer);
        writer.push(")");
        self.filter.write_filter(writer);
    }
}

impl<A: Exprs> Expr for Named<'_, A> {
    fn write(self, writer: &mut Writer) {
        self.name.write(writer);
        self.arguments.write_list(writer);
        writer.push(")");
    }
}

/// The condition of an aggregate's rows, or none.
pub trait Filters {
    /// Writes it.
    fn write_filter(self, writer: &mut Writer);
}

impl Filters for () {
    fn write_filter(self, _: &mut Writer) {}
}

impl<E: Expr> Filters for Condition<E> {
    fn write_filter(self, writer: &mut Writer) {
        writer.push(" FILTER (WHERE ");
        self.write(writer);
        writer.push(")");
    }
}

impl<A, F> Operand<Call<A, (), F>> {
    /// The rows of the aggregate in this order.
    pub fn ordered<E: Expr>(self, order: Order<E>) -> Operand<Call<A, Order<E>, F>> {
        let Call { name, arguments, distinct, order: (), filter } = self.0;
        Operand(Call { name, arguments, distinct, order, filter })
    }
}

impl<A, O> Operand<Call<A, O>> {
    /// Only rows for which the condition holds.
    pub fn only<E: Expr>(self, condition: Condition<E>) -> Operand<Call<A, O, Condition<E>>> {
        let Call { name, arguments, distinct, order, filter: () } = self.0;
        Operand(Call { name, arguments, distinct, order, filter: condition })
    }
}

impl<A, O, F> Operand<Call<A, O, F>> {
    /// Each value once.
    pub fn distinct(self) -> Self {
        Operand(Call { distinct: true, ..self.0 })
    }
}

impl<T: Expr> Operand<T> {
    /// The function over a window of rows: `function(..) OVER (..)`.
    pub fn over<W>(self, window: W) -> Operand<Over<T, W>> {
        Operand(Over::new(self.0, window))
    }
}

/// Calls any function by its name, `name` or `schema.name`. What it reads and writes is its own business, so the
/// statement counts as one for the primary.
pub fn func<A: Exprs>(name: &str, arguments: A) -> Operand<Named<'_, A>> {
    Operand(Named { name: Name::Given(name), arguments })
}

macro_rules! of_one {
    ($($(#[$meta:meta])* $name:ident $sql:literal)+) => {$(
        $(#[$meta])*
        pub fn $name<E: Expr>(expr: Operand<E>) -> Operand<Call<(E,)>> {
            Operand(Call::known($sql, (expr.0,)))
        }
    )+};
}

of_one! {
    /// `count(expr)`: how many are not NULL.
    count "count"
    /// `sum(expr)`; NULL when there is no row.
    sum "sum"
    /// `avg(expr)`; NULL when there is no row.
    avg "avg"
    /// `min(expr)`; NULL when there is no row.
    min "min"
    /// `max(expr)`; NULL when there is no row.
    max "max"
    /// `array_agg(expr)`; NULL when there is no row.
    array_agg "array_agg"
    /// `jsonb_agg(expr)`; NULL when there is no row.
    json_agg "jsonb_agg"
    /// `lower(expr)`
    lower "lower"
}

/// `*`, where a function counts rows.
#[derive(Clone, Copy, Debug)]
pub struct EveryRow;

impl Exprs for EveryRow {
    fn write_list(self, writer: &mut Writer) {
        writer.push("*");
    }
}

/// `count(*)`
pub fn count_all() -> Operand<Call<EveryRow>> {
    Operand(Call::known("count", EveryRow))
}

/// `string_agg(expr, separator)`; NULL when there is no row.
pub fn string_agg<E: Expr>(expr: Operand<E>, separator: &str) -> Operand<Call<(E, Value<&str>)>> {
    Operand(Call::known("string_agg", (expr.0, value(separator).0)))
}

/// `coalesce(a, b, …)`: the first that is not NULL.
pub fn coalesce<A: Exprs>(arguments: A) -> Operand<Call<A>> {
    Operand(Call::known("coalesce", arguments))
}

/// `greatest(a, b, …)`; NULLs do not count.
pub fn greatest<A: Exprs>(arguments: A) -> Operand<Call<A>> {
    Operand(Call::known("greatest", arguments))
}

/// `least(a, b, …)`; NULLs do not count.
pub fn least<A: Exprs>(arguments: A) -> Operand<Call<A>> {
    Operand(Call::known("least", arguments))
}

/// `jsonb_build_array(a, b, …)`
pub fn json_array<A: Exprs>(arguments: A) -> Operand<Call<A>> {
    Operand(Call::known("jsonb_build_array", arguments))
}

/// `percentile_cont(fraction) WITHIN GROUP (ORDER BY expr)`: the value below which that fraction of them lie; NULL when
/// there is no row.
pub fn percentile<P: Expr, E: Expr>(fraction: Operand<P>, expr: Operand<E>) -> Operand<Percentile<P, E>> {
    Operand(Percentile { fraction: fraction.0, expr: expr.0 })
}

/// See [`percentile`].
#[derive(Clone, Copy, Debug)]
pub struct Percentile<P, E> {
    fraction: P,
    expr: E,
}

impl<P: Expr, E: Expr> Expr for Percentile<P, E> {
    fn write(self, writer: &mut Writer) {
        writer.push("percentile_cont(");
        self.fraction.write(writer);
        writer.push(") WITHIN GROUP (ORDER BY ");
        self.expr.write(writer);
        writer.push(")");
    }
}

/// `row_number()`, over a window.
pub fn row_number() -> Operand<Call<()>> {
    Operand(Call::known("row_number", ()))
}

/// The transaction's time, `now()`.
pub fn now() -> Operand<Call<()>> {
    Operand(Call::time("now", ()))
}

/// The time at this moment, `clock_timestamp()`; it moves on inside a transaction.
pub fn clock_timestamp() -> Operand<Call<()>> {
    Operand(Call::time("clock_timestamp", ()))
}

/// A span of so many seconds, `make_interval(secs => seconds)`.
pub fn make_interval<E: Expr>(seconds: Operand<E>) -> Operand<Call<Seconds<E>>> {
    Operand(Call::known("make_interval", Seconds(seconds.0)))
}

/// See [`make_interval`].
#[derive(Clone, Copy, Debug)]
pub struct Seconds<E>(E);

impl<E: Expr> Exprs for Seconds<E> {
    fn write_list(self, writer: &mut Writer) {
        writer.push("secs => ");
        self.0.write(writer);
    }
}

/// See [`excluded`].
#[derive(Clone, Copy, Debug)]
pub struct Excluded<'a>(&'a str);

/// In ON CONFLICT DO UPDATE: the value that would have been inserted, `EXCLUDED.column`.
pub fn excluded(column: &str) -> Operand<Excluded<'_>> {
    Operand(Excluded(column))
}

impl Expr for Excluded<'_> {
    fn write(self, writer: &mut Writer) {
        writer.push("EXCLUDED.");
        writer.plain_name(self.0, Role::Excluded);
    }
}
