//! SELECT.

use crate::{
    BuildError, Query, Start,
    clause::{Clause, Frame},
    expr::{Condition, Expr, Operand, value},
    hint::PlanHint,
    lock::Lock,
    order::Order,
    projection::Projection,
    query::sealed::Sealed,
    source::Source,
    statement::Statement,
    touch::Role,
    window::WindowSpec,
    with::{self, Cte},
    writer::{TEXT_BYTES, Writer},
};

/// Builds a SELECT. Clauses may come in any order.
///
/// ```
/// use db_query::{Lock, Select, asc, col, count_all, desc, max, row_number, table_as, window};
///
/// let latest = Select::from(table_as("tasks", "t"))
///     .columns(("t.id", "t.title"))
///     .columns(row_number().over(window().partition_by(&["t.queue"]).order_by(desc("t.created_at"))).alias("place"))
///     .left_join(table_as("task_executions", "e"), col("e.task_id").eq_col("t.id"))
///     .filter(col("t.metadata").text_at(&["owner", "name"]).eq("ci"))
///     .build()?;
/// assert!(latest.sql().contains("row_number() OVER (PARTITION BY"));
///
/// let next = Select::from("tasks")
///     .columns(["id"])
///     .filter(col("status").eq("pending"))
///     .order_by(asc("created_at"))
///     .limit(10)
///     .lock(Lock::for_update().skip_locked())
///     .build()?;
/// assert!(next.sql().ends_with("LIMIT $2 FOR UPDATE SKIP LOCKED"));
/// assert!(!next.is_read_only());
///
/// let busy = Select::from("tasks")
///     .columns(("queue", count_all().alias("n"), max(col("priority")).alias("top")))
///     .group_by(&["queue"])
///     .having(count_all().gt(5_i64))
///     .build()?;
/// assert!(busy.sql().ends_with(r#"GROUP BY "queue" HAVING count(*) > $1"#));
/// # Ok::<(), db_query::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Select {
    writer: Writer,
    frame: Frame,
    /// Whether there is a UNION or EXCEPT.
    has_loose_sets: bool,
}

impl Select {
    /// From a table, `name` or `schema.name`, or another source of rows.
    #[inline]
    pub fn from(source: impl Source) -> Self {
        Self::begin(Writer::default()).and_from(source)
    }

    /// From nothing: of expressions.
    pub fn of(columns: impl Projection) -> Self {
        Self::begin(Writer::default()).columns(columns)
    }

    #[inline]
    pub(crate) fn begin(mut writer: Writer) -> Self {
        let mut frame = writer.frame(TEXT_BYTES);
        frame.clause(&mut writer, Clause::Head, "SELECT ", "");
        Self { writer, frame, has_loose_sets: false }
    }

    /// One more source, every row of it with every row of the others.
    #[inline]
    pub fn and_from(mut self, source: impl Source) -> Self {
        self.frame.clause(&mut self.writer, Clause::From, " FROM ", " CROSS JOIN ");
        source.write_source(&mut self.writer);
        self
    }

    /// Adds columns to return.
    #[inline]
    pub fn columns(mut self, columns: impl Projection) -> Self {
        self.frame.clause(&mut self.writer, Clause::Columns, "", ", ");
        columns.write_columns(&mut self.writer);
        self
    }

    /// Returns each row once.
    pub fn distinct(mut self) -> Self {
        self.once(Clause::Distinct, "DISTINCT");
        self.frame.clause(&mut self.writer, Clause::Distinct, "DISTINCT ", "");
        self
    }

    /// Returns, of the rows that are equal in these columns, the first in the order of the statement.
    pub fn distinct_on(mut self, columns: &[&str]) -> Self {
        self.once(Clause::Distinct, "DISTINCT");
        self.frame.clause(&mut self.writer, Clause::Distinct, "DISTINCT ON (", "");
        columns.write_columns(&mut self.writer);
        self.writer.push(") ");
        self
    }

    /// Keeps only rows for which there is a match in `source`.
    pub fn join(self, source: impl Source, on: Condition<impl Expr>) -> Self {
        self.joined(" JOIN ", source, on)
    }

    /// Adds what matches in `source`, NULLs where nothing does.
    #[inline]
    pub fn left_join(self, source: impl Source, on: Condition<impl Expr>) -> Self {
        self.joined(" LEFT JOIN ", source, on)
    }

