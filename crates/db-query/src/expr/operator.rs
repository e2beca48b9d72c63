//! What stands between two operands: comparisons, arithmetic, tests for NULL, membership in a list.

use super::{Column, Condition, Expr, Operand, Value, col, value};
use crate::{Op, Select, Start, writer::Writer};
use sqlx::{Encode, Postgres, Type, postgres::PgHasArrayType};

const NONE_OF: &str = " <> ALL(";

/// Two operands and what stands between them.
#[derive(Clone, Copy, Debug)]
pub struct Binary<L, R> {
    pub(super) left: L,
    pub(super) op: &'static str,
    pub(super) right: R,
}

impl<L: Expr, R: Expr> Expr for Binary<L, R> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        self.left.write_operand(writer);
        writer.push(self.op);
        self.right.write_operand(writer);
    }

    fn write_operand(self, writer: &mut Writer) {
        writer.push("(");
        self.write(writer);
        writer.push(")");
    }
}

/// An operand and a test of it.
#[derive(Clone, Copy, Debug)]
pub struct Suffixed<T> {
    operand: T,
    suffix: &'static str,
}

impl<T: Expr> Expr for Suffixed<T> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        self.operand.write_operand(writer);
        writer.push(self.suffix);
    }
}

/// An operand and a list, bound as one array.
#[derive(Clone, Debug)]
pub struct InList<T, V> {
    operand: T,
    op: &'static str,
    values: Vec<V>,
}

impl<'q, T: Expr, V> Expr for InList<T, V>
where
    V: PgHasArrayType,
    Vec<V>: Encode<'q, Postgres> + Type<Postgres>,
{
    #[inline]
    fn write(self, writer: &mut Writer) {
        self.operand.write_operand(writer);
        writer.push(self.op);
        writer.bind(self.values);
        writer.push(")");
    }

    fn is_constant(&self) -> Option<bool> {
        // No value is in an empty list, not even NULL.
        self.values.is_empty().then_some(self.op == NONE_OF)
    }
}

/// An operand between two others.
#[derive(Clone, Copy, Debug)]
pub struct Between<T, L, H> {
    operand: T,
    low: L,
    high: H,
}

impl<T: Expr, L: Expr, H: Expr> Expr for Between<T, L, H> {
    fn write(self, writer: &mut Writer) {
        self.operand.write_operand(writer);
        writer.push(" BETWEEN ");
        self.low.write_operand(writer);
        writer.push(" AND ");
        self.high.write_operand(writer);
    }

    fn write_operand(self, writer: &mut Writer) {
        writer.push("(");
        self.write(writer);
        writer.push(")");
    }
}

/// A value that an array expression holds.
#[derive(Clone, Copy, Debug)]
pub struct Element<V, T> {
    element: V,
    array: T,
}

impl<V: Expr, T: Expr> Expr for Element<V, T> {
    fn write(self, writer: &mut Writer) {
        self.element.write_operand(writer);
        writer.push(" = ANY(");
        self.array.write(writer);
        writer.push(")");
    }
}

/// An operand that a query's rows hold.
#[derive(Clone, Copy, Debug)]
pub struct InQuery<T, F> {
    operand: T,
    build: F,
}

impl<T: Expr, F: FnOnce(Start) -> Select> Expr for InQuery<T, F> {
    fn write(self, writer: &mut Writer) {
        self.operand.write_operand(writer);
        writer.push(" IN (");
        writer.nested(self.build);
        writer.push(")");
    }
}

impl<T: Expr> Operand<T> {
    /// Compares with a value by any operator.
    #[inline]
    pub fn cmp<V>(self, op: Op, other: V) -> Condition<Binary<T, Value<V>>> {
        Condition(Binary { left: self.0, op: op.sql(), right: value(other).0 })
    }

    /// Compares with an expression by any operator.
    #[inline]
    pub fn cmp_to<E: Expr>(self, op: Op, other: Operand<E>) -> Condition<Binary<T, E>> {
        Condition(Binary { left: self.0, op: op.sql(), right: other.0 })
    }

    /// `expr = value`. For what may be NULL, see [`is_null`](Self::is_null) and
    /// [`is_not_distinct_from`](Self::is_not_distinct_from).
    #[inline]
    pub fn eq<V>(self, value: V) -> Condition<Binary<T, Value<V>>> {
        self.cmp(Op::Eq, value)
    }

    /// `expr <> value`
    #[inline]
    pub fn ne<V>(self, value: V) -> Condition<Binary<T, Value<V>>> {
        self.cmp(Op::Ne, value)
    }

