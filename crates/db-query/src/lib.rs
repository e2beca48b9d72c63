//! Statements that cannot be injected: names are parsed and quoted, values are always parameters, operators are an enum.
//!
//! A builder writes its text once and binds each value straight into sqlx's arguments; the [`Statement`] that comes out
//! implements sqlx's `Execute`, so whatever takes a sqlx query takes it. Mistakes in names are kept until `build`, which
//! tells the first of them.
//!
//! ```
//! use db_query::{BuildError, Select, Update, all, col, desc};
//!
//! # fn main() -> Result<(), BuildError> {
//! let statement = Select::from("tasks")
//!     .columns(["id", "title"])
//!     .filter(col("status").eq("pending"))
//!     .filter(col("priority").ge(3_i32).or(col("kind").any(vec!["package", "file"])))
//!     .order_by(desc("priority"))
//!     .limit(10)
//!     .build()?;
//! assert_eq!(
//!     statement.sql(),
//!     r#"SELECT "id", "title" FROM "tasks" WHERE "status" = $1 AND ("priority" >= $2 OR "kind" = ANY($3)) ORDER BY "priority" DESC LIMIT $4"#
//! );
//!
//! // An update of every row has to say so.
//! assert_eq!(Update::table("tasks").set("priority", 0_i32).build().unwrap_err(), BuildError::Unbounded);
//! assert!(Update::table("tasks").set("priority", 0_i32).all_rows().build().is_ok());
//! assert!(Select::from("tasks; DROP TABLE tasks").columns(all()).build()?.sql().contains(r#""tasks; DROP TABLE tasks""#));
//! # Ok(())
//! # }
//! ```

mod catalogue;
mod clause;
mod conflict;
mod delete;
mod error;
mod expr;
#[cfg(feature = "filter")]
mod filter;
mod hint;
mod ident;
mod insert;
#[cfg(feature = "keyset")]
mod keyset;
mod lock;
mod merge;
mod op;
mod order;
mod projection;
mod query;
mod select;
mod source;
mod sql_type;
mod statement;
mod touch;
mod update;
mod window;
mod with;
mod writer;

pub use catalogue::{Field, Kind, Nearest, Table};
pub use conflict::{Conflict, OnConflict, Predicate, Sets};
pub use delete::Delete;
pub use error::BuildError;
pub use expr::*;
#[cfg(feature = "filter")]
pub use filter::{Filter, FilterError, FilterLimits};
pub use hint::{PlanHint, Setting, set_local};
pub use ident::Ident;
pub use insert::Insert;
#[cfg(feature = "keyset")]
pub use keyset::{Cursor, CursorError, CursorKey, Keyset, Page, PageRequest, PageSize, Pages};
pub use lock::Lock;
pub use merge::Merge;
pub use op::Op;
pub use order::{Direction, Nulls, Order, Orders, SortKey, asc, desc};
pub use projection::{All, Projection, all, all_from};
pub use query::{Query, Start};
pub use select::{Group, Select, cube, rollup};
pub use source::{Arrays, Row, Source, ValueRows, lateral, rows_of, subquery, table_as, unnest, values};
pub use sql_type::SqlType;
pub use statement::Statement;
pub use touch::{Access, Columns, Touch};
pub use update::Update;
pub use window::{Bound, Window, WindowSpec, window};
pub use with::{Cte, cte};
pub use writer::Writer;
