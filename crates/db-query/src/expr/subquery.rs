//! Queries as expressions.

use super::{Condition, Expr, Operand};
use crate::{Query, Start, writer::Writer};

/// `EXISTS (SELECT …)`
#[derive(Clone, Copy, Debug)]
pub struct Exists<F>(F);

/// Whether the query has a row: `EXISTS (SELECT …)`. `!exists(..)` for the opposite.
pub fn exists<Q: Query, F: FnOnce(Start) -> Q>(build: F) -> Condition<Exists<F>> {
    Condition(Exists(build))
}

impl<Q: Query, F: FnOnce(Start) -> Q> Expr for Exists<F> {
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
pub fn scalar<Q: Query, F: FnOnce(Start) -> Q>(build: F) -> Operand<Scalar<F>> {
    Operand(Scalar { open: "(", build })
}

impl<Q: Query, F: FnOnce(Start) -> Q> Expr for Scalar<F> {
    fn write(self, writer: &mut Writer) {
        writer.push(self.open);
        writer.nested(self.build);
        writer.push(")");
    }
}
