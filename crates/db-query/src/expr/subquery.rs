//! Queries as expressions.

use super::{Condition, Expr, Operand};
use crate::{Select, Start, writer::Writer};

/// `EXISTS (SELECT …)`
#[derive(Clone, Copy, Debug)]
pub struct Exists<F>(F);

/// Whether the query has a row: `EXISTS (SELECT …)`. `!exists(..)` for the opposite.
pub fn exists<F: FnOnce(Start) -> Select>(build: F) -> Condition<Exists<F>> {
    Condition(Exists(build))
}

impl<F: FnOnce(Start) -> Select> Expr for Exists<F> {
    fn write(self, writer: &mut Writer) {
        writer.push("EXISTS (");
        writer.nested(self.0);
        writer.push(")");
    }
}

/// `(SELECT …)`, or `ARRAY(SELECT …)`
#[derive(Clone, Copy, Debug)]
pub struct Scalar<F> {
    open: &'static str,
    build: F,
}

/// The one value of a query of one column; NULL without a row, an error of the server with several.
pub fn scalar<F: FnOnce(Start) -> Select>(build: F) -> Operand<Scalar<F>> {
    Operand(Scalar { open: "(", build })
}

impl<F: FnOnce(Start) -> Select> Expr for Scalar<F> {
    fn write(self, writer: &mut Writer) {
        writer.push(self.open);
        writer.nested(self.build);
        writer.push(")");
    }
}