    /// Adds every row of `source`, NULLs before those that match nothing.
    pub fn right_join(self, source: impl Source, on: Condition<impl Expr>) -> Self {
        self.joined(" RIGHT JOIN ", source, on)
    }

    /// Rows of both sides, with NULLs where the other has no match.
    pub fn full_join(self, source: impl Source, on: Condition<impl Expr>) -> Self {
        self.joined(" FULL JOIN ", source, on)
    }

    /// Every row with every row of `source`; with a [`lateral`](crate::lateral) query, with the rows that it gives.
    pub fn cross_join(mut self, source: impl Source) -> Self {
        self.needs_source();
        self.frame.clause(&mut self.writer, Clause::From, "", " CROSS JOIN ");
        source.write_source(&mut self.writer);
        self
    }

    /// Joins by columns that have the same name on both sides: `JOIN source USING (columns)`.
    pub fn join_using(mut self, source: impl Source, columns: &[&str]) -> Self {
        self.needs_source();
        if columns.is_empty() {
            self.writer.fail(BuildError::NoColumns);
        }
        self.frame.clause(&mut self.writer, Clause::From, "", " JOIN ");
        source.write_source(&mut self.writer);
        self.writer.push(" USING (");
        for (position, column) in columns.iter().enumerate() {
            if position > 0 {
                self.writer.push(", ");
            }
            self.writer.plain_name(column, Role::Column);
        }
        self.writer.push(")");
        self
    }

    /// Keeps only rows for which the condition holds; several are joined by AND.
    #[inline]
    pub fn filter(mut self, condition: Condition<impl Expr>) -> Self {
        self.frame.clause(&mut self.writer, Clause::Where, " WHERE ", " AND ");
        condition.write(&mut self.writer);
        self
    }

