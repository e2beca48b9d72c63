//! Does the tasks of the demonstration: measures files, sums up packages.

use super::{
    kept::Kept,
    measure::{MeasureError, Measures, Source},
    path_text,
    plan::PACKAGE,
    store,
};
use db_core::BoxError;
use db_model::{
    AnalysisMethod, ErrorType,
    code_analysis::{self, NewCodeAnalysis},
};
use db_pool::Pool;
use db_tasks::{Claimed, Done, Failure, Handler};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

/// Source text that may be in syntax trees at once, in KiB. A tree takes up to sixty times its text, so this is what
/// keeps memory flat, however large the files are.
const PARSED_KIB: u32 = 2 << 10;

/// Measures the files below one root.
pub(super) struct Analyser {
    root: Arc<Path>,
    root_text: String,
    max_file_size: u64,
    pool: Pool,
    kept: Kept,
    memory: Arc<Semaphore>,
}

/// What a file's task is told.
#[derive(Debug, Deserialize)]
struct FileTask {
    path: String,
    package: String,
    size: u64,
    modified_ns: i64,
    problem: Option<String>,
}

/// What a package's task is told.
#[derive(Debug, Deserialize)]
struct PackageTask {
    package: String,
}

/// What a task produces.
#[derive(Debug)]
pub(super) enum Output {
    /// A file's measures, to be stored.
    File(Box<NewCodeAnalysis>),
    /// A package's sums, kept as the task's result.
    Package(PackageSums),
}

/// Sums over the files of a package.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub(crate) struct PackageSums {
    files: i64,
    lines: i64,
    functions: i64,
    complexity: i64,
}

/// A file that is measured, or that may have been before.
enum Read {
    Measured(Measures),
    Long(Source, (&'static str, String), OwnedSemaphorePermit),
}

impl Analyser {
    /// For the files below `root`, of at most `max_file_size` bytes each.
    #[must_use]
    pub(super) fn new(root: &Path, max_file_size: u64, pool: Pool, kept: Kept) -> Self {
        Self {
            root: root.into(),
            root_text: path_text::to_text(root),
            max_file_size,
            pool,
            kept,
            memory: Arc::new(Semaphore::new(PARSED_KIB as usize)),
        }
    }

    async fn file(&self, task: FileTask) -> Result<NewCodeAnalysis, Failure> {
        if let Some(problem) = &task.problem {
            return Err(Failure::permanent(ErrorType::System, problem.clone()));
        }
        let relative = path_text::from_text(&task.path)
            .ok_or_else(|| Failure::permanent(ErrorType::Validation, "the task's path cannot be read"))?;
        let measured = self.measure(self.root.join(relative), task.size).await?;
        Ok(row(&self.root_text, task, measured))
    }

    /// Reads and parses on a blocking thread, which has the large stack that the runtime was built with.
    async fn measure(&self, path: PathBuf, size: u64) -> Result<Measures, Failure> {
        let kib = u32::try_from(size / 1024 + 1).unwrap_or(PARSED_KIB).min(PARSED_KIB);
        let memory = Arc::clone(&self.memory).acquire_many_owned(kib).await;
        let memory = memory.map_err(|error| Failure::permanent(ErrorType::System, error.to_string()))?;
        let limit = self.max_file_size;
        let read = task::spawn_blocking(move || {
            let source = Source::read(&path, limit)?;
            match source.digest() {
                Some(digest) => Ok(Read::Long(source, digest, memory)),
                // One thread does all of it.
                None => source.measure().map(Read::Measured),
            }
        });
        let measured = match read.await {
            Ok(Ok(Read::Measured(measures))) => Ok(Ok(measures)),
            Ok(Ok(Read::Long(source, digest, memory))) => self.kept.or_measure(source, digest, memory).await,
            Ok(Err(error)) => Ok(Err(error)),
            Err(error) => Err(error.to_string()),
        };
        match measured {
            Ok(measured) => measured.map_err(|error| failure(&error)),
            Err(error) => Err(Failure::permanent(ErrorType::System, format!("measuring it failed: {error}"))),
        }
    }

    async fn package(&self, task: &PackageTask) -> Result<PackageSums, Failure> {
        let sum = async {
            let mut lease = self.pool.acquire().await.map_err(|error| error.to_string())?;
            store::package_sums(&mut lease, &self.root_text, &task.package)
                .await
                .map_err(|error| db_core::with_causes(&error))
        };
        sum.await.map_err(|message: String| Failure::transient(ErrorType::Database, message))
    }
}

impl Handler for Analyser {
    type Output = Output;

    async fn run(&self, task: &Claimed) -> Result<Output, Failure> {
        if task.kind == PACKAGE {
            Ok(Output::Package(self.package(&told(&task.requirements)?).await?))
        } else {
            Ok(Output::File(Box::new(self.file(told(&task.requirements)?).await?)))
        }
    }

    async fn store(&self, conn: &mut PgConnection, done: &[Done<Output>]) -> Result<(), BoxError> {
        let rows: Vec<NewCodeAnalysis> = done
            .iter()
            .filter_map(|done| match &done.output {
                Output::File(file) => Some((**file).clone().task_id(done.task)),
                Output::Package(_) => None,
            })
            .collect();
        if !rows.is_empty() {
            code_analysis::upsert_many(conn, &rows).await?;
        }
        Ok(())
    }

    fn result(&self, output: &Output) -> Option<Value> {
        match output {
            Output::File(_) => None,
            Output::Package(sums) => serde_json::to_value(sums).ok(),
        }
    }
}

fn told<T: for<'de> Deserialize<'de>>(requirements: &Value) -> Result<T, Failure> {
    T::deserialize(requirements).map_err(|error| {
        Failure::permanent(ErrorType::Validation, format!("the task cannot be read: {error}"))
    })
}

/// A file that is broken stays broken; one that cannot be read now may be readable in a moment, but not in this run.
fn failure(error: &MeasureError) -> Failure {
    // What is in it is the file's own; the rest is the machine's, or the caller's limit.
    let error_type = match error {
        MeasureError::Syntax { .. } => ErrorType::Validation,
        MeasureError::Read(_) | MeasureError::TooLarge { .. } => ErrorType::System,
    };
    Failure::permanent(error_type, error.to_string())
}

fn row(root: &str, task: FileTask, measured: Measures) -> NewCodeAnalysis {
    let method = AnalysisMethod::from(measured.method);
    NewCodeAnalysis {
        language: measured.language.map(Cow::into_owned),
        size_bytes: i64::try_from(task.size).unwrap_or(i64::MAX),
        modified_ns: task.modified_ns,
        lines: column(measured.lines),
        code: column(measured.code),
        comments: column(measured.comments),
        blanks: column(measured.blanks),
        functions: column(measured.shape.functions),
        max_nesting: column(measured.shape.max_nesting),
        complexity: column(measured.shape.complexity),
        max_complexity: column(measured.shape.max_complexity),
        note: measured.note,
        ..NewCodeAnalysis::new(root, task.path, task.package, method)
    }
}

/// No file of a bounded size has more than that.
fn column(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}
