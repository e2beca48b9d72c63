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
//!
//! # Where to find what
//!
//! | for | see |
//! |---|---|
//! | SELECT, joins, windows, sets, locks | [`Select`]; sources [`table_as`], [`subquery`], [`lateral`], [`unnest`], [`values`], [`rows_of`] |
//! | INSERT, upserts | [`Insert`], [`OnConflict`] |
//! | UPDATE, DELETE, MERGE | [`Update`], [`Delete`], [`Merge`] |
//! | common table expressions | [`cte`], and `with` of each builder |
//! | columns, values, comparisons, JSON, arithmetic | [`col`], [`value`], [`constant`], [`Operand`], [`Op`] |
//! | functions, aggregates, CASE, full text | [`func`], [`count_all`], [`case`], [`to_tsvector`], [`websearch`] |
//! | what a statement reads and writes | [`Statement::touches`], [`Statement::is_read_only`] |
//! | names that come from outside | [`Table`], [`Statement::check`] |
//! | planner hints | [`set_local`], [`PlanHint`], [`Cte::materialized`] |
//! | pages (feature `keyset`) | `Keyset`, `Pages` |
//! | filters from JSON (feature `filter`) | `Filter` |
//!
//! # Queries inside queries
//!
//! A query inside another is a closure over [`Start`], as it shares the text and the parameters of the one around it:
//!
//! ```
//! use db_query::{Select, asc, col, constant, count_all, cte, exists};
//!
//! let statement = Select::from("busy")
//!     .with(cte("busy").materialized(), |q| {
//!         q.from("tasks")
//!             .columns(("queue", count_all().alias("n")))
//!             .filter(!exists(|q| q.from("pauses").columns(constant(1).alias("one")).filter(col("pauses.queue").eq_col("tasks.queue"))))
//!             .group_by(&["queue"])
//!     })
//!     .columns(["queue", "n"])
//!     .filter(col("n").gt(100_i64))
//!     .order_by(asc("queue"))
//!     .build()?;
//! assert_eq!(statement.parameters(), 1);
//! assert!(statement.is_read_only());
//! let tables: Vec<String> = statement.touches().into_iter().map(|touch| touch.table).collect();
//! assert_eq!(tables, ["pauses", "tasks"]);
//! # Ok::<(), db_query::BuildError>(())
//! ```
//!
//! # One statement, however many rows
//!
//! ```
//! use db_query::{Insert, OnConflict, Update, clock_timestamp, col, unnest};
//!
//! let (keys, sizes) = (vec!["a", "b", "c"], vec![1_i64, 2, 3]);
//! let upsert = Insert::into("files", &["key", "size"])
//!     .from_query(|q| {
//!         q.from(unnest("new", |arrays| {
//!             arrays.column("key", keys).column("size", sizes);
//!         }))
//!         .columns(["key", "size"])
//!     })
//!     .on_conflict(OnConflict::columns(&["key"]).update(&["size"]).filter(col("files.size").is_not_null()))
//!     .returning(["key"])
//!     .build()?;
//! assert_eq!(upsert.parameters(), 2);
//!
//! let settle = Update::table("tasks")
//!     .set_expr("completed_at", clock_timestamp())
//!     .from(unnest("done", |arrays| {
//!         arrays.column("id", vec![7_i64, 8]);
//!     }))
//!     .filter(col("tasks.id").eq_col("done.id"))
//!     .build()?;
//! assert_eq!(
//!     settle.sql(),
//!     r#"UPDATE "tasks" SET "completed_at" = clock_timestamp() FROM unnest($1) AS "done" ("id") WHERE "tasks"."id" = "done"."id""#
//! );
//! # Ok::<(), db_query::BuildError>(())
//! ```

mod catalogue;
mod clause;
mod conflict;
mod delete;
#[cfg(feature = "digest")]
mod digest;
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
mod restrict;
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
pub use restrict::{Restricted, RowFilter};
pub use select::{Group, Select, cube, rollup};
pub use source::{Arrays, Row, Source, ValueRows, lateral, rows_of, subquery, table_as, unnest, values};
pub use sql_type::SqlType;
pub use statement::Statement;
pub use touch::{Access, Columns, Qualified, Touch};
pub use update::Update;
pub use window::{Bound, Window, WindowSpec, window};
pub use with::{Cte, cte};
pub use writer::Writer;
