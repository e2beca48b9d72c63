//! Expressions: columns, values and all that is made of them. They write themselves; no tree is kept.

mod case;
mod condition;
mod constant;
mod function;
mod json;
mod list;
mod operator;
mod search;
mod subquery;

pub use case::{Case, Otherwise, case};
pub use condition::{Condition, all_of, any_of, condition, holds};
pub use constant::{Constant, constant, constant_null};
pub use function::{
    Call, array_agg, avg, clock_timestamp, coalesce, count, count_all, excluded, func, greatest, json_agg,
    json_array, least, lower, make_interval, max, min, now, percentile, row_number, string_agg, sum,
};
pub use list::{Exprs, row_of};
pub use search::{TextConfig, headline, rank, to_tsvector, websearch};
pub use subquery::{exists, scalar};

use crate::{SqlType, touch::Role, writer::Writer};
use sqlx::{Encode, Postgres, Type};

/// Something that writes itself into a statement.
pub trait Expr: Sized {
    /// Writes the text and binds the values; a mistake is kept in the writer.
    fn write(self, writer: &mut Writer);

    /// The same where an operator stands beside it: in parentheses, unless it binds closer than any operator.
    #[inline]
    fn write_operand(self, writer: &mut Writer) {
        self.write(writer);
    }

    /// Whether it holds for every row, or for none; `None` where that depends on the row.
    #[inline]
    fn is_constant(&self) -> Option<bool> {
        None
    }

    /// Whether it is a bare number, which GROUP BY and ORDER BY take for that of a result column.
    #[inline]
    fn is_number(&self) -> bool {
        false
    }
}

/// An expression with everything that can be done with one: comparisons, arithmetic, JSON, casts.
#[derive(Clone, Copy, Debug)]
#[must_use = "an expression does nothing until it is written"]
pub struct Operand<T>(pub(crate) T);

impl<T: Expr> Expr for Operand<T> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        self.0.write(writer);
    }

    #[inline]
    fn write_operand(self, writer: &mut Writer) {
        self.0.write_operand(writer);
    }

    fn is_constant(&self) -> Option<bool> {
        self.0.is_constant()
    }

    fn is_number(&self) -> bool {
        self.0.is_number()
    }
}

/// A column, as `name`, `table.name` or `schema.table.name`.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a>(&'a str);

/// Names a column: `name`, `table.name` or `schema.table.name`.
#[inline]
pub const fn col(name: &str) -> Operand<Column<'_>> {
    Operand(Column(name))
}

impl Expr for Column<'_> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        writer.name(self.0, Role::Column);
    }
}

/// A value, bound as a parameter.
#[derive(Clone, Copy, Debug)]
pub struct Value<V>(pub(crate) V);

/// A value, bound as a parameter.
#[inline]
pub const fn value<V>(value: V) -> Operand<Value<V>> {
    Operand(Value(value))
}

impl<'q, V: Encode<'q, Postgres> + Type<Postgres>> Expr for Value<V> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        writer.bind(self.0);
    }
}

/// An expression under the name that its result column gets.
#[derive(Clone, Copy, Debug)]
pub struct Aliased<'a, T> {
    pub(crate) expr: T,
    pub(crate) alias: &'a str,
}

/// An expression as another type.
#[derive(Clone, Debug)]
pub struct Cast<T> {
    expr: T,
    to: SqlType,
}

impl<T: Expr> Expr for Cast<T> {
    fn write(self, writer: &mut Writer) {
        writer.push("CAST(");
        self.expr.write(writer);
        writer.push(" AS ");
        self.to.write(writer);
        writer.push(")");
    }
}

/// A text compared by the rules of a collation.
#[derive(Clone, Copy, Debug)]
pub struct Collated<'a, T> {
    expr: T,
    collation: &'a str,
}

impl<T: Expr> Expr for Collated<'_, T> {
    fn write(self, writer: &mut Writer) {
        writer.push("(");
        self.expr.write_operand(writer);
        writer.push(" COLLATE ");
        writer.name(self.collation, Role::Other);
        writer.push(")");
    }
}

impl<T: Expr> Operand<T> {
    /// Gives the result column a name.
    pub fn alias(self, alias: &str) -> Aliased<'_, T> {
        Aliased { expr: self.0, alias }
    }

    /// The expression as another type: `CAST(expr AS type)`.
    pub fn cast(self, to: SqlType) -> Operand<Cast<T>> {
        Operand(Cast { expr: self.0, to })
    }

    /// The expression under a collation, such as `C` or `pg_catalog.C`.
    pub fn collate(self, collation: &str) -> Operand<Collated<'_, T>> {
        Operand(Collated { expr: self.0, collation })
    }
}
