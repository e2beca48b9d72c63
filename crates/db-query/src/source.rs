//! Where rows come from: tables, subqueries, lists of values, arrays, functions.

use crate::{
    BuildError, Select, SqlType, Start,
    catalogue::Table,
    expr::{Expr, Operand},
    touch::{Derived, Role},
    writer::Writer,
};
use sqlx::{Encode, Postgres, Type, postgres::PgHasArrayType};

/// Something that stands in FROM.
pub trait Source {
    /// Writes it with its alias.
    fn write_source(self, writer: &mut Writer);
}

impl Source for &str {
    #[inline]
    fn write_source(self, writer: &mut Writer) {
        writer.name(self, Role::Read);
    }
}

impl Source for &Table {
    fn write_source(self, writer: &mut Writer) {
        writer.plain_name(self.name(), Role::Read);
    }
}

/// A table under another name.
#[derive(Clone, Copy, Debug)]
pub struct AliasedTable<'a> {
    table: &'a str,
    alias: &'a str,
}

/// A table under another name: `table AS alias`.
#[must_use]
pub const fn table_as<'a>(table: &'a str, alias: &'a str) -> AliasedTable<'a> {
    AliasedTable { table, alias }
}

impl Source for AliasedTable<'_> {
    fn write_source(self, writer: &mut Writer) {
        writer.name(self.table, Role::Read);
        writer.push(" AS ");
        writer.plain_name(self.alias, Role::Alias);
    }
}

/// A query whose rows are read.
#[derive(Clone, Copy, Debug)]
pub struct Subquery<'a, F> {
    lateral: bool,
    alias: &'a str,
    build: F,
}

/// A query whose rows are read: `(SELECT …) AS alias`.
pub fn subquery<F: FnOnce(Start) -> Select>(alias: &str, build: F) -> Subquery<'_, F> {
    Subquery { lateral: false, alias, build }
}

/// A query that may name the tables before it: `LATERAL (SELECT …) AS alias`.
pub fn lateral<F: FnOnce(Start) -> Select>(alias: &str, build: F) -> Subquery<'_, F> {
    Subquery { lateral: true, alias, build }
}

impl<F: FnOnce(Start) -> Select> Source for Subquery<'_, F> {
    fn write_source(self, writer: &mut Writer) {
        writer.push(if self.lateral { "LATERAL (" } else { "(" });
        let state = writer.state();
        // The body is the next scope to be opened.
        let body = u8::try_from(state.parents.len()).unwrap_or(u8::MAX);
        let derived = Derived { alias: self.alias.to_owned(), scope: state.scope, body };
        state.derived.push(derived);
        writer.nested(self.build);
        writer.push(") AS ");
        writer.plain_name(self.alias, Role::Derived);
    }
}

/// Rows that a function gives.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, E> {
    function: E,
    alias: &'a str,
    columns: &'a [&'a str],
}

/// Rows that a function gives: `function(..) AS alias (columns)`. Without columns they keep the function's,
/// which nobody here knows: access rules then refuse `alias.column`.
pub fn rows_of<'a, E: Expr>(
    function: Operand<E>,
    alias: &'a str,
    columns: &'a [&'a str],
) -> Rows<'a, Operand<E>> {
    Rows { function, alias, columns }
}

impl<E: Expr> Source for Rows<'_, E> {
    fn write_source(self, writer: &mut Writer) {
        self.function.write(writer);
        writer.push(" AS ");
        writer.plain_name(self.alias, Role::Derived);
        write_names(self.columns, writer);
    }
}

fn write_names<N: AsRef<str>>(columns: &[N], writer: &mut Writer) {
    for (position, column) in columns.iter().enumerate() {
        writer.push(if position == 0 { " (" } else { ", " });
        writer.plain_name(column.as_ref(), Role::Given);
    }
    if !columns.is_empty() {
        writer.push(")");
    }
}

/// See [`unnest`].
#[derive(Clone, Copy, Debug)]
pub struct Unnest<'a, F> {
    alias: &'a str,
    fill: F,
}

/// Rows from arrays, one parameter a column however many rows: `unnest($1, $2) AS alias (a, b)`. The closure names the
/// columns, each with its values.
pub fn unnest<F: FnOnce(&mut Arrays<'_>)>(alias: &str, fill: F) -> Unnest<'_, F> {
    Unnest { alias, fill }
}

/// The columns of an [`unnest`].
#[derive(Debug)]
pub struct Arrays<'w> {
    writer: &'w mut Writer,
    names: Vec<String>,
    rows: Option<usize>,
}

