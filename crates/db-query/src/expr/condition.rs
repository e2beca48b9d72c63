//! Conditions, and how they combine.

use super::{Expr, Operand};
use crate::{BuildError, writer::Writer};

/// An expression that is true, false or NULL. `!condition` turns it round.
#[derive(Clone, Copy, Debug)]
#[must_use = "a condition does nothing until it is written"]
pub struct Condition<E>(pub(crate) E);

impl<E: Expr> Condition<E> {
    /// Both.
    pub fn and<F: Expr>(self, other: Condition<F>) -> Condition<Joined<E, F>> {
        Condition(Joined { left: self.0, word: Word::And, right: other.0 })
    }

    /// Either.
    pub fn or<F: Expr>(self, other: Condition<F>) -> Condition<Joined<E, F>> {
        Condition(Joined { left: self.0, word: Word::Or, right: other.0 })
    }

    /// True where the condition is, false where it is false or NULL: it never is NULL itself.
    pub fn is_true(self) -> Condition<Tested<E>> {
        Condition(Tested { of: self.0, test: IS_TRUE })
    }

    /// True where the condition is false or NULL. `!` leaves NULL as it is.
    pub fn is_not_true(self) -> Condition<Tested<E>> {
        Condition(Tested { of: self.0, test: " IS NOT TRUE" })
    }
}

impl<E: Expr> Expr for Condition<E> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn write_operand(self, writer: &mut Writer) {
        writer.push("(");
        self.0.write(writer);
        writer.push(")");
    }

    #[inline]
    fn is_constant(&self) -> Option<bool> {
        self.0.is_constant()
    }
}

impl<E: Expr> std::ops::Not for Condition<E> {
    type Output = Condition<Negated<E>>;
    fn not(self) -> Self::Output {
        Condition(Negated(self.0))
    }
}

/// A condition as a value: true, false or NULL.
pub fn condition<E: Expr>(condition: Condition<E>) -> Operand<Condition<E>> {
    Operand(condition)
}

/// An expression of a type of one's own that is true, false or NULL, as a condition.
pub const fn holds<E: Expr>(expr: E) -> Condition<E> {
    Condition(expr)
}

/// `NOT (condition)`
#[derive(Clone, Copy, Debug)]
pub struct Negated<E>(E);

impl<E: Expr> Expr for Negated<E> {
    fn write(self, writer: &mut Writer) {
        writer.push("NOT (");
        self.0.write(writer);
        writer.push(")");
    }

    fn is_constant(&self) -> Option<bool> {
        self.0.is_constant().map(|holds| !holds)
    }
}

const IS_TRUE: &str = " IS TRUE";

/// `(condition) IS TRUE`, and its opposite.
#[derive(Clone, Copy, Debug)]
pub struct Tested<E> {
    of: E,
    test: &'static str,
}

impl<E: Expr> Expr for Tested<E> {
    fn write(self, writer: &mut Writer) {
        writer.push("(");
        self.of.write(writer);
        writer.push(")");
        writer.push(self.test);
    }

    fn is_constant(&self) -> Option<bool> {
        self.of.is_constant().map(|holds| holds == (self.test == IS_TRUE))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    And,
    Or,
}

impl Word {
    fn sql(self) -> &'static str {
        match self {
            Self::And => " AND ",
            Self::Or => " OR ",
        }
    }

    /// What parts that may be constant make of the whole.
    fn joined(self, parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
        // True decides an OR, false an AND.
        let decides = self == Self::Or;
        let mut all_settled = true;
        for part in parts {
            match part {
                Some(holds) if holds == decides => return Some(decides),
                Some(_) => {}
                None => all_settled = false,
            }
        }
        all_settled.then_some(!decides)
    }
}

/// Two conditions in parentheses.
#[derive(Clone, Copy, Debug)]
pub struct Joined<L, R> {
    left: L,
    word: Word,
    right: R,
}

impl<L: Expr, R: Expr> Expr for Joined<L, R> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        writer.push("(");
        self.left.write(writer);
        writer.push(self.word.sql());
        self.right.write(writer);
        writer.push(")");
    }

    fn is_constant(&self) -> Option<bool> {
        self.word.joined([self.left.is_constant(), self.right.is_constant()].into_iter())
    }
}

/// Any number of conditions in parentheses.
#[derive(Clone, Debug)]
pub struct Many<E> {
    conditions: Vec<Condition<E>>,
    word: Word,
}

/// All of them; there must be one.
pub fn all_of<E: Expr>(conditions: impl IntoIterator<Item = Condition<E>>) -> Condition<Many<E>> {
    Condition(Many { conditions: conditions.into_iter().collect(), word: Word::And })
}

/// At least one of them; there must be one.
pub fn any_of<E: Expr>(conditions: impl IntoIterator<Item = Condition<E>>) -> Condition<Many<E>> {
    Condition(Many { conditions: conditions.into_iter().collect(), word: Word::Or })
}

impl<E: Expr> Expr for Many<E> {
    fn write(self, writer: &mut Writer) {
        if self.conditions.is_empty() {
            writer.fail(BuildError::Incomplete { missing: "condition in all_of() or any_of()" });
        }
        writer.push("(");
        for (position, condition) in self.conditions.into_iter().enumerate() {
            if position > 0 {
                writer.push(self.word.sql());
            }
            condition.write(writer);
        }
        writer.push(")");
    }

    fn is_constant(&self) -> Option<bool> {
        self.word.joined(self.conditions.iter().map(Expr::is_constant))
    }
}
