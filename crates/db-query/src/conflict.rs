//! ON CONFLICT: what an INSERT does where a row exists already.

use crate::{
    BuildError,
    expr::{Condition, Expr, Operand, excluded},
    touch::Role,
    writer::Writer,
};

/// What an INSERT does where a row exists already.
pub trait Conflict {
    /// Writes what stands behind ON CONFLICT.
    fn write(self, writer: &mut Writer);
}

/// Which conflict is meant.
#[derive(Clone, Copy, Debug)]
enum Target<'a> {
    Any,
    Columns(&'a [&'a str]),
    Constraint(&'a str),
}

/// Names the conflict; go on with what happens then.
#[derive(Clone, Copy, Debug)]
#[must_use = "a conflict needs to be answered"]
pub struct OnConflict<'a, P = ()> {
    target: Target<'a>,
    predicate: P,
}

impl<'a> OnConflict<'a> {
    /// Any conflict at all; only [`do_nothing`](Self::do_nothing) can follow it.
    pub const fn any() -> Self {
        Self { target: Target::Any, predicate: () }
    }

    /// With a unique index on these columns.
    #[inline]
    pub const fn columns(columns: &'a [&'a str]) -> Self {
        Self { target: Target::Columns(columns), predicate: () }
    }

    /// With a constraint, by name.
    pub const fn constraint(name: &'a str) -> Self {
        Self { target: Target::Constraint(name), predicate: () }
    }

    /// With a unique index on the columns that is for such rows only. Its condition has to be implied by this one, and the
    /// server does not look into parameters: compare with [`constant`](crate::constant)s.
    pub fn only<E: Expr>(self, condition: Condition<E>) -> OnConflict<'a, Condition<E>> {
        OnConflict { target: self.target, predicate: condition }
    }
}

impl<'a, P: Predicate> OnConflict<'a, P> {
    /// Leaves the row as it is.
    pub fn do_nothing(self) -> DoNothing<'a, P> {
        DoNothing(self)
    }

    /// Sets these columns to what would have been inserted.
    #[inline]
    pub fn update<'c>(self, columns: &'c [&'c str]) -> DoUpdate<'a, P, Excluded<'c>> {
        DoUpdate { on: self, sets: Excluded(columns), filter: () }
    }

    /// Sets columns; see [`Sets`].
    pub fn set<F: FnOnce(&mut Sets<'_>)>(self, fill: F) -> DoUpdate<'a, P, F> {
        DoUpdate { on: self, sets: fill, filter: () }
    }

    fn write(self, writer: &mut Writer) {
        match self.target {
            Target::Any => {}
            Target::Columns(columns) => {
                writer.push(" (");
                for (position, column) in columns.iter().enumerate() {
                    if position > 0 {
                        writer.push(", ");
                    }
                    writer.plain_name(column, Role::Column);
                }
                writer.push(")");
                if columns.is_empty() {
                    writer.fail(BuildError::NoColumns);
                }
            }
            Target::Constraint(name) => {
                writer.push(" ON CONSTRAINT ");
                writer.plain_name(name, Role::Other);
            }
        }
        if P::IS_SET && !matches!(self.target, Target::Columns(_)) {
            writer.fail(BuildError::Incomplete {
                missing: "column that the condition of ON CONFLICT belongs to",
            });
        }
        self.predicate.write_where(writer);
    }
}

/// A condition, or none.
pub trait Predicate {
    /// Whether there is one.
    const IS_SET: bool;

    /// Writes ` WHERE condition`, or nothing.
    fn write_where(self, writer: &mut Writer);

    /// Writes ` AND condition`, or nothing.
    fn write_and(self, writer: &mut Writer);
}

impl Predicate for () {
    const IS_SET: bool = false;
    fn write_where(self, _: &mut Writer) {}
    fn write_and(self, _: &mut Writer) {}
}

impl<E: Expr> Predicate for Condition<E> {
    const IS_SET: bool = true;
    fn write_where(self, writer: &mut Writer) {
        writer.push(" WHERE ");
        self.write(writer);
    }

