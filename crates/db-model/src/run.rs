//! Sends statements, and makes of what comes back rows or an error of this crate: the only place that does.

use crate::{Error, entity::Record, n_plus_one};
use db_query::{BuildError, Statement, Table};
use sqlx::{Executor, FromRow, PgConnection, Row, postgres::PgRow};
use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    panic::Location,
};

/// The line of a program that asks.
pub(crate) type Line = &'static Location<'static>;

/// What is done to which table, on behalf of which line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) action: &'static str,
    pub(crate) table: &'static Table,
    line: Line,
}

impl Call {
    /// By the line that called the function that calls this; each between the two needs `#[track_caller]`.
    #[track_caller]
    pub(crate) fn new<R: Record>(action: &'static str) -> Self {
        Self::at::<R>(Location::caller(), action)
    }

    /// By a line that was handed down, as an `async` block cannot see who called the function around it.
    pub(crate) fn at<R: Record>(line: Line, action: &'static str) -> Self {
        Self { action, table: R::TABLE, line }
    }

    /// The same line does something else.
    pub(crate) fn then(self, action: &'static str) -> Self {
        Self { action, ..self }
    }

    /// All rows.
    pub(crate) async fn rows(
        self,
        conn: &mut PgConnection,
        statement: Result<Statement, BuildError>,
    ) -> Result<Vec<PgRow>, Error> {
        let statement = self.noted(statement)?;
        conn.fetch_all(statement).await.map_err(|error| self.failed(error))
    }

    /// All rows, for a statement whose names come from a caller: one that there is not is an error that knows better.
    pub(crate) async fn checked_rows(
        self,
        conn: &mut PgConnection,
        statement: Result<Statement, BuildError>,
    ) -> Result<Vec<PgRow>, Error> {
        let mut statement = self.noted(statement)?;
        conn.fetch_all(&mut statement)
            .await
            .map_err(|error| self.unknown(&error, &statement).unwrap_or_else(|| self.failed(error)))
    }

    /// The rows as a type.
    pub(crate) fn decode<T: for<'r> FromRow<'r, PgRow>>(self, rows: &[PgRow]) -> Result<Vec<T>, Error> {
        rows.iter().map(|row| T::from_row(row).map_err(|error| self.failed(error))).collect()
    }

    /// The only row as a type, if there is one.
    pub(crate) async fn optional<T: for<'r> FromRow<'r, PgRow>>(
        self,
        conn: &mut PgConnection,
        statement: Result<Statement, BuildError>,
    ) -> Result<Option<T>, Error> {
        let statement = self.noted(statement)?;
        let row = conn.fetch_optional(statement).await.map_err(|error| self.failed(error))?;
        row.map(|row| T::from_row(&row).map_err(|error| self.failed(error))).transpose()
    }

