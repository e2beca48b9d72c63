//! What a statement returns.

use crate::{
    BuildError,
    expr::{Aliased, Column, Expr, Operand},
    touch::Role,
    writer::Writer,
};

/// One or more result columns: names, expressions with an alias, everything, or a tuple of those.
pub trait Projection {
    /// Writes them, separated by commas.
    fn write_columns(self, writer: &mut Writer);
}

/// Every column: `*`.
#[derive(Clone, Copy, Debug)]
pub struct All<'a>(Option<&'a str>);

/// Every column of every table: `*`.
#[must_use]
pub const fn all() -> All<'static> {
    All(None)
}

/// Every column of one table: `table.*`.
#[must_use]
pub const fn all_from(table: &str) -> All<'_> {
    All(Some(table))
}

impl Projection for All<'_> {
    fn write_columns(self, writer: &mut Writer) {
        match self.0 {
            // The span of a bare star is empty: there is no name to read.
            None => {
                let at = writer.state().text.len();
                writer.state().mark(at, Role::Star);
                writer.push("*");
            }
            Some(table) => {
                writer.name(table, Role::Star);
                writer.push(".*");
            }
        }
    }
}

impl Projection for &str {
    #[inline]
    fn write_columns(self, writer: &mut Writer) {
        writer.name(self, Role::Column);
    }
}

impl<const N: usize> Projection for [&str; N] {
    #[inline]
    fn write_columns(self, writer: &mut Writer) {
        self.as_slice().write_columns(writer);
    }
}

impl Projection for &[&str] {
    #[inline]
    fn write_columns(self, writer: &mut Writer) {
        if self.is_empty() {
            writer.fail(BuildError::NoColumns);
        }
        for (position, name) in self.iter().enumerate() {
            if position > 0 {
                writer.push(", ");
            }
            writer.name(name, Role::Column);
        }
    }
}

impl<const N: usize> Projection for &[&str; N] {
    fn write_columns(self, writer: &mut Writer) {
        self.as_slice().write_columns(writer);
    }
}

impl Projection for Operand<Column<'_>> {
    fn write_columns(self, writer: &mut Writer) {
        self.write(writer);
    }
}

impl<T: Expr> Projection for Aliased<'_, T> {
    fn write_columns(self, writer: &mut Writer) {
        self.expr.write(writer);
        writer.push(" AS ");
        writer.plain_name(self.alias, Role::Output);
    }
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)+) => {$(
        impl<$first: Projection $(, $rest: Projection)*> Projection for ($first, $($rest,)*) {
            #[expect(non_snake_case, reason = "the type's name serves as the variable's")]
            fn write_columns(self, writer: &mut Writer) {
                let ($first, $($rest,)*) = self;
                $first.write_columns(writer);
                $(writer.push(", "); $rest.write_columns(writer);)*
            }
        }
    )+};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
