//! Expressions: columns, values, comparisons and how they combine. They write themselves; no tree is kept.

use crate::{op::Op, writer::Writer};
use sqlx::{Encode, Postgres, Type, postgres::PgHasArrayType};

/// Something that writes itself into a statement.
pub trait Expr {
    /// Writes the text and binds the values; a mistake is kept in the writer.
    fn write(self, writer: &mut Writer);
}

/// A column, as `name` or `table.name`.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a>(&'a str);

/// Names a column.
#[must_use]
pub fn col(name: &str) -> Column<'_> {
    Column(name)
}

impl<'a> Column<'a> {
    /// Compares with a value by any operator.
    pub fn cmp<V>(self, op: Op, value: V) -> Condition<Compare<Self, Value<V>>> {
        Condition(Compare { left: self, op: op.sql(), right: Value(value) })
    }

    /// `column = value`. For a column that may be NULL, see [`Column::is_null`].
    pub fn eq<V>(self, value: V) -> Condition<Compare<Self, Value<V>>> {
        self.cmp(Op::Eq, value)
    }

    /// `column <> value`
    pub fn ne<V>(self, value: V) -> Condition<Compare<Self, Value<V>>> {
        self.cmp(Op::Ne, value)
    }

    /// `column < value`
    pub fn lt<V>(self, value: V) -> Condition<Compare<Self, Value<V>>> {
        self.cmp(Op::Lt, value)
    }

    /// `column > value`
    pub fn gt<V>(self, value: V) -> Condition<Compare<Self, Value<V>>> {
        self.cmp(Op::Gt, value)
    }

    /// `column >= value`
    pub fn ge<V>(self, value: V) -> Condition<Compare<Self, Value<V>>> {
        self.cmp(Op::Ge, value)
    }

    /// `column <= value`
    pub fn le<V>(self, value: V) -> Condition<Compare<Self, Value<V>>> {
        self.cmp(Op::Le, value)
    }

    /// `column = other`, both columns; for joins.
    #[must_use]
    pub fn eq_col(self, other: &'a str) -> Condition<Compare<Self, Self>> {
        Condition(Compare { left: self, op: Op::Eq.sql(), right: Column(other) })
    }

    /// `column = ANY(values)`: one parameter however long the list, so one prepared statement. No value matches an
    /// empty list.
    pub fn any<V>(self, values: Vec<V>) -> Condition<Any<'a, V>> {
        Condition(Any { column: self, values })
    }

    /// `column IS NULL`
    #[must_use]
    pub fn is_null(self) -> Condition<Suffixed<'a>> {
        Condition(Suffixed { column: self, suffix: " IS NULL" })
    }

    /// `column IS NOT NULL`
    #[must_use]
    pub fn is_not_null(self) -> Condition<Suffixed<'a>> {
        Condition(Suffixed { column: self, suffix: " IS NOT NULL" })
    }
}

impl Expr for Column<'_> {
    fn write(self, writer: &mut Writer) {
        writer.name(self.0);
    }
}

/// A value, bound as a parameter.
#[derive(Clone, Debug)]
pub struct Value<V>(V);

/// A value, bound as a parameter.
pub fn value<V>(value: V) -> Value<V> {
    Value(value)
}

impl<'q, V: Encode<'q, Postgres> + Type<Postgres>> Expr for Value<V> {
    fn write(self, writer: &mut Writer) {
        writer.bind(self.0);
    }
}

/// The transaction's time, `now()`.
#[must_use]
pub fn now() -> impl Expr {
    struct Now;
    impl Expr for Now {
        fn write(self, writer: &mut Writer) {
            writer.push("now()");
        }
    }
    Now
}

/// An expression that is true, false or NULL.
#[derive(Clone, Debug)]
pub struct Condition<E>(E);

impl<E: Expr> Condition<E> {
    /// Both.
    pub fn and<F: Expr>(self, other: Condition<F>) -> Condition<Joined<E, F>> {
        Condition(Joined { left: self.0, word: " AND ", right: other.0 })
    }

    /// Either.
    pub fn or<F: Expr>(self, other: Condition<F>) -> Condition<Joined<E, F>> {
        Condition(Joined { left: self.0, word: " OR ", right: other.0 })
    }
}

impl<E: Expr> Expr for Condition<E> {
    fn write(self, writer: &mut Writer) {
        self.0.write(writer);
    }
}

/// Two expressions and an operator.
#[derive(Clone, Debug)]
pub struct Compare<L, R> {
    left: L,
    op: &'static str,
    right: R,
}

impl<L: Expr, R: Expr> Expr for Compare<L, R> {
    fn write(self, writer: &mut Writer) {
        self.left.write(writer);
        writer.push(self.op);
        self.right.write(writer);
    }
}

/// Two conditions in parentheses.
#[derive(Clone, Debug)]
pub struct Joined<L, R> {
    left: L,
    word: &'static str,
    right: R,
}

impl<L: Expr, R: Expr> Expr for Joined<L, R> {
    fn write(self, writer: &mut Writer) {
        writer.push("(");
        self.left.write(writer);
        writer.push(self.word);
        self.right.write(writer);
        writer.push(")");
    }
}

/// A column and a list of values.
#[derive(Clone, Debug)]
pub struct Any<'a, V> {
    column: Column<'a>,
    values: Vec<V>,
}

impl<'q, V> Expr for Any<'_, V>
where
    V: PgHasArrayType,
    Vec<V>: Encode<'q, Postgres> + Type<Postgres>,
{
    fn write(self, writer: &mut Writer) {
        self.column.write(writer);
        writer.push(" = ANY(");
        writer.bind(self.values);
        writer.push(")");
    }
}

/// A column and a test.
#[derive(Clone, Copy, Debug)]
pub struct Suffixed<'a> {
    column: Column<'a>,
    suffix: &'static str,
}

impl Expr for Suffixed<'_> {
    fn write(self, writer: &mut Writer) {
        self.column.write(writer);
        writer.push(self.suffix);
    }
}

/// An aggregate function with the name of its result.
#[derive(Clone, Copy, Debug)]
pub struct Aggregate<'a> {
    open: &'static str,
    column: Option<&'a str>,
    alias: &'a str,
}

/// `count(*)` under the given name.
#[must_use]
pub fn count_all(alias: &str) -> Aggregate<'_> {
    Aggregate { open: "count(", column: None, alias }
}

/// `sum(column)` under the given name; NULL when there is no row.
#[must_use]
pub fn sum<'a>(column: &'a str, alias: &'a str) -> Aggregate<'a> {
    Aggregate { open: "sum(", column: Some(column), alias }
}

/// `max(column)` under the given name; NULL when there is no row.
#[must_use]
pub fn max<'a>(column: &'a str, alias: &'a str) -> Aggregate<'a> {
    Aggregate { open: "max(", column: Some(column), alias }
}

impl Expr for Aggregate<'_> {
    fn write(self, writer: &mut Writer) {
        writer.push(self.open);
        match self.column {
            Some(column) => writer.name(column),
            None => writer.push("*"),
        }
        writer.push(") AS ");
        writer.name(self.alias);
    }
}
