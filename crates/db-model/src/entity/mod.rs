//! What a table's rows are to the repository: names and types of the columns, the key, and what the table can do.
//!
//! [`entity!`](crate::entity!) and [`view!`](crate::view!) implement these traits; nobody needs to by hand.

mod capability;
mod column;
mod key;
mod macros;
mod tuple;
mod view;

pub use capability::{HasStatus, SoftDeletes, Status, Upserts, Versioned, WithDeleted};
pub use column::{ColumnType, field};
pub use key::{Key, KeyPart};
pub use tuple::Tuple;

use chrono::{DateTime, Utc};
use db_query::{Arrays, Row, Table, Update};
use sqlx::{FromRow, error::BoxDynError, postgres::PgRow};

/// Rows that can be read from a table or view.
pub trait Record: for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static {
    /// The table with all its columns, also those that the row does not have.
    const TABLE: &'static Table;
    /// The columns that are read, each as `table.column`.
    const COLUMNS: &'static [&'static str];
    /// Whether rows with `deleted_at` are left out.
    const HIDES_DELETED: bool = has_column(Self::TABLE, "deleted_at");
}

/// Rows of a table that has a key.
pub trait Entity: Record {
    /// What names a row.
    type Key: Key;
    /// The columns of the key.
    const KEY: &'static [&'static str];
    /// Whether each change counts `version` up.
    const COUNTS_VERSIONS: bool = has_column(Self::TABLE, "version");
    /// Whether each change notes its time in `updated_at`.
    const NOTES_CHANGES: bool = has_column(Self::TABLE, "updated_at");

    /// The row's key.
    fn key(&self) -> Self::Key;

    /// Adds every column that an update of the whole row writes.
    fn write_sets(&self, update: Update) -> Update;

    /// What a column holds, for error messages.
    fn shown(&self, column: &str) -> Option<String>;
}

/// A row to insert.
pub trait Insertable: Send + Sync + 'static {
    /// The row that it becomes.
    type Row: Entity;
    /// The columns that it fills.
    const COLUMNS: &'static [&'static str];
    /// Those of them for which `None` means the transaction's time.
    const NOW: &'static [&'static str];
    /// Those of the row that never change once it is inserted.
    const FIXED: &'static [&'static str];

    /// Writes the values in the order of the columns.
    fn write_row(&self, row: &mut Row<'_>);

    /// Writes the values of many rows, an array a column.
    fn write_arrays(rows: &[Self], arrays: &mut Arrays<'_>)
    where
        Self: Sized;

    /// Writes the values for a COPY.
    ///
    /// # Errors
    /// A value that has no binary form.
    fn write_tuple(&self, now: DateTime<Utc>, tuple: &mut Tuple<'_>) -> Result<(), BoxDynError>;

    /// What a column is to hold, for error messages; never a secret.
    fn shown(&self, column: &str) -> Option<String>;
}

/// Whether a table has a column of this name.
#[must_use]
pub const fn has_column(table: &Table, name: &str) -> bool {
    let fields = table.fields();
    let mut at = 0;
    while at < fields.len() {
        if is_equal(fields[at].name(), name) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether a list has a name.
#[must_use]
pub const fn has_name(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if is_equal(names[at], name) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_equal(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A value for an error message, cut off after 100 characters.
#[must_use]
pub fn show(value: &dyn std::fmt::Debug) -> String {
    const CHARS: usize = 100;
    let text = format!("{value:?}");
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
