//! Filters from JSON, with operators as MongoDB has them: what a request brings becomes a condition whose columns are known,
//! whose values are typed as their columns are, and whose size has a limit.
//!
//! | operator | holds where |
//! |---|---|
//! | `{"a": 1}`, `$eq`, `$ne` | the column is, or is not, the value; `null` means NULL, and `$ne` holds for NULL too |
//! | `$gt` `$gte` `$lt` `$lte` | it compares so |
//! | `$in` `$nin` | it is, or is not, in the list; `$nin` holds for NULL too |
//! | `$exists` | it is not NULL, or with `false` is |
//! | `$regex`, with `$options: "i"` | a text matches the regular expression, as PostgreSQL has them |
//! | `$contains` | a text contains the text; an array the value; jsonb the JSON |
//! | `$startsWith` | a text starts with the text |
//! | `$and` `$or` `$nor` `$not` | as their names say; `$not` holds where what it denies is false or NULL |
//!
//! `"metadata.owner.name"` goes into a jsonb column. There values keep JSON's types, and only those of one type compare: a
//! number is never less than a text. Numbers have the precision of a double, as in most readers of JSON.
//!
//! A key that stands in an object twice is refused, rather than one of the two forgotten.
//!
//! ```
//! use db_query::{Field, Filter, Kind, Select, Table};
//!
//! const TASKS: Table = Table::new("tasks", &[
//!     Field::new("status", Kind::OneOf(&["pending", "failed"])),
//!     Field::new("priority", Kind::Int2),
//!     Field::new("metadata", Kind::Jsonb),
//! ]);
//! let filter = Filter::parse(r#"{"$or": [{"status": {"$in": ["pending"]}}, {"metadata.owner": "ci"}]}"#, &TASKS)?;
//! let statement = Select::from(&TASKS).columns(["priority"]).filter(filter.into_condition()).build()?;
//! assert_eq!(
//!     statement.sql(),
//!     r#"SELECT "priority" FROM "tasks" WHERE ("status" = ANY($1) OR ("metadata" #> $2) = $3)"#
//! );
//! let error = Filter::parse(r#"{"stat": 1}"#, &TASKS).unwrap_err();
//! assert_eq!(error.to_string(), r#"stat: table "tasks" has no column "stat"; did you mean "status"?"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod node;
mod parse;
mod regex;
mod scalar;
mod strict;

pub use error::FilterError;

use crate::{Condition, Expr, RowFilter, Table, writer::Writer};
use node::Node;
use strict::Strict;

/// How large a filter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterLimits {
    /// Operators inside operators; 16 unless told.
    pub depth: usize,
    /// Comparisons and joining operators in all; 256 unless told.
    pub comparisons: usize,
    /// Values in one list; 1,000 unless told.
    pub list: usize,
    /// Bytes of one text; 65,536 unless told.
    pub text_bytes: usize,
    /// Bytes of all values together, as JSON; 1 MiB unless told.
    pub value_bytes: usize,
    /// Bytes of one regular expression, which may cost the server much more than a text; 512 unless told.
    pub regex_bytes: usize,
}

impl Default for FilterLimits {
    fn default() -> Self {
        Self {
            depth: 16,
            comparisons: 256,
            list: 1_000,
            text_bytes: 65_536,
            value_bytes: 1_048_576,
            regex_bytes: 512,
        }
    }
}

/// A condition that came as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    root: Node,
    alias: Option<String>,
}

impl Filter {
    /// Reads a JSON text as a filter of a table's rows, within the default limits.
    ///
    /// # Errors
    /// [`FilterError`], which says where in the filter.
    pub fn parse(json: &str, table: &Table) -> Result<Self, FilterError> {
        let strict = serde_json::from_str::<Strict>(json);
        let Strict(value) = strict.map_err(|error| FilterError::Json { reason: error.to_string() })?;
        Self::from_value(&value, table, FilterLimits::default())
    }

    /// Reads a JSON value as a filter of a table's rows.
    ///
    /// # Errors
    /// [`FilterError`], which says where in the filter.
    pub fn from_value(
        json: &serde_json::Value,
        table: &Table,
        limits: FilterLimits,
    ) -> Result<Self, FilterError> {
        Ok(Self { root: parse::Parser::new(table, limits).filter(json)?, alias: None })
    }

    /// The name that the table goes by in the statement, where that has several.
    #[must_use]
    pub fn alias(self, alias: &str) -> Self {
        Self { alias: Some(alias.to_owned()), ..self }
    }

    /// The condition. An empty filter holds for every row: an UPDATE or DELETE with it is refused as unbounded.
    pub fn into_condition(self) -> Condition<Self> {
        Condition(self)
    }
}

impl RowFilter for Filter {
    fn of(self, table: &str) -> Self {
        self.alias(table)
    }
}

impl Expr for Filter {
    fn write(self, writer: &mut Writer) {
        self.root.write(self.alias.as_deref(), writer);
    }

    fn is_constant(&self) -> Option<bool> {
        self.root.is_constant()
    }
}
