//! DELETE.

use crate::{
    BuildError, Query, Start,
    clause::{Clause, Frame},
    expr::{Condition, Expr},
    hint::PlanHint,
    projection::Projection,
    query::sealed::Sealed,
    source::Source,
    statement::Statement,
    touch::Role,
    update::Scope,
    with::{self, Cte},
    writer::{TEXT_BYTES, Writer},
};

/// Builds a DELETE.
///
/// ```
/// use db_query::{Delete, Op, col, make_interval, now, value};
///
/// let old = now() - make_interval(value(86_400.0));
/// let delete = Delete::from("sessions").filter(col("expires_at").cmp_to(Op::Lt, old)).build()?;
/// assert_eq!(delete.sql(), r#"DELETE FROM "sessions" WHERE "expires_at" < (now() - make_interval(secs => $1))"#);
/// # Ok::<(), db_query::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Delete {
    writer: Writer,
    frame: Frame,
    scope: Scope,
}

impl Delete {
    /// From a table, `name` or `schema.name`.
    pub fn from(table: &str) -> Self {
        Self::begin(Writer::default(), table)
    }

    pub(crate) fn begin(mut writer: Writer, table: &str) -> Self {
        let mut frame = writer.frame(TEXT_BYTES);
        frame.clause(&mut writer, Clause::Head, "DELETE FROM ", "");
        writer.name(table, Role::Delete);
        Self { writer, frame, scope: Scope::Unsaid }
    }

    /// Gives the table another name, for USING and conditions.
    pub fn alias(mut self, alias: &str) -> Self {
        if self.frame.has(Clause::Alias) {
            self.writer.fail(BuildError::Twice { clause: "the name of the table to delete from" });
        }
        self.frame.clause(&mut self.writer, Clause::Alias, " AS ", "");
        self.writer.plain_name(alias, Role::TargetAlias);
        self
    }

    /// Adds rows that the conditions may name: `USING source`. Join them by a filter.
    pub fn using(mut self, source: impl Source) -> Self {
        self.frame.clause(&mut self.writer, Clause::From, " USING ", " CROSS JOIN ");
        source.write_source(&mut self.writer);
        self
    }

    /// Deletes only rows for which the condition holds; several are joined by AND.
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

    /// Returns these columns of what was deleted.
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

impl Sealed for Delete {}

impl Query for Delete {
    fn finish(mut self) -> Writer {
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
