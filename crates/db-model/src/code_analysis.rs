//! Measures of source files, the latest of each file.

use crate::text_enum::text_enum;
use crate::{CodeAnalysisId, Error, TaskId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};
use std::collections::HashMap;

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

/// A row of `code_analysis`.
#[derive(Clone, Debug, PartialEq, FromRow, Serialize, Deserialize)]
pub struct CodeAnalysis {
    /// Key; stays the same when the file is measured again.
    pub id: CodeAnalysisId,
    /// The task that measured it last.
    pub task_id: Option<TaskId>,
    /// What was measured.
    #[sqlx(flatten)]
    #[serde(flatten)]
    pub file: FileAnalysis,
    /// When.
    pub analysed_at: DateTime<Utc>,
}

/// What was measured in one file.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize, Deserialize)]
pub struct FileAnalysis {
    /// The analysed tree.
    pub root: String,
    /// Relative to the root, with forward slashes.
    pub file_path: String,
    /// The package the file belongs to.
    pub package: String,
    /// The language, where it is known.
    pub language: Option<String>,
    /// Size in bytes.
    pub size_bytes: i64,
    /// Time of last change, nanoseconds since 1970.
    pub modified_ns: i64,
    /// All lines.
    pub lines: i32,
    /// Lines with code.
    pub code: i32,
    /// Lines with comments only.
    pub comments: i32,
    /// Empty lines.
    pub blanks: i32,
    /// Functions.
    pub functions: i32,
    /// Deepest nesting of blocks.
    pub max_nesting: i32,
    /// Sum of the functions' complexity.
    pub complexity: i32,
    /// Complexity of the most complex function.
    pub max_complexity: i32,
    /// How it was measured.
    pub method: AnalysisMethod,
    /// Why a better method did not serve.
    pub note: Option<String>,
}

macro_rules! columns {
    () => {
        "id, task_id, root, file_path, package, language, size_bytes, modified_ns, lines, code, comments, blanks, \
         functions, max_nesting, complexity, max_complexity, method, note, analysed_at"
    };
}

/// Measures to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCodeAnalysis {
    /// Key, should the file be new.
    pub id: CodeAnalysisId,
    /// The task that measured it.
    pub task_id: Option<TaskId>,
    /// What was measured.
    pub file: FileAnalysis,
}

impl NewCodeAnalysis {
    /// Measures of a file by a task.
    #[must_use]
    pub fn new(task_id: Option<TaskId>, file: FileAnalysis) -> Self {
        Self { id: CodeAnalysisId::generate(), task_id, file }
    }
}

/// What tells, without reading it, whether a file is still the one that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct Fingerprint {
    /// Size in bytes.
    pub size_bytes: i64,
    /// Time of last change, nanoseconds since 1970.
    pub modified_ns: i64,
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

/// Stores all of them in one statement, over what was known of the same files, and returns how many there were.
/// No file may stand in `new` twice.
///
/// # Errors
/// [`Error::Database`] when a constraint refuses a row or a file stands there twice (21000), which refuses them all,
/// or the server cannot be asked.
pub async fn upsert_many(conn: &mut PgConnection, new: &[NewCodeAnalysis]) -> Result<u64, Error> {
    let files = || new.iter().map(|row| &row.file);
    let done = sqlx::query(
        "INSERT INTO code_analysis (id, task_id, root, file_path, package, language, size_bytes, modified_ns, \
             lines, code, comments, blanks, functions, max_nesting, complexity, max_complexity, method, note) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], \
             $7::bigint[], $8::bigint[], $9::int[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], \
             $15::int[], $16::int[], $17::text[], $18::text[]) \
         ON CONFLICT (root, file_path) DO UPDATE SET \
             task_id = excluded.task_id, package = excluded.package, language = excluded.language, \
             size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns, lines = excluded.lines, \
             code = excluded.code, comments = excluded.comments, blanks = excluded.blanks, \
             functions = excluded.functions, max_nesting = excluded.max_nesting, \
             complexity = excluded.complexity, max_complexity = excluded.max_complexity, \
             method = excluded.method, note = excluded.note, analysed_at = excluded.analysed_at",
    )
    .bind(new.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.task_id).collect::<Vec<_>>())
    .bind(files().map(|file| file.root.as_str()).collect::<Vec<_>>())
    .bind(files().map(|file| file.file_path.as_str()).collect::<Vec<_>>())
    .bind(files().map(|file| file.package.as_str()).collect::<Vec<_>>())
    .bind(files().map(|file| file.language.as_deref()).collect::<Vec<_>>())
    .bind(files().map(|file| file.size_bytes).collect::<Vec<_>>())
    .bind(files().map(|file| file.modified_ns).collect::<Vec<_>>())
    .bind(files().map(|file| file.lines).collect::<Vec<_>>())
    .bind(files().map(|file| file.code).collect::<Vec<_>>())
    .bind(files().map(|file| file.comments).collect::<Vec<_>>())
    .bind(files().map(|file| file.blanks).collect::<Vec<_>>())
    .bind(files().map(|file| file.functions).collect::<Vec<_>>())
    .bind(files().map(|file| file.max_nesting).collect::<Vec<_>>())
    .bind(files().map(|file| file.complexity).collect::<Vec<_>>())
    .bind(files().map(|file| file.max_complexity).collect::<Vec<_>>())
    .bind(files().map(|file| file.method.as_str()).collect::<Vec<_>>())
    .bind(files().map(|file| file.note.as_deref()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(Error::during("store code analyses"))?;
    Ok(done.rows_affected())
}

/// The most complex files of a tree, the worst first.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn top(conn: &mut PgConnection, root: &str, limit: u16) -> Result<Vec<CodeAnalysis>, Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM code_analysis WHERE root = $1 ORDER BY complexity DESC, file_path LIMIT $2"
    ))
    .bind(root)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await
    .map_err(Error::during("list the most complex files"))
}

/// What is known of each file of a tree, by path: one entry a file, all in memory.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn fingerprints(
    conn: &mut PgConnection,
    root: &str,
) -> Result<HashMap<String, Fingerprint>, Error> {
    let rows: Vec<(String, i64, i64)> =
        sqlx::query_as("SELECT file_path, size_bytes, modified_ns FROM code_analysis WHERE root = $1")
            .bind(root)
            .fetch_all(conn)
            .await
            .map_err(Error::during("read file fingerprints"))?;
    let with_key = |(path, size_bytes, modified_ns)| (path, Fingerprint { size_bytes, modified_ns });
    Ok(rows.into_iter().map(with_key).collect())
}

/// Sums over the files of a tree; all zero where nothing was measured.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn totals(conn: &mut PgConnection, root: &str) -> Result<Totals, Error> {
    sqlx::query_as(
        "SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes, \
             coalesce(sum(lines), 0) AS lines, coalesce(sum(code), 0) AS code, \
             coalesce(sum(functions), 0) AS functions, coalesce(sum(complexity), 0) AS complexity \
         FROM code_analysis WHERE root = $1",
    )
    .bind(root)
    .fetch_one(conn)
    .await
    .map_err(Error::during("sum up code analyses"))
}