    /// Groups by columns.
    pub fn group_by<'a>(mut self, columns: impl Into<Group<'a>>) -> Self {
        self.frame.clause(&mut self.writer, Clause::GroupBy, " GROUP BY ", ", ");
        columns.into().write(&mut self.writer);
        self
    }

    /// Groups by an expression.
    pub fn group_by_expr<E: Expr>(mut self, expr: Operand<E>) -> Self {
        self.frame.clause(&mut self.writer, Clause::GroupBy, " GROUP BY ", ", ");
        crate::order::write_key(expr, &mut self.writer);
        self
    }

    /// Keeps only groups for which the condition holds; several are joined by AND.
    pub fn having(mut self, condition: Condition<impl Expr>) -> Self {
        self.frame.clause(&mut self.writer, Clause::Having, " HAVING ", " AND ");
        condition.write(&mut self.writer);
        self
    }

    /// Names a window, for several functions over the same.
    pub fn window(mut self, name: &str, window: impl WindowSpec) -> Self {
        self.frame.clause(&mut self.writer, Clause::Window, " WINDOW ", ", ");
        self.writer.plain_name(name, Role::Other);
        self.writer.push(" AS ");
        window.write_window(&mut self.writer);
        self
    }

    /// Adds a sort key.
    #[inline]
    pub fn order_by<E: Expr>(mut self, order: Order<E>) -> Self {
        self.frame.clause(&mut self.writer, Clause::OrderBy, " ORDER BY ", ", ");
        order.write(&mut self.writer);
        self
    }

    /// At most so many rows.
    #[inline]
    pub fn limit(mut self, rows: u32) -> Self {
        self.once(Clause::Limit, "LIMIT");
        self.frame.clause(&mut self.writer, Clause::Limit, " LIMIT ", "");
        value(i64::from(rows)).write(&mut self.writer);
        self
    }

    /// Leaves out so many rows first. The server reads them all the same: for pages there
    /// are keysets (feature `keyset`).
    pub fn offset(mut self, rows: u32) -> Self {
        self.once(Clause::Offset, "OFFSET");
        self.frame.clause(&mut self.writer, Clause::Offset, " OFFSET ", "");
        value(i64::from(rows)).write(&mut self.writer);
        self
    }

    /// Locks the rows; several locks may be for several tables.
    pub fn lock(mut self, lock: Lock<'_>) -> Self {
        self.frame.clause(&mut self.writer, Clause::Lock, " ", " ");
        lock.write(&mut self.writer);
        self
    }

    /// Adds a common table expression.
    pub fn with<'a, Q: Query>(mut self, cte: impl Into<Cte<'a>>, build: impl FnOnce(Start) -> Q) -> Self {
        with::write(&mut self.writer, &mut self.frame, cte.into(), build);
        self
    }

    /// The rows of both, each once. ORDER BY, LIMIT and OFFSET of this statement are those of all its rows.
    pub fn union(mut self, build: impl FnOnce(Start) -> Self) -> Self {
        self.has_loose_sets = true;
        self.set(" UNION (", build)
    }

    /// The rows of both, one after the other.
    pub fn union_all(mut self, build: impl FnOnce(Start) -> Self) -> Self {
        self.has_loose_sets = true;
        self.set(" UNION ALL (", build)
    }

    /// The rows that both have, each once. After a union or except it is refused: SQL would do it first.
    pub fn intersect(mut self, build: impl FnOnce(Start) -> Self) -> Self {
        if self.has_loose_sets {
            let clause =
                "INTERSECT after UNION or EXCEPT, which it binds closer than: nest them in a subquery";
            self.writer.fail(BuildError::Misplaced { clause });
        }
        self.set(" INTERSECT (", build)
    }

    /// The rows that the other does not have, each once.
    pub fn except(mut self, build: impl FnOnce(Start) -> Self) -> Self {
        self.has_loose_sets = true;
        self.set(" EXCEPT (", build)
    }

    /// Tells `pg_hint_plan` how to run it; without the extension, a comment.
    pub fn hint(mut self, hint: PlanHint<'_>) -> Self {
        hint.write(&mut self.writer, &mut self.frame);
        self
    }

    /// Ends the statement.
    ///
    /// # Errors
    /// The first mistake that was made on the way.
    #[inline]
    pub fn build(self) -> Result<Statement, BuildError> {
        self.finish().end()
    }

    #[inline]
    fn joined(mut self, word: &'static str, source: impl Source, on: Condition<impl Expr>) -> Self {
        self.needs_source();
        self.frame.clause(&mut self.writer, Clause::From, "", word);
        source.write_source(&mut self.writer);
        self.writer.push(" ON ");
        on.write(&mut self.writer);
        self
    }

    fn set(mut self, open: &'static str, build: impl FnOnce(Start) -> Self) -> Self {
        self.frame.clause(&mut self.writer, Clause::Set, open, open);
        self.writer.nested(build);
        self.writer.push(")");
        self
    }

    #[inline]
    fn needs_source(&mut self) {
        if !self.frame.has(Clause::From) {
            self.writer.fail(BuildError::Incomplete { missing: "table to join to" });
        }
    }

    /// Keeps a mistake that was made in its name.
    #[cfg(feature = "keyset")]
    pub(crate) fn fail(mut self, error: BuildError) -> Self {
        self.writer.fail(error);
        self
    }

    #[inline]
    fn once(&mut self, clause: Clause, name: &'static str) {
        if self.frame.has(clause) {
            self.writer.fail(BuildError::Twice { clause: name });
        }
    }
}

impl Sealed for Select {}

impl Query for Select {
    #[inline]
    fn finish(mut self) -> Writer {
        if !self.frame.has(Clause::Columns) {
            self.writer.fail(BuildError::NoColumns);
        }
        self.frame.arrange(&mut self.writer);
        self.writer
    }
}

/// What a SELECT groups by.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    open: &'static str,
    columns: &'a [&'a str],
}

/// Groups by all of the columns, then by all but the last, and so on to no column: subtotals and a total.
#[must_use]
pub const fn rollup<'a>(columns: &'a [&'a str]) -> Group<'a> {
    Group { open: "ROLLUP (", columns }
}

/// Groups by every subset of the columns.
#[must_use]
pub const fn cube<'a>(columns: &'a [&'a str]) -> Group<'a> {
    Group { open: "CUBE (", columns }
}

impl<'a> From<&'a [&'a str]> for Group<'a> {
    fn from(columns: &'a [&'a str]) -> Self {
        Self { open: "", columns }
    }
}

impl<'a, const N: usize> From<&'a [&'a str; N]> for Group<'a> {
    fn from(columns: &'a [&'a str; N]) -> Self {
        Self { open: "", columns }
    }
}

impl Group<'_> {
    fn write(self, writer: &mut Writer) {
        if self.columns.is_empty() {
            writer.fail(BuildError::NoColumns);
        }
        writer.push(self.open);
        self.columns.write_columns(writer);
        if !self.open.is_empty() {
            writer.push(")");
        }
    }
}
