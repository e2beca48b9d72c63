//! Keyset pages: each begins where the one before ended, by the values of the sort keys, so that page one thousand costs
//! what page one costs, and rows that come and go between two pages neither repeat nor hide others.
//!
//! Several keys, each in its own direction, NULLs at either end, forwards and backwards. Where you are is a [cursor](Cursor):
//! opaque to the client, signed, and good only for the order that it was made for. The method is Markus Winand's "seek",
//! <https://use-the-index-luke.com/no-offset>.
//!
//! ```no_run
//! use db_core::Secret;
//! use db_query::{CursorKey, Direction, Field, Keyset, Kind, PageSize, Pages, Select, Table, col};
//! use sqlx::{Executor, PgConnection};
//!
//! const TASKS: Table = Table::new("tasks", &[
//!     Field::new("id", Kind::Uuid),
//!     Field::new("title", Kind::Text),
//!     Field::new("created_at", Kind::Timestamptz),
//! ]);
//!
//! # async fn example(conn: &mut PgConnection, cursor: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
//! // Newest first. A request may bring an order of its own: `Keyset::parse(&TASKS, "title,-created_at", "id")`.
//! let newest = Keyset::unique(&TASKS, "id", Direction::Descending)?.by("created_at", Direction::Descending)?;
//! let pages = Pages::new(newest, CursorKey::new(&Secret::new("sixteen bytes or more"))?).bound_to("queue=files");
//! let request = pages.request(cursor, PageSize::new(50)?)?;
//! let select = Select::from(&TASKS).columns(["title"]).filter(col("queue").eq("files"));
//! let rows = conn.fetch_all(pages.select(select, &request).build()?).await?;
//! let page = pages.page::<(String,)>(rows, &request)?;
//! println!("{} titles; more behind {:?}", page.items.len(), page.next);
//! # Ok(())
//! # }
//! ```

mod condition;
mod cursor;
mod page;

pub use cursor::{Cursor, CursorError, CursorKey};
pub use page::{Page, PageRequest, PageSize, Pages};

use crate::{BuildError, Direction, Field, Kind, Nulls, Order, SortKey, Table};

/// A sort by more keys than this is refused.
const MAX_KEYS: usize = 8;

/// A sort key of a keyset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    field: &'static Field,
    direction: Direction,
    nulls: Nulls,
}

impl Key {
    /// The way it is read: the key's own, or for a page before a cursor the opposite.
    fn turned(&self, backwards: bool) -> Self {
        if backwards {
            Self { field: self.field, direction: self.direction.reversed(), nulls: self.nulls.reversed() }
        } else {
            self.clone()
        }
    }

    fn order<'a>(&self, column: &'a str) -> Order<SortKey<'a>> {
        let order = Order::by(column, self.direction);
        // Where it is PostgreSQL's own choice, it stays unsaid, as an index's definition leaves it unsaid.
        if self.nulls == default_nulls(self.direction) { order } else { order.nulls(self.nulls) }
    }
}

/// The order of a list that is read page by page; its last key is unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyset {
    table: &'static Table,
    alias: Option<String>,
    keys: Vec<Key>,
}

impl Keyset {
    /// An order of a table's rows by a column that is unique and never NULL. Keys that come before it are added by
    /// [`by`](Self::by).
    ///
    /// # Errors
    /// [`BuildError::UnknownColumn`]; [`BuildError::NoKey`] where the column may be NULL or has no order.
    pub fn unique(table: &'static Table, column: &str, direction: Direction) -> Result<Self, BuildError> {
        let field = table.field(column)?;
        if field.is_nullable() {
            return Err(no_key(table, field, "it may be NULL, so it is not unique"));
        }
        sortable(table, field)?;
        let last = Key { field, direction, nulls: default_nulls(direction) };
        Ok(Self { table, alias: None, keys: vec![last] })
    }