    fn write_and(self, writer: &mut Writer) {
        writer.push(" AND ");
        self.write(writer);
    }
}

/// See [`OnConflict::do_nothing`].
#[derive(Clone, Copy, Debug)]
pub struct DoNothing<'a, P>(OnConflict<'a, P>);

impl<P: Predicate> Conflict for DoNothing<'_, P> {
    fn write(self, writer: &mut Writer) {
        self.0.write(writer);
        writer.push(" DO NOTHING");
    }
}

/// See [`OnConflict::update`] and [`OnConflict::set`].
#[derive(Clone, Copy, Debug)]
pub struct DoUpdate<'a, P, S, W = ()> {
    on: OnConflict<'a, P>,
    sets: S,
    filter: W,
}

impl<'a, P, S> DoUpdate<'a, P, S> {
    /// Only where the condition holds; other rows stay as they are, and are not returned. The row that exists goes by the
    /// table's name, the one that was to be inserted is [`excluded`](crate::excluded).
    pub fn filter<E: Expr>(self, condition: Condition<E>) -> DoUpdate<'a, P, S, Condition<E>> {
        DoUpdate { on: self.on, sets: self.sets, filter: condition }
    }
}

impl<P: Predicate, S: Assignments, W: Predicate> Conflict for DoUpdate<'_, P, S, W> {
    #[inline]
    fn write(self, writer: &mut Writer) {
        if matches!(self.on.target, Target::Any) {
            writer.fail(BuildError::Incomplete { missing: "column or constraint of ON CONFLICT DO UPDATE" });
        }
        self.on.write(writer);
        writer.push(" DO UPDATE SET ");
        self.sets.write_sets(writer);
        self.filter.write_where(writer);
    }
}

/// What columns are set to.
pub trait Assignments {
    /// Writes `column = expr`, with commas between.
    fn write_sets(self, writer: &mut Writer);
}

/// Columns that get what would have been inserted.
#[derive(Clone, Copy, Debug)]
pub struct Excluded<'c>(&'c [&'c str]);

impl Assignments for Excluded<'_> {
    #[inline]
    fn write_sets(self, writer: &mut Writer) {
        if self.0.is_empty() {
            writer.fail(BuildError::NoColumns);
        }
        let state = writer.state();
        for (position, column) in self.0.iter().enumerate() {
            if position > 0 {
                state.text.push_str(", ");
            }
            let at = state.text.len();
            state.write_name(column, Role::Updated, crate::ident::Dots::Belong);
            let end = state.text.len();
            state.text.push_str(" = EXCLUDED.");
            let again = state.text.len();
            state.text.extend_from_within(at..end);
            state.mark(again, Role::Excluded);
        }
    }
}

impl<F: FnOnce(&mut Sets<'_>)> Assignments for F {
    fn write_sets(self, writer: &mut Writer) {
        let mut sets = Sets { writer, count: 0 };
        self(&mut sets);
        if sets.count == 0 {
            writer.fail(BuildError::NoColumns);
        }
    }
}

/// The columns that an ON CONFLICT or a MERGE sets.
#[derive(Debug)]
pub struct Sets<'w> {
    writer: &'w mut Writer,
    count: usize,
}

impl<'w> Sets<'w> {
    pub(crate) fn new(writer: &'w mut Writer) -> Self {
        Self { writer, count: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Sets a column to a value.
    pub fn set<'q, V>(&mut self, column: &str, new: V) -> &mut Self
    where
        V: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.set_expr(column, crate::value(new))
    }

    /// Sets a column to an expression.
    pub fn set_expr<E: Expr>(&mut self, column: &str, expr: Operand<E>) -> &mut Self {
        if self.count > 0 {
            self.writer.push(", ");
        }
        self.count += 1;
        self.writer.plain_name(column, Role::Updated);
        self.writer.push(" = ");
        expr.write(self.writer);
        self
    }

    /// Sets a column to what would have been inserted. Only in ON CONFLICT.
    pub fn set_excluded(&mut self, column: &str) -> &mut Self {
        self.set_expr(column, excluded(column))
    }
}
