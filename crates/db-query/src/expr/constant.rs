//! Values that stand in the text, because they never change: the planner sees them even in a prepared statement.

use super::{Expr, Operand};
use crate::{BuildError, writer::Writer};

/// A value known when the program is compiled.
///
/// A partial index serves a query only if the planner sees the values that its condition names. It does not see parameters
/// once it has settled on a plan for all of them, so a status that such an index is about is a constant of the statement.
pub trait Constant: sealed::Sealed {
    /// Writes the value as SQL.
    #[doc(hidden)]
    fn write_constant(self, writer: &mut Writer);

    /// The value, where it is true or false.
    #[doc(hidden)]
    fn holds(&self) -> Option<bool> {
        None
    }

    /// Whether it is written as a bare number.
    #[doc(hidden)]
    fn is_number(&self) -> bool {
        false
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &'static str {}
    impl Sealed for i32 {}
    impl Sealed for i64 {}
    impl Sealed for bool {}
}

impl Constant for &'static str {
    fn write_constant(self, writer: &mut Writer) {
        if self.contains('\0') {
            writer.fail(BuildError::Ident { name: self.to_owned(), reason: "it holds a NUL" });
        }
        let text = &mut writer.state().text;
        // With a backslash the E form means the same whatever standard_conforming_strings says.
        text.push_str(if self.contains('\\') { "E'" } else { "'" });
        for char in self.chars() {
            if matches!(char, '\'' | '\\') {
                text.push(char);
            }
            text.push(char);
        }
        text.push('\'');
    }
}

impl Constant for i32 {
    fn write_constant(self, writer: &mut Writer) {
        if self < 0 {
            writer.push("(");
            writer.push_number(i64::from(self));
            writer.push(")");
        } else {
            writer.push_number(i64::from(self));
        }
    }

    fn is_number(&self) -> bool {
        true
    }
}

impl Constant for i64 {
    fn write_constant(self, writer: &mut Writer) {
        // A bare number is an int4 if it fits one, whatever is done with it.
        writer.push("CAST(");
        writer.push_number(self);
        writer.push(" AS int8)");
    }
}

impl Constant for bool {
    fn write_constant(self, writer: &mut Writer) {
        writer.push(if self { "TRUE" } else { "FALSE" });
    }

    fn holds(&self) -> Option<bool> {
        Some(*self)
    }
}

/// See [`constant`].
#[derive(Clone, Copy, Debug)]
pub struct Literal<C>(C);

/// A value that stands in the text, for what never changes from call to call; see [`Constant`] for when that matters.
pub const fn constant<C: Constant>(value: C) -> Operand<Literal<C>> {
    Operand(Literal(value))
}

impl<C: Constant> Expr for Literal<C> {
    fn write(self, writer: &mut Writer) {
        self.0.write_constant(writer);
    }

    fn is_constant(&self) -> Option<bool> {
        self.0.holds()
    }

    fn is_number(&self) -> bool {
        self.0.is_number()
    }
}

/// See [`constant_null`].
#[derive(Clone, Copy, Debug)]
pub struct Null;

/// NULL, of whatever type is expected there.
pub const fn constant_null() -> Operand<Null> {
    Operand(Null)
}

impl Expr for Null {
    fn write(self, writer: &mut Writer) {
        writer.push("NULL");
    }
}
