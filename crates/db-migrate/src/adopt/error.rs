//! Why another tool's history cannot be read.

use super::TableName;
use crate::Format;

/// Another tool's history cannot be read; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// The format is our own, whose history needs neither taking over nor making.
    #[error("{format} is our own format: its history table is made by itself and read as it is")]
    Own {
        /// The format.
        format: Format,
    },
    /// There is no such table that this session may see.
    #[error("no table {table} in any schema, so {format} has applied nothing here: is this the database?")]
    NoTable {
        /// The tool.
        format: Format,
        /// The table that was looked for.
        table: String,
    },
    /// There is a table of that name, and it is not the tool's.
    #[error("{table} is not a history of {format}'s: {}", differs(missing, extra.as_deref()))]
    OtherTable {
        /// The tool.
        format: Format,
        /// The table.
        table: TableName,
        /// Columns that the tool's table has and this one has not.
        missing: Vec<String>,
        /// A column that only another tool's table has.
        extra: Option<String>,
    },
    /// More than one schema has such a table.
    #[error("{format} has a history in more than one schema, say which: {}", list(tables))]
    Several {
        /// The tool.
        format: Format,
        /// The tables.
        tables: Vec<TableName>,
    },
    /// The server could not be asked.
    #[error("cannot {action}")]
    Database {
        /// What was tried, as in "read `public.schema_migrations`".
        action: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
}

impl ForeignError {
    /// For `map_err`: says what was tried.
    pub(super) fn during(action: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action: action.into(), source }
    }
}

fn differs(missing: &[String], extra: Option<&str>) -> String {
    match extra {
        Some(extra) => format!("it has a column {extra}"),
        None => format!("it has no column {}", missing.join(", ")),
    }
}

fn list(tables: &[TableName]) -> String {
    tables.iter().map(TableName::to_string).collect::<Vec<_>>().join(", ")
}
