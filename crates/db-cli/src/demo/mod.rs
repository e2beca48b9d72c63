//! The main job on real input: every file and package of a source tree becomes a task, workers measure them, and the
//! results are rows.

mod handler;
mod kept;
pub mod measure;
pub mod packages;
pub mod path_text;
mod plan;
mod progress;
pub mod report;
mod store;
mod trail;
pub mod tree;

pub use report::peak_memory_mib;
pub use store::StoreError;

use crate::{Failed, database::Target};
use chrono::Utc;
use db_facade::db_pool::Pool;
use db_tasks::{Plan, Reclaim, Worker, enqueue, reclaim};
use handler::Analyser;
use kept::Kept;
use packages::Packages;
use plan::Todo;
use report::Report;
use sqlx::Connection;
use std::{
    future::Future,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What to analyse, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tree.
    pub path: PathBuf,
    /// The folder of our own data, which is passed over.
    pub own_data: PathBuf,
    /// Handlers at once.
    pub workers: NonZeroU32,
    /// Larger files are not read; bytes.
    pub max_file_size: u64,
    /// Rows of the final table.
    pub top: u32,
}

/// Runs the demonstration on a database that is there already.
///
/// It is over when every task has ended, or when `stop` is ready and what ran by then has ended.
///
/// # Errors
/// When the tree, the database or another demonstration stands in the way. A file that cannot be measured is no error.
///
/// # Cancel safety
/// A dropped future stops at once; the next run takes up what it left.
pub async fn run(
    target: &Target,
    options: &Options,
    began: Instant,
    stop: impl Future<Output = ()> + Send,
) -> Result<Report, Failed> {
    let root = tree::root(&options.path)?;
    let db = &target.database;
    db.migrate().await?;
    let mut guard = db.pool().acquire().await?;
    if !store::try_lock(&mut guard).await? {
        return Err(Failed::new(
            "another demo runs on this database; wait for it, or use another folder: --data DIR",
        ));
    }
    let root_text = path_text::to_text(&root);
    let queue = format!("demo {root_text}");
    let (found, packages) = look(&root, &options.own_data).await?;
    let trail = trail::Trail::begin(db, &root_text).await?;
    let acting = trail::acting(db.pool())?;
    let (todo, total) = prepare(&acting, &queue, &root_text, options, &found, &packages).await?;
    let files = found.iter().filter(|found| found.kind == tree::Kind::File).count();
    let (unchanged, analysed) = (todo.unchanged, todo.changed);
    let package_count = todo.packages;
    drop((found, todo));

    let (startup, since) = (began.elapsed(), Utc::now());
    let kept = Kept::new(db.cache())?;
    let analyser = Analyser::new(&root, options.max_file_size, acting.clone(), kept.clone());
    let worker = Worker::new(acting, analyser)
        .queue(queue.clone())
        .concurrency(options.workers)
        .lease(Duration::from_secs(60))
        .until_drained();
    let shown = progress::Shown::start(total, worker.progress());
    let worked = worker.run(stop).await?;
    drop(shown);

    let seconds = worked.elapsed.as_secs_f64();
    let ended = worked.completed + worked.failed + worked.cancelled;
    let mut notes: Vec<String> = Vec::new();
    if !packages.note.is_empty() {
        notes.push(packages.note.clone());
    }
    notes.push("~ marks an estimate by words and indentation; Rust is measured by its grammar".to_owned());
    let mut lease = db.pool().acquire().await?;
    let tasks = store::by_status(&mut lease, &queue).await?;
    let interrupted = tasks.get("pending").is_some_and(|&n| n > 0);
    let failures = store::failures(&mut lease, &queue, since).await?;
    let top = store::top(&mut lease, &root_text, options.top).await?;
    drop(lease);
    drop(guard);
    let audit = match trail {
        Some(trail) => Some(trail.end(analysed).await?),
        None => None,
    };
    Ok(Report {
        audit,
        root: root_text.clone(),
        files,
        packages: package_count,
        analysed,
        unchanged,
        tasks,
        failures: failures.into_iter().map(|(task, reason)| report::Failed { task, reason }).collect(),
        startup_seconds: startup.as_secs_f64(),
        seconds,
        #[expect(clippy::cast_precision_loss, reason = "a rate for a reader")]
        tasks_per_second: if ended == 0 { 0.0 } else { ended as f64 / seconds.max(0.001) },
        peak_memory_mib: peak_memory_mib(),
        pool: crate::output::pool_json(&db.pool().stats()),
        cache: kept.figures(),
        health: crate::output::health_json(&db.health().await),
        top,
        interrupted,
        server: target.server.clone(),
        notes,
    })
}

/// Looks at the tree on a blocking thread.
async fn look(root: &Path, own_data: &Path) -> Result<(Vec<tree::Found>, Packages), Failed> {
    let (root, own_data) = (root.to_owned(), own_data.to_owned());
    let looked = tokio::task::spawn_blocking(move || {
        let found = tree::walk(&root, &own_data)?;
        Ok::<_, tree::TreeError>((found, Packages::read(&root)))
    });
    match looked.await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Failed::new(format!("looking at the tree failed: {error}"))),
    }
}

/// Takes up where an earlier run ended, and enqueues what is new, in one transaction; answers with what it decided and
/// how many tasks there are.
async fn prepare(
    pool: &Pool,
    queue: &str,
    root: &str,
    options: &Options,
    found: &[tree::Found],
    packages: &Packages,
) -> Result<(Todo, u64), Failed> {
    let mut lease = pool.acquire().await?;
    let mut tx = lease.begin().await?;
    // The demonstration's lock is ours, so whoever claimed these is gone.
    reclaim(&mut tx, queue, Reclaim::All).await?;
    store::drop_waiting(&mut tx, queue).await?;
    let known = store::known(&mut tx, root, queue, options.max_file_size).await?;
    let mut todo = plan::plan(queue, found, packages, &known);
    store::forget(&mut tx, root, &todo.gone).await?;
    store::forget(&mut tx, root, &todo.again).await?;
    let plan = Plan::new(std::mem::take(&mut todo.tasks), std::mem::take(&mut todo.edges))?;
    enqueue(&mut tx, &plan).await?;
    tx.commit().await?;
    Ok((todo, plan.tasks().len() as u64))
}
