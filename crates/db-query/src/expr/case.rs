//! CASE.

use super::{Condition, Expr, Operand};
use crate::writer::Writer;

/// A CASE that has no branch yet.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

/// A CASE: the branches before, and one more.
#[derive(Clone, Copy, Debug)]
#[must_use = "a CASE is an expression once it ends"]
pub struct Case<P, C, E> {
    before: P,
    condition: C,
    then: E,
}

/// A CASE with its ELSE, if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Otherwise<P, E> {
    branches: P,
    otherwise: Option<E>,
}

/// `CASE WHEN condition THEN expr`: go on with [`Case::when`], end with [`Case::otherwise`] or [`Case::end`].
pub fn case<C: Expr, E: Expr>(condition: Condition<C>, then: Operand<E>) -> Case<Nothing, C, E> {
    Case { before: Nothing, condition: condition.0, then: then.0 }
}

/// The branches of a CASE.
pub trait Branches {
    /// Writes `CASE` and the branches.
    fn write_branches(self, writer: &mut Writer);
}

impl Branches for Nothing {
    fn write_branches(self, writer: &mut Writer) {
        writer.push("CASE");
    }
}

impl<P: Branches, C: Expr, E: Expr> Branches for Case<P, C, E> {
    fn write_branches(self, writer: &mut Writer) {
        self.before.write_branches(writer);
        writer.push(" WHEN ");
        self.condition.write(writer);
        writer.push(" THEN ");
        self.then.write(writer);
    }
}

impl<P: Branches, C: Expr, E: Expr> Case<P, C, E> {
    /// Otherwise, when this holds.
    pub fn when<D: Expr, F: Expr>(self, condition: Condition<D>, then: Operand<F>) -> Case<Self, D, F> {
        Case { before: self, condition: condition.0, then: then.0 }
    }

    /// When nothing holds.
    pub fn otherwise<F: Expr>(self, otherwise: Operand<F>) -> Operand<Otherwise<Self, F>> {
        Operand(Otherwise { branches: self, otherwise: Some(otherwise.0) })
    }

    /// NULL when nothing holds.
    pub fn end(self) -> Operand<Otherwise<Self, E>> {
        Operand(Otherwise { branches: self, otherwise: None })
    }
}

impl<P: Branches, E: Expr> Expr for Otherwise<P, E> {
    fn write(self, writer: &mut Writer) {
        self.branches.write_branches(writer);
        if let Some(otherwise) = self.otherwise {
            writer.push(" ELSE ");
            otherwise.write(writer);
        }
        writer.push(" END");
    }
}
