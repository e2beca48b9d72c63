//! Measures of source files, the latest of each file.

use crate::{Answer, CodeAnalysisId, TaskId, entity, repository, run::Call, text_enum};
use chrono::{DateTime, Utc};
use db_query::{Select, SqlType, asc, coalesce, col, constant, count_all, desc, sum};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};

text_enum! {
    /// How a file was measured.
    pub enum AnalysisMethod {
        /// Parsed by `syn`.
        Syn = "syn",
        /// Counted by keywords.
        Estimate = "estimate",
        /// Lines only.
        Text = "text",
        /// Size only.
        Binary = "binary",
    }
}

entity! {
    /// A row of `code_analysis`.
    #[derive(Eq)]
    pub struct CodeAnalysis in "code_analysis";
    /// Measures to store.
    #[derive(Eq)]
    struct NewCodeAnalysis;
    conflict [root, file_path];

    id {
        /// Key; stays the same when the file is measured again.
        id: CodeAnalysisId,
    }
    required {
        /// The analysed tree; not empty.
        root: String,
        /// Relative to the root, with forward slashes; not empty.
        file_path: String,
        /// The package the file belongs to.
        package: String,
        /// How it was measured.
        method: AnalysisMethod,
    }
    optional {
        /// The task that measured it last.
        task_id: TaskId,
        /// The language, where it is known.
        language: String,
        /// Why a better method did not serve.
        note: String,
    }
    default {
        /// Size in bytes.
        size_bytes: i64 = 0,
        /// Time of last change, nanoseconds since 1970.
        modified_ns: i64 = 0,
        /// All lines.
        lines: i32 = 0,
        /// Lines with code.
        code: i32 = 0,
        /// Lines with comments only.
        comments: i32 = 0,
        /// Empty lines.
        blanks: i32 = 0,
        /// Functions.
        functions: i32 = 0,
        /// Deepest nesting of blocks.
        max_nesting: i32 = 0,
        /// Sum of the functions' complexity.
        complexity: i32 = 0,
        /// Complexity of the most complex function.
        max_complexity: i32 = 0,
    }
    now {
        /// When.
        analysed_at: DateTime<Utc>,
    }
}

/// Sums over the files of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow, Serialize, Deserialize)]
pub struct Totals {
    /// Files.
    pub files: i64,
    /// Bytes.
    pub size_bytes: i64,
    /// Lines.
    pub lines: i64,
    /// Lines with code.
    pub code: i64,
    /// Functions.
    pub functions: i64,
    /// Complexity.
    pub complexity: i64,
}

/// Stores all of them over what was known of the same files, and returns how many there were. No file may stand in `new`
/// twice.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) when a constraint refuses a row, [`Error::Database`](crate::Error::Database) when a file stands there twice (21000) or the
/// server cannot be asked; nothing is stored then.
#[track_caller]
pub fn upsert_many<'c>(conn: &'c mut PgConnection, new: &'c [NewCodeAnalysis]) -> Answer<'c, u64> {
    repository::upsert_many(conn, new)
}

/// The most complex files of a tree, the worst first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn top<'c>(conn: &'c mut PgConnection, root: &str, limit: u16) -> Answer<'c, Vec<CodeAnalysis>> {
    repository::find(conn, |files| {
        files
            .filter(col("root").eq(root))
            .order_by(desc("complexity"))
            .order_by(asc("file_path"))
            .limit(limit.into())
    })
}

/// Sums over the files of a tree; all zero where nothing was measured.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn totals<'c>(conn: &'c mut PgConnection, root: &str) -> Answer<'c, Totals> {
    let call = Call::new::<CodeAnalysis>("sum up");
    let mut sums = Select::from("code_analysis").columns(count_all().alias("files"));
    for column in ["size_bytes", "lines", "code", "functions", "complexity"] {
        let total = coalesce((sum(col(column)), constant(0_i64))).cast(SqlType::Int8);
        sums = sums.columns(total.alias(column));
    }
    let statement = sums.filter(col("root").eq(root)).build();
    Box::pin(async move { Ok(call.optional(conn, statement).await?.unwrap_or_default()) })
}