    /// Adds a key before the unique one, after those that were added already. NULLs are last in an ascending order and
    /// first in a descending one, as PostgreSQL has them.
    ///
    /// # Errors
    /// [`BuildError::UnknownColumn`]; [`BuildError::NoKey`] for a column without an order, one that is a key already, or
    /// more than eight.
    pub fn by(self, column: &str, direction: Direction) -> Result<Self, BuildError> {
        self.by_nulls(column, direction, default_nulls(direction))
    }

    /// The same with a say about NULLs.
    ///
    /// # Errors
    /// See [`by`](Self::by).
    pub fn by_nulls(mut self, column: &str, direction: Direction, nulls: Nulls) -> Result<Self, BuildError> {
        let field = self.table.field(column)?;
        sortable(self.table, field)?;
        if self.keys.iter().any(|key| key.field == field) {
            return Err(no_key(self.table, field, "it is one already"));
        }
        if self.keys.len() == MAX_KEYS {
            return Err(no_key(self.table, field, "there are eight already"));
        }
        // Where NULLs would stand in a column that has none changes no row, but an index would not serve it.
        let nulls = if field.is_nullable() { nulls } else { default_nulls(direction) };
        self.keys.insert(self.keys.len() - 1, Key { field, direction, nulls });
        Ok(self)
    }

    /// An order as text, the way that requests bring it: `priority,-created_at` is by priority, and among equals the newest
    /// first. The unique column ends it, in the direction of the key before.
    ///
    /// # Errors
    /// See [`by`](Self::by).
    pub fn parse(table: &'static Table, order: &str, unique: &str) -> Result<Self, BuildError> {
        let mut keys = Vec::new();
        for key in order.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            keys.push(match key.strip_prefix('-') {
                Some(column) => (column, Direction::Descending),
                None => (key, Direction::Ascending),
            });
        }
        // The unique column may be named as the last key, to give it a direction.
        let last = match keys.last() {
            Some(&(column, direction)) if column == unique => {
                keys.pop();
                direction
            }
            Some(&(_, direction)) => direction,
            None => Direction::Ascending,
        };
        let keyset = Self::unique(table, unique, last)?;
        keys.into_iter().try_fold(keyset, |keyset, (column, direction)| keyset.by(column, direction))
    }

    /// The name that the table goes by in the SELECT, where that is not its own.
    #[must_use]
    pub fn alias(self, alias: &str) -> Self {
        Self { alias: Some(alias.to_owned()), ..self }
    }

    /// Always with its table: alone it would mean another table's column in a join, and in ORDER BY a result column.
    pub(crate) fn column(&self, key: &Key) -> String {
        format!("{}.{}", self.alias.as_deref().unwrap_or(self.table.name()), key.field.name())
    }

    /// What a cursor has to have been made for, as a number: table, keys with their types, directions, NULLs. A value of a
    /// column that has another type since would be an error of the server.
    pub(crate) fn fingerprint(&self) -> u64 {
        use std::fmt::Write as _;
        let mut text = self.table.name().to_owned();
        for key in &self.keys {
            text.push('\0');
            text.push_str(key.field.name());
            text.push(if key.direction == Direction::Ascending { '+' } else { '-' });
            text.push(if key.nulls == Nulls::First { '<' } else { '>' });
            text.push(if key.field.is_nullable() { '?' } else { '!' });
            // A String takes every write.
            let _ = write!(text, "{:?}", key.field.kind().sql_type());
        }
        crate::statement::fnv1a(text.as_bytes())
    }
}

fn default_nulls(direction: Direction) -> Nulls {
    match direction {
        Direction::Ascending => Nulls::Last,
        Direction::Descending => Nulls::First,
    }
}

fn sortable(table: &Table, field: &Field) -> Result<(), BuildError> {
    match field.kind() {
        Kind::Jsonb | Kind::TextArray | Kind::UuidArray | Kind::Int2Array | Kind::Tsvector => {
            Err(no_key(table, field, "its values have no order that a page can go by"))
        }
        _ => Ok(()),
    }
}

fn no_key(table: &Table, field: &Field, reason: &'static str) -> BuildError {
    BuildError::NoKey { table: table.name().to_owned(), column: field.name().to_owned(), reason }
}
