//! INSERT.

use crate::{
    BuildError,
    statement::{Access, Statement, Touch},
    writer::Writer,
};
use sqlx::{Encode, Postgres, Type};

/// Builds an INSERT.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Insert {
    writer: Writer,
    columns: usize,
    rows: usize,
    touch: Touch,
}

/// One row of an INSERT, value by value in the order of the columns.
#[derive(Debug)]
pub struct Row<'a> {
    writer: &'a mut Writer,
    values: usize,
}

impl Row<'_> {
    /// The next value.
    pub fn value<'q, V: Encode<'q, Postgres> + Type<Postgres>>(&mut self, value: V) -> &mut Self {
        if self.values > 0 {
            self.writer.push(", ");
        }
        self.values += 1;
        self.writer.bind(value);
        self
    }
}

impl Insert {
    /// Into these columns of a table.
    pub fn into(table: &str, columns: &[&str]) -> Self {
        let mut writer = Writer::default();
        writer.push("INSERT INTO ");
        writer.name(table);
        writer.push(" (");
        for (position, column) in columns.iter().enumerate() {
            if position > 0 {
                writer.push(", ");
            }
            writer.plain_name(column);
        }
        writer.push(") VALUES ");
        if columns.is_empty() {
            writer.fail(BuildError::NoColumns);
        }
        let touch = Touch { table: table.to_owned(), access: Access::Write };
        Self { writer, columns: columns.len(), rows: 0, touch }
    }

    /// Adds a row; it must have a value for each column.
    pub fn row(mut self, fill: impl FnOnce(&mut Row<'_>)) -> Self {
        self.rows += 1;
        self.writer.push(if self.rows > 1 { ", (" } else { "(" });
        let mut row = Row { writer: &mut self.writer, values: 0 };
        fill(&mut row);
        let values = row.values;
        if values != self.columns {
            self.writer.fail(BuildError::RowLength { row: self.rows, values, columns: self.columns });
        }
        self.writer.push(")");
        self
    }

    /// Leaves rows that exist already as they are.
    pub fn on_conflict_do_nothing(mut self) -> Self {
        self.writer.push(" ON CONFLICT DO NOTHING");
        self
    }

    /// Where a row with the same key exists, sets these columns to what would have been inserted.
    pub fn on_conflict_update(mut self, key: &[&str], columns: &[&str]) -> Self {
        self.writer.push(" ON CONFLICT (");
        for (position, column) in key.iter().enumerate() {
            if position > 0 {
                self.writer.push(", ");
            }
            self.writer.plain_name(column);
        }
        self.writer.push(") DO UPDATE SET ");
        for (position, column) in columns.iter().enumerate() {
            if position > 0 {
                self.writer.push(", ");
            }
            self.writer.plain_name(column);
            self.writer.push(" = EXCLUDED.");
            self.writer.plain_name(column);
        }
        if key.is_empty() || columns.is_empty() {
            self.writer.fail(BuildError::NoColumns);
        }
        self
    }

    /// Returns these columns of what was written.
    pub fn returning(mut self, columns: &[&str]) -> Self {
        returning(&mut self.writer, columns);
        self
    }

    /// Ends the statement.
    ///
    /// # Errors
    /// The first mistake that was made on the way.
    pub fn build(mut self) -> Result<Statement, BuildError> {
        if self.rows == 0 {
            self.writer.fail(BuildError::RowLength { row: 1, values: 0, columns: self.columns });
        }
        let (sql, arguments) = self.writer.finish()?;
        Ok(Statement::new(sql, arguments, vec![self.touch]))
    }
}

/// Writes a RETURNING clause.
pub(crate) fn returning(writer: &mut Writer, columns: &[&str]) {
    writer.push(" RETURNING ");
    for (position, column) in columns.iter().enumerate() {
        if position > 0 {
            writer.push(", ");
        }
        writer.plain_name(column);
    }
    if columns.is_empty() {
        writer.fail(BuildError::NoColumns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_rows_with_conflict_and_returning() {
        let statement = Insert::into("tasks", &["title", "priority"])
            .row(|row| {
                row.value("a").value(1_i32);
            })
            .row(|row| {
                row.value("b").value(2_i32);
            })
            .on_conflict_update(&["title"], &["priority"])
            .returning(&["id"])
            .build()
            .expect("valid");
        assert_eq!(
            statement.sql(),
            r#"INSERT INTO "tasks" ("title", "priority") VALUES ($1, $2), ($3, $4) ON CONFLICT ("title") DO UPDATE SET "priority" = EXCLUDED."priority" RETURNING "id""#
        );
        assert_eq!(statement.touches()[0].access, Access::Write);
    }

    #[test]
    fn a_row_must_fill_the_columns() {
        let short = Insert::into("t", &["a", "b"]).row(|row| {
            row.value(1_i32);
        });
        assert_eq!(short.build().unwrap_err(), BuildError::RowLength { row: 1, values: 1, columns: 2 });
        assert!(Insert::into("t", &["a"]).build().is_err());
        assert_eq!(Insert::into("t", &[]).row(|_| {}).build().unwrap_err(), BuildError::NoColumns);
    }

    #[test]
    fn too_many_parameters_are_refused() {
        let mut insert = Insert::into("t", &["a"]);
        for _ in 0..65_536 {
            insert = insert.row(|row| {
                row.value(1_i32);
            });
        }
        assert_eq!(insert.build().unwrap_err(), BuildError::TooManyParameters { max: 65_535 });
    }
}