    /// `expr < value`
    #[inline]
    pub fn lt<V>(self, value: V) -> Condition<Binary<T, Value<V>>> {
        self.cmp(Op::Lt, value)
    }

    /// `expr <= value`
    #[inline]
    pub fn le<V>(self, value: V) -> Condition<Binary<T, Value<V>>> {
        self.cmp(Op::Le, value)
    }

    /// `expr > value`
    #[inline]
    pub fn gt<V>(self, value: V) -> Condition<Binary<T, Value<V>>> {
        self.cmp(Op::Gt, value)
    }

    /// `expr >= value`
    #[inline]
    pub fn ge<V>(self, value: V) -> Condition<Binary<T, Value<V>>> {
        self.cmp(Op::Ge, value)
    }

    /// `expr = other`, two expressions.
    #[inline]
    pub fn eq_to<E: Expr>(self, other: Operand<E>) -> Condition<Binary<T, E>> {
        self.cmp_to(Op::Eq, other)
    }

    /// `expr = column`; for joins.
    #[inline]
    pub fn eq_col(self, other: &str) -> Condition<Binary<T, Column<'_>>> {
        self.cmp_to(Op::Eq, col(other))
    }

    /// `expr IS NOT DISTINCT FROM value`: equal, or both NULL. No index serves it.
    pub fn is_not_distinct_from<V>(self, other: V) -> Condition<Binary<T, Value<V>>> {
        Condition(Binary { left: self.0, op: " IS NOT DISTINCT FROM ", right: value(other).0 })
    }

    /// `expr IS DISTINCT FROM value`: not equal, or one of them NULL.
    pub fn is_distinct_from<V>(self, other: V) -> Condition<Binary<T, Value<V>>> {
        Condition(Binary { left: self.0, op: " IS DISTINCT FROM ", right: value(other).0 })
    }

    /// `expr = ANY(values)`: one parameter however long the list, so one prepared statement. No value matches an
    /// empty list.
    #[inline]
    pub fn any<V>(self, values: Vec<V>) -> Condition<InList<T, V>> {
        Condition(InList { operand: self.0, op: " = ANY(", values })
    }

    /// `expr <> ALL(values)`: none of them. Every value but NULL passes an empty list.
    pub fn none_of<V>(self, values: Vec<V>) -> Condition<InList<T, V>> {
        Condition(InList { operand: self.0, op: NONE_OF, values })
    }

    /// `value = ANY(expr)`: the array that the expression is holds the value. An index on the array does not serve
    /// it; [`Op::Contains`] it does.
    pub fn has<V>(self, element: V) -> Condition<Element<Value<V>, T>> {
        Condition(Element { element: value(element).0, array: self.0 })
    }

    /// `expr IN (SELECT …)`
    pub fn in_query<F: FnOnce(Start) -> Select>(self, build: F) -> Condition<InQuery<T, F>> {
        Condition(InQuery { operand: self.0, build })
    }

    /// `expr BETWEEN low AND high`, both included.
    pub fn between<V, W>(self, low: V, high: W) -> Condition<Between<T, Value<V>, Value<W>>> {
        Condition(Between { operand: self.0, low: value(low).0, high: value(high).0 })
    }

    /// `expr IS NULL`
    pub fn is_null(self) -> Condition<Suffixed<T>> {
        Condition(Suffixed { operand: self.0, suffix: " IS NULL" })
    }

    /// `expr IS NOT NULL`
    pub fn is_not_null(self) -> Condition<Suffixed<T>> {
        Condition(Suffixed { operand: self.0, suffix: " IS NOT NULL" })
    }

    /// The expression itself as a condition, where it is a boolean.
    pub fn holds(self) -> Condition<T> {
        Condition(self.0)
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $op:literal)+) => {$(
        impl<L: Expr, R: Expr> std::ops::$trait<Operand<R>> for Operand<L> {
            type Output = Operand<Binary<L, R>>;
            fn $method(self, right: Operand<R>) -> Self::Output {
                Operand(Binary { left: self.0, op: $op, right: right.0 })
            }
        }
    )+};
}

arithmetic! {
    Add add " + "
    Sub sub " - "
    Mul mul " * "
    Div div " / "
    Rem rem " % "
}

impl<T: Expr> Operand<T> {
    /// `expr || other`: texts, arrays or jsonb one after the other.
    pub fn concat<E: Expr>(self, other: Operand<E>) -> Operand<Binary<T, E>> {
        Operand(Binary { left: self.0, op: " || ", right: other.0 })
    }
}
