//! Sort keys.

use crate::{
    expr::{Expr, Operand},
    touch::Role,
    writer::Writer,
};

/// Which way a sort goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// Where a sort puts NULLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nulls {
    /// Before all values.
    First,
    /// After all values.
    Last,
}

impl Nulls {
    /// The other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::First => Self::Last,
            Self::Last => Self::First,
        }
    }
}

/// A sort key.
#[derive(Clone, Copy, Debug)]
pub struct Order<T> {
    expr: T,
    direction: Direction,
    nulls: Option<Nulls>,
}

/// A column, or the name of a result column, as a sort key.
#[derive(Clone, Copy, Debug)]
pub struct SortKey<'a>(&'a str);

impl Expr for SortKey<'_> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        writer.name(self.0, Role::SortKey);
    }
}

/// Smallest first; NULLs last, as PostgreSQL has them.
#[inline]
pub const fn asc(column: &str) -> Order<SortKey<'_>> {
    Order { expr: SortKey(column), direction: Direction::Ascending, nulls: None }
}

/// Largest first; NULLs first, as PostgreSQL has them.
#[inline]
pub const fn desc(column: &str) -> Order<SortKey<'_>> {
    Order { expr: SortKey(column), direction: Direction::Descending, nulls: None }
}

impl<T: Expr> Operand<T> {
    /// The expression as a sort key, smallest first.
    pub fn asc(self) -> Order<T> {
        Order { expr: self.0, direction: Direction::Ascending, nulls: None }
    }

    /// The expression as a sort key, largest first.
    pub fn desc(self) -> Order<T> {
        Order { expr: self.0, direction: Direction::Descending, nulls: None }
    }
}

impl<'a> Order<SortKey<'a>> {
    /// A column whose direction is known at run time only.
    #[must_use]
    pub const fn by(column: &'a str, direction: Direction) -> Self {
        Self { expr: SortKey(column), direction, nulls: None }
    }
}

impl<T> Order<T> {
    /// NULLs before all values.
    #[must_use]
    pub fn nulls_first(self) -> Self {
        self.nulls(Nulls::First)
    }

    /// NULLs after all values.
    #[must_use]
    pub fn nulls_last(self) -> Self {
        self.nulls(Nulls::Last)
    }

    /// NULLs at this end.
    #[must_use]
    pub fn nulls(self, nulls: Nulls) -> Self {
        Self { nulls: Some(nulls), ..self }
    }
}

impl<T: Expr> Order<T> {
    #[inline]
    pub(crate) fn write(self, writer: &mut Writer) {
        write_key(self.expr, writer);
        writer.push(match (self.direction, self.nulls) {
            (Direction::Ascending, None) => " ASC",
            (Direction::Descending, None) => " DESC",
            (Direction::Ascending, Some(Nulls::First)) => " ASC NULLS FIRST",
            (Direction::Ascending, Some(Nulls::Last)) => " ASC NULLS LAST",
            (Direction::Descending, Some(Nulls::First)) => " DESC NULLS FIRST",
            (Direction::Descending, Some(Nulls::Last)) => " DESC NULLS LAST",
        });
    }
}

/// Writes what is sorted or grouped by: never a bare number, which would be that of a result column.
#[inline]
pub(crate) fn write_key(expr: impl Expr, writer: &mut Writer) {
    if expr.is_number() {
        writer.push("CAST(");
        expr.write(writer);
        writer.push(" AS int4)");
    } else {
        expr.write(writer);
    }
}

/// Sort keys of an aggregate or a window: none, one, or one after another.
pub trait Orders {
    /// Whether there is none.
    const EMPTY: bool;

    /// Writes `begin` and the keys, or nothing.
    fn write_orders(self, begin: &'static str, writer: &mut Writer);
}

impl Orders for () {
    const EMPTY: bool = true;
    fn write_orders(self, _: &'static str, _: &mut Writer) {}
}

impl<T: Expr> Orders for Order<T> {
    const EMPTY: bool = false;
    fn write_orders(self, begin: &'static str, writer: &mut Writer) {
        writer.push(begin);
        let before = writer.state().spans.len();
        self.write(writer);
        // Here a name is always a column's: only the ORDER BY of a statement knows the names of results.
        for span in &mut writer.state().spans[before..] {
            span.make_column();
        }
    }
}

impl<A: Orders, T: Expr> Orders for (A, Order<T>) {
    const EMPTY: bool = false;
    fn write_orders(self, begin: &'static str, writer: &mut Writer) {
        self.0.write_orders(begin, writer);
        self.1.write_orders(if A::EMPTY { begin } else { ", " }, writer);
    }
}
