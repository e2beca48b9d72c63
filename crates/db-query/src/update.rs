//! UPDATE.

use crate::{
    BuildError, Query, Start,
    clause::{Clause, Frame},
    expr::{Condition, Expr, Operand, value},
    hint::PlanHint,
    projection::Projection,
    query::sealed::Sealed,
    source::Source,
    statement::Statement,
    touch::Role,
    with::{self, Cte},
    writer::{TEXT_BYTES, Writer},
};
use sqlx::{Encode, Postgres, Type};

/// Which rows a statement changes; nothing is assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Unsaid,
    Filtered,
    AllRows,
}

/// Builds an UPDATE.
///
/// ```
/// use db_query::{BuildError, Update, case, col, constant, now};
///
/// let update = Update::table("tasks")
///     .set("assigned_to", "ada")
///     .set_expr("attempts", col("attempts") + constant(1))
///     .set_expr("updated_at", now())
///     .set_expr("priority", case(col("priority").gt(8_i16), constant(8)).otherwise(col("priority")))
///     .filter(col("id").eq(7_i64))
///     .returning(["attempts"])
///     .build()?;
/// assert_eq!(update.parameters(), 3);
/// assert_eq!(Update::table("tasks").set("assigned_to", "ada").build().unwrap_err(), BuildError::Unbounded);
/// # Ok::<(), BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Update {
    writer: Writer,
    frame: Frame,
    scope: Scope,
}

impl Update {
    /// Of a table, `name` or `schema.name`.
    pub fn table(table: &str) -> Self {
        Self::begin(Writer::default(), table)
    }

    pub(crate) fn begin(mut writer: Writer, table: &str) -> Self {
        let mut frame = writer.frame(TEXT_BYTES);
        frame.clause(&mut writer, Clause::Head, "UPDATE ", "");
        writer.name(table, Role::Update);
        Self { writer, frame, scope: Scope::Unsaid }
    }

    /// Gives the table another name, for FROM and conditions.
    pub fn alias(mut self, alias: &str) -> Self {
        if self.frame.has(Clause::Sets) || self.frame.has(Clause::Alias) {
            self.writer.fail(BuildError::Twice { clause: "the name of the table to update" });
        }
        self.frame.clause(&mut self.writer, Clause::Alias, " AS ", "");
        self.writer.plain_name(alias, Role::TargetAlias);
        self
    }

    /// Sets a column to a value.
    pub fn set<'q, V: Encode<'q, Postgres> + Type<Postgres>>(self, column: &str, new: V) -> Self {
        self.set_expr(column, value(new))
    }

    /// Sets a column to an expression, such as [`now()`](crate::now).
    pub fn set_expr<E: Expr>(mut self, column: &str, expr: Operand<E>) -> Self {
        self.frame.clause(&mut self.writer, Clause::Sets, " SET ", ", ");
        self.writer.plain_name(column, Role::Updated);
        self.writer.push(" = ");
        expr.write(&mut self.writer);
        self
    }

    /// Adds rows that the conditions and new values may name: `FROM source`. Join them by a filter.
    pub fn from(mut self, source: impl Source) -> Self {
        self.frame.clause(&mut self.writer, Clause::From, " FROM ", " CROSS JOIN ");
        source.write_source(&mut self.writer);
        self
    }

    /// Changes only rows for which the condition holds; several are joined by AND.
    pub fn filter(mut self, condition: Condition<impl Expr>) -> Self {
        if condition.is_constant() != Some(true) {
            self.scope = Scope::Filtered;
        }
        self.frame.clause(&mut self.writer, Clause::Where, " WHERE ", " AND ");
        condition.write(&mut self.writer);
        self
    }

    /// Says that every row is meant.
    pub fn all_rows(mut self) -> Self {
        if self.scope == Scope::Unsaid {
            self.scope = Scope::AllRows;
        }
        self
    }

    /// Returns these columns of what was changed.
    pub fn returning(mut self, columns: impl Projection) -> Self {
        self.frame.clause(&mut self.writer, Clause::Returning, " RETURNING ", ", ");
        columns.write_columns(&mut self.writer);
        self
    }

    /// Adds a common table expression.
    pub fn with<'a, Q: Query>(mut self, cte: impl Into<Cte<'a>>, build: impl FnOnce(Start) -> Q) -> Self {
        with::write(&mut self.writer, &mut self.frame, cte.into(), build);
        self
    }

    /// Tells `pg_hint_plan` how to run it; without the extension, a comment.
    pub fn hint(mut self, hint: PlanHint<'_>) -> Self {
        hint.write(&mut self.writer, &mut self.frame);
        self
    }

    /// Ends the statement.
    ///
    /// # Errors
    /// [`BuildError::Unbounded`] without a filter or `all_rows`; else the first mistake that was made on the way.
    pub fn build(self) -> Result<Statement, BuildError> {
        self.finish().end()
    }
}

impl Sealed for Update {}

impl Query for Update {
    fn finish(mut self) -> Writer {
        if !self.frame.has(Clause::Sets) {
            self.writer.fail(BuildError::NoColumns);
        }
        if self.scope == Scope::Unsaid {
            self.writer.fail(BuildError::Unbounded);
        }
        let end = self.frame.end_of(&mut self.writer, Clause::Where);
        self.frame.arrange(&mut self.writer);
        let filtered = if self.frame.has(Clause::Where) { Role::Filtered } else { Role::Unfiltered };
        self.writer.state().mark_at(end, filtered);
        self.writer
    }
}