    /// The first column of the only row, if there is one.
    pub(crate) async fn value<T>(
        self,
        conn: &mut PgConnection,
        statement: Result<Statement, BuildError>,
    ) -> Result<Option<T>, Error>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let statement = self.noted(statement)?;
        let row = conn.fetch_optional(statement).await.map_err(|error| self.failed(error))?;
        row.map(|row| row.try_get(0).map_err(|error| self.failed(error))).transpose()
    }

    /// The only row as a type, of a statement that always gives one.
    pub(crate) async fn only<T: for<'r> FromRow<'r, PgRow>>(
        self,
        conn: &mut PgConnection,
        statement: Result<Statement, BuildError>,
    ) -> Result<T, Error> {
        let row = self.optional(conn, statement).await?;
        row.ok_or_else(|| self.failed(sqlx::Error::RowNotFound))
    }

    /// How many rows were written.
    pub(crate) async fn execute(
        self,
        conn: &mut PgConnection,
        statement: Result<Statement, BuildError>,
    ) -> Result<u64, Error> {
        let statement = self.noted(statement)?;
        Ok(conn.execute(statement).await.map_err(|error| self.failed(error))?.rows_affected())
    }

    fn noted(self, statement: Result<Statement, BuildError>) -> Result<Statement, Error> {
        let statement = statement?;
        n_plus_one::note(self.line, statement.fingerprint(), statement.sql());
        Ok(statement)
    }

    /// Notes a statement that is no [`Statement`].
    pub(crate) fn note_text(self, sql: &str) {
        n_plus_one::note(self.line, BuildHasherDefault::<DefaultHasher>::default().hash_one(sql), sql);
    }

    /// Makes the crate's error of the driver's.
    pub(crate) fn failed(self, source: sqlx::Error) -> Error {
        let table = self.table.name();
        if let Some(constraint) =
            source.as_database_error().and_then(|error| error.constraint()).map(Box::from)
        {
            let column = column_of(self.table, &constraint);
            Error::Refused { table, column, constraint, value: None, source: source.into() }
        } else if let Some(column) = column_named(self.table, &source) {
            let constraint = Box::from("NOT NULL");
            Error::Refused { table, constraint, column: Some(column), value: None, source: source.into() }
        } else if let Some(problem) = problem_of(&source) {
            Error::Value { table, problem, source: source.into() }
        } else {
            Error::Database { action: self.action, table, source: source.into() }
        }
    }

    /// The name that was meant, where the server knows neither the column nor the table that a statement names.
    fn unknown(self, error: &sqlx::Error, statement: &Statement) -> Option<Error> {
        let code = error.as_database_error()?.code()?;
        let is_unknown = matches!(code.as_ref(), "42703" | "42P01");
        is_unknown.then(|| statement.check(crate::CATALOGUE).err().map(Error::Statement)).flatten()
    }
}

impl Error {
    /// Adds what the refused column was to get.
    pub(crate) fn with_value(mut self, shown: impl FnOnce(&str) -> Option<String>) -> Self {
        if let Self::Refused { column: Some(column), value, .. } = &mut self {
            *value = shown(column).map(String::into_boxed_str);
        }
        self
    }
}

/// The column of a constraint that is named as PostgreSQL and our migrations do: `table_column_check`, `_key`, `_idx`.
fn column_of(table: &Table, constraint: &str) -> Option<&'static str> {
    let rest = constraint.strip_prefix(table.name())?.strip_prefix('_')?;
    let (name, _) = rest.rsplit_once('_')?;
    table.fields().iter().map(|field| field.name()).find(|column| *column == name)
}

/// What is wrong with a value that no column of its type can hold, or no index: the server names neither.
fn problem_of(error: &sqlx::Error) -> Option<&'static str> {
    match error.as_database_error()?.code()?.as_ref() {
        "22001" => Some("a text that is too long"),
        "22003" => Some("a number out of range"),
        "22021" => Some("a text with a NUL"),
        "22P02" => Some("a text that is no value of its type"),
        "54000" => Some("a value that is too large for an index"),
        _ => None,
    }
}

/// The column that the server names itself, as it does where NULL is refused.
fn column_named(table: &Table, error: &sqlx::Error) -> Option<&'static str> {
    let error = error.as_database_error()?.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
    let named = error.column().filter(|_| error.table() == Some(table.name()))?;
    table.fields().iter().map(|field| field.name()).find(|column| *column == named)
}

#[cfg(test)]
mod tests {
    use super::column_of;
    use db_query::{Field, Kind, Table};

    #[test]
    fn a_constraint_tells_its_column() {
        const TABLE: Table =
            Table::new("notes", &[Field::new("text", Kind::Text), Field::new("sent_at", Kind::Timestamptz)]);
        for (constraint, column) in [
            ("notes_text_check", Some("text")),
            ("notes_sent_at_check", Some("sent_at")),
            ("notes_text_idx", Some("text")),
            ("notes_pkey", None),
            ("notes_span_check", None),
            ("other_text_check", None),
            ("notes", None),
        ] {
            assert_eq!(column_of(&TABLE, constraint), column, "{constraint}");
        }
    }
}
