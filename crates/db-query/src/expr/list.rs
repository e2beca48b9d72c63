//! Several expressions in a row: arguments, result columns, rows to compare.

use super::{Expr, Operand};
use crate::writer::Writer;

/// Expressions of any types, one after the other: a tuple of them, or nothing.
pub trait Exprs {
    /// Writes them with commas between.
    fn write_list(self, writer: &mut Writer);
}

impl Exprs for () {
    fn write_list(self, _: &mut Writer) {}
}

impl<E: Expr> Exprs for Operand<E> {
    fn write_list(self, writer: &mut Writer) {
        self.write(writer);
    }
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)+) => {$(
        impl<$first: Expr $(, $rest: Expr)*> Exprs for ($first, $($rest,)*) {
            #[expect(non_snake_case, reason = "the type's name serves as the variable's")]
            fn write_list(self, writer: &mut Writer) {
                let ($first, $($rest,)*) = self;
                $first.write(writer);
                $(writer.push(", "); $rest.write(writer);)*
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

/// See [`row_of`].
#[derive(Clone, Copy, Debug)]
pub struct RowOf<L>(L);

/// `(a, b, …)`: a row to compare with another, as in `(created_at, id) < ($1, $2)`.
pub fn row_of<L: Exprs>(list: L) -> Operand<RowOf<L>> {
    Operand(RowOf(list))
}

impl<L: Exprs> Expr for RowOf<L> {
    fn write(self, writer: &mut Writer) {
        writer.push("ROW(");
        self.0.write_list(writer);
        writer.push(")");
    }
}
