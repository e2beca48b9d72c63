//! INSERT.

use crate::{
    BuildError, Query, Select, Start,
    clause::{Clause, Frame},
    conflict::{Conflict, OnConflict},
    projection::Projection,
    query::sealed::Sealed,
    source::{Row, write_row},
    statement::Statement,
    touch::Role,
    with::{self, Cte},
    writer::{TEXT_BYTES, Writer},
};

/// Room for what an INSERT with ON CONFLICT says about a column.
const COLUMN_BYTES: usize = 64;

/// Builds an INSERT.
///
/// ```
/// use db_query::{Insert, func, value};
///
/// let insert = Insert::into("settings", &["key", "value", "changed_at"])
///     .row(|row| {
///         row.value("pool.size").expr(func("to_jsonb", value(10_i32))).default_value();
///     })
///     .on_conflict_update(&["key"], &["value"])
///     .returning(["key"])
///     .build()?;
/// assert_eq!(
///     insert.sql(),
///     r#"INSERT INTO "settings" ("key", "value", "changed_at") VALUES ($1, "to_jsonb"($2), DEFAULT) ON CONFLICT ("key") DO UPDATE SET "value" = EXCLUDED."value" RETURNING "key""#
/// );
/// # Ok::<(), db_query::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Insert {
    writer: Writer,
    frame: Frame,
    columns: usize,
    rows: usize,
    from_query: bool,
}

impl Insert {
    /// Into these columns of a table, `name` or `schema.name`.
    #[inline]
    pub fn into(table: &str, columns: &[&str]) -> Self {
        Self::begin(Writer::default(), table, columns)
    }

    #[inline]
    pub(crate) fn begin(mut writer: Writer, table: &str, columns: &[&str]) -> Self {
        // Each column is named up to three times: in the list, and twice where a conflict sets it.
        let mut frame = writer.frame(TEXT_BYTES / 2 + columns.len() * COLUMN_BYTES);
        frame.clause(&mut writer, Clause::Head, "INSERT INTO ", "");
        writer.name(table, Role::Insert);
        writer.push(" (");
        for (position, column) in columns.iter().enumerate() {
            if position > 0 {
                writer.push(", ");
            }
            writer.plain_name(column, Role::Inserted);
        }
        writer.push(")");
        if columns.is_empty() {
            writer.fail(BuildError::NoColumns);
        }
        Self { writer, frame, columns: columns.len(), rows: 0, from_query: false }
    }

    /// Adds a row; it must have a value for each column.
    #[inline]
    pub fn row(mut self, fill: impl FnOnce(&mut Row<'_>)) -> Self {
        if self.from_query {
            self.writer.fail(BuildError::Twice { clause: "what an INSERT inserts" });
        }
        self.rows += 1;
        self.frame.clause(&mut self.writer, Clause::Rows, " VALUES ", ", ");
        write_row(&mut self.writer, self.rows, self.columns, fill);
        self
    }

    /// Inserts the rows of a query, whose columns are those of the INSERT in order.
    pub fn from_query(mut self, build: impl FnOnce(Start) -> Select) -> Self {
        if self.frame.has(Clause::Rows) {
            self.writer.fail(BuildError::Twice { clause: "what an INSERT inserts" });
        }
        self.rows += 1;
        self.from_query = true;
        self.frame.clause(&mut self.writer, Clause::Rows, " ", "");
        self.writer.nested(build);
        self
    }

    /// Leaves rows that exist already as they are.
    pub fn on_conflict_do_nothing(self) -> Self {
        self.on_conflict(OnConflict::any().do_nothing())
    }

    /// Where a row with the same key exists, sets these columns to what would have been inserted.
    #[inline]
    pub fn on_conflict_update(self, key: &[&str], columns: &[&str]) -> Self {
        self.on_conflict(OnConflict::columns(key).update(columns))
    }

    /// What happens where a row exists already.
    #[inline]
    pub fn on_conflict(mut self, conflict: impl Conflict) -> Self {
        if self.frame.has(Clause::Conflict) {
            self.writer.fail(BuildError::Twice { clause: "ON CONFLICT" });
        }
        self.frame.clause(&mut self.writer, Clause::Conflict, " ON CONFLICT", "");
        conflict.write(&mut self.writer);
        self
    }

    /// Returns these columns of what was written.
    #[inline]
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

    /// Ends the statement.
    ///
    /// # Errors
    /// The first mistake that was made on the way.
    #[inline]
    pub fn build(self) -> Result<Statement, BuildError> {
        self.finish().end()
    }
}

impl Sealed for Insert {}

impl Query for Insert {
    #[inline]
    fn finish(mut self) -> Writer {
        if self.rows == 0 {
            self.writer.fail(BuildError::Incomplete { missing: "row" });
        }
        self.frame.arrange(&mut self.writer);
        self.writer
    }
}