impl Arrays<'_> {
    /// A column and its values; every column needs as many.
    pub fn column<'q, V>(&mut self, name: &str, values: Vec<V>) -> &mut Self
    where
        V: PgHasArrayType,
        Vec<V>: Encode<'q, Postgres> + Type<Postgres>,
    {
        self.begin(name, values.len());
        self.writer.bind(values);
        self
    }

    /// The same for values that the server is to read as another type than they are bound as.
    pub fn column_as<'q, V>(&mut self, name: &str, values: Vec<V>, element: SqlType) -> &mut Self
    where
        V: PgHasArrayType,
        Vec<V>: Encode<'q, Postgres> + Type<Postgres>,
    {
        self.begin(name, values.len());
        crate::value(values).cast(element.array()).write(self.writer);
        self
    }

    fn begin(&mut self, name: &str, length: usize) {
        if self.rows.is_some() {
            self.writer.push(", ");
        }
        let rows = *self.rows.get_or_insert(length);
        if rows != length {
            // PostgreSQL would fill up the shorter one with NULLs.
            self.writer.fail(BuildError::RowLength { row: 1, values: length, columns: rows });
        }
        self.names.push(name.to_owned());
    }
}

impl<F: FnOnce(&mut Arrays<'_>)> Source for Unnest<'_, F> {
    fn write_source(self, writer: &mut Writer) {
        writer.push("unnest(");
        let mut arrays = Arrays { writer, names: Vec::new(), rows: None };
        (self.fill)(&mut arrays);
        let Arrays { writer, names, rows } = arrays;
        if rows.is_none() {
            writer.fail(BuildError::NoColumns);
        }
        writer.push(") AS ");
        writer.plain_name(self.alias, Role::Derived);
        write_names(&names, writer);
    }
}

/// See [`values`].
#[derive(Clone, Copy, Debug)]
pub struct Values<'a, F> {
    alias: &'a str,
    columns: &'a [&'a str],
    fill: F,
}

/// Rows given one by one: `(VALUES ($1, $2), …) AS alias (columns)`. Each number of rows is another statement; for lists
/// of any length see [`unnest`].
pub fn values<'a, F: FnOnce(&mut ValueRows<'_>)>(
    alias: &'a str,
    columns: &'a [&'a str],
    fill: F,
) -> Values<'a, F> {
    Values { alias, columns, fill }
}

/// The rows of [`values`], and of an INSERT.
#[derive(Debug)]
pub struct ValueRows<'w> {
    writer: &'w mut Writer,
    columns: usize,
    rows: usize,
}

impl<'w> ValueRows<'w> {
    pub(crate) fn new(writer: &'w mut Writer, columns: usize) -> Self {
        Self { writer, columns, rows: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.rows
    }

    /// Adds a row; it must have a value for each column.
    pub fn row(&mut self, fill: impl FnOnce(&mut Row<'_>)) -> &mut Self {
        if self.rows > 0 {
            self.writer.push(", ");
        }
        self.rows += 1;
        write_row(self.writer, self.rows, self.columns, fill);
        self
    }
}

/// Writes one row in parentheses.
#[inline]
pub(crate) fn write_row(writer: &mut Writer, number: usize, columns: usize, fill: impl FnOnce(&mut Row<'_>)) {
    writer.push("(");
    let mut row = Row { writer, values: 0 };
    fill(&mut row);
    let values = row.values;
    if values != columns {
        writer.fail(BuildError::RowLength { row: number, values, columns });
    }
    writer.push(")");
}

/// One row, value by value in the order of the columns.
#[derive(Debug)]
pub struct Row<'w> {
    writer: &'w mut Writer,
    values: usize,
}

impl Row<'_> {
    /// The next value.
    #[inline]
    pub fn value<'q, V: Encode<'q, Postgres> + Type<Postgres>>(&mut self, value: V) -> &mut Self {
        self.next().bind(value);
        self
    }

    /// The next value, as an expression.
    pub fn expr<E: Expr>(&mut self, expr: Operand<E>) -> &mut Self {
        expr.write(self.next());
        self
    }

    /// The next value is the column's default. Only in an INSERT.
    pub fn default_value(&mut self) -> &mut Self {
        self.next().push("DEFAULT");
        self
    }

    #[inline]
    fn next(&mut self) -> &mut Writer {
        if self.values > 0 {
            self.writer.push(", ");
        }
        self.values += 1;
        self.writer
    }
}

impl<F: FnOnce(&mut ValueRows<'_>)> Source for Values<'_, F> {
    fn write_source(self, writer: &mut Writer) {
        writer.push("(VALUES ");
        let mut rows = ValueRows::new(writer, self.columns.len());
        (self.fill)(&mut rows);
        if rows.count() == 0 {
            writer.fail(BuildError::Incomplete { missing: "row" });
        }
        writer.push(") AS ");
        writer.plain_name(self.alias, Role::Derived);
        write_names(self.columns, writer);
    }
}
