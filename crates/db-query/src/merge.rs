//! MERGE: insert, update and delete by what a source has and the table has not. PostgreSQL 15 and later.

use crate::{
    BuildError, Query, Start,
    clause::{Clause, Frame},
    conflict::{Predicate, Sets},
    expr::{Condition, Expr},
    source::{Row, Source, write_row},
    statement::Statement,
    touch::Role,
    with::{self, Cte},
    writer::{TEXT_BYTES, Writer},
};

/// Builds a MERGE.
///
/// ```
/// use db_query::{Merge, col, values};
///
/// let new = values("new", &["key", "size"], |rows| {
///     rows.row(|row| {
///         row.value("a").value(1_i64);
///     });
/// });
/// let merge = Merge::into("files", new, col("files.key").eq_col("new.key"))
///     .when_matched_delete(col("new.size").eq(0_i64))
///     .when_matched_update((), |sets| {
///         sets.set_expr("size", col("new.size"));
///     })
///     .when_not_matched_insert((), &["key", "size"], |row| {
///         row.expr(col("new.key")).expr(col("new.size"));
///     })
///     .build()?;
/// assert_eq!(merge.parameters(), 3);
/// # Ok::<(), db_query::BuildError>(())
/// ```
///
/// Unlike ON CONFLICT it can fail with 23505 where two run at once, and it reports no row back before
/// PostgreSQL 17; it can delete.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Merge {
    writer: Writer,
    frame: Frame,
    /// The kinds of branches that take every row: what stands behind one is never reached, and the server refuses it.
    ended: Vec<&'static str>,
}

impl Merge {
    /// The first major version of PostgreSQL that has it.
    pub const SINCE: u32 = 15;

    /// Into a table, with the rows of a source where the condition holds.
    pub fn into(table: &str, source: impl Source, on: Condition<impl Expr>) -> Self {
        let mut writer = Writer::default();
        let mut frame = writer.frame(TEXT_BYTES);
        frame.clause(&mut writer, Clause::Head, "MERGE INTO ", "");
        writer.name(table, Role::Merge);
        writer.push(" USING ");
        source.write_source(&mut writer);
        writer.push(" ON ");
        on.write(&mut writer);
        Self { writer, frame, ended: Vec::new() }
    }

    /// Changes rows that match and for which `when` holds; with `()` all of them.
    pub fn when_matched_update(self, when: impl Predicate, fill: impl FnOnce(&mut Sets<'_>)) -> Self {
        self.branch("MATCHED", when, |writer| {
            writer.push("UPDATE SET ");
            let mut sets = Sets::new(writer);
            fill(&mut sets);
            if sets.count() == 0 {
                writer.fail(BuildError::NoColumns);
            }
        })
    }

    /// Deletes rows that match and for which `when` holds.
    pub fn when_matched_delete(self, when: impl Predicate) -> Self {
        self.branch("MATCHED", when, |writer| {
            let at = writer.state().text.len();
            writer.state().mark(at, Role::Deletes);
            writer.push("DELETE");
        })
    }

    /// Leaves rows that match as they are; later branches do not see them.
    pub fn when_matched_do_nothing(self, when: impl Predicate) -> Self {
        self.branch("MATCHED", when, |writer| writer.push("DO NOTHING"))
    }

    /// Inserts where nothing matches.
    pub fn when_not_matched_insert(
        self,
        when: impl Predicate,
        columns: &[&str],
        fill: impl FnOnce(&mut Row<'_>),
    ) -> Self {
        self.branch("NOT MATCHED", when, |writer| {
            writer.push("INSERT (");
            for (position, column) in columns.iter().enumerate() {
                if position > 0 {
                    writer.push(", ");
                }
                writer.plain_name(column, Role::Inserted);
            }
            if columns.is_empty() {
                writer.fail(BuildError::NoColumns);
            }
            writer.push(") VALUES ");
            write_row(writer, 1, columns.len(), fill);
        })
    }

    /// Adds a common table expression.
    pub fn with<'a, Q: Query>(mut self, cte: impl Into<Cte<'a>>, build: impl FnOnce(Start) -> Q) -> Self {
        let cte = cte.into();
        if cte.is_recursive() {
            self.writer.fail(BuildError::Incomplete {
                missing: "room for WITH RECURSIVE, which MERGE does not take",
            });
        }
        with::write(&mut self.writer, &mut self.frame, cte, build);
        self
    }

    /// Ends the statement.
    ///
    /// # Errors
    /// [`BuildError::Incomplete`] without a branch; else the first mistake that was made on the way.
    pub fn build(mut self) -> Result<Statement, BuildError> {
        if !self.frame.has(Clause::Set) {
            self.writer.fail(BuildError::Incomplete { missing: "branch of MERGE" });
        }
        self.frame.arrange(&mut self.writer);
        self.writer.end()
    }

    fn branch<P: Predicate>(mut self, kind: &'static str, when: P, action: impl FnOnce(&mut Writer)) -> Self {
        if self.ended.contains(&kind) {
            self.writer.fail(BuildError::Twice { clause: "a branch of MERGE that takes every row" });
        }
        if !P::IS_SET {
            self.ended.push(kind);
        }
        self.frame.clause(&mut self.writer, Clause::Set, " WHEN ", " WHEN ");
        self.writer.push(kind);
        when.write_and(&mut self.writer);
        self.writer.push(" THEN ");
        action(&mut self.writer);
        self
    }
}
