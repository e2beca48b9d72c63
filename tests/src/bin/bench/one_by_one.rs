//! The peer of the demonstration: the usual queue, over sqlx's own pool, with one transaction a task. It measures files
//! with the same code, into the same tables, on a cluster with the same settings.

use crate::{Failure, roles::Run};
use db_cli::demo::{
    measure::{Measures, measure},
    peak_memory_mib, tree,
};
use db_embedded::{Mode, Options, Postgres};
use db_migrate::Migrations;
use db_model::AnalysisMethod;
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Instant,
};
use tokio::task::{JoinSet, spawn_blocking};

/// Larger files are not read, as in ours.
const MAX_FILE_SIZE: u64 = 32 << 20;

pub(crate) async fn run(root: &Path, state: &Path) -> Result<Run, Failure> {
    let began = Instant::now();
    let workers = thread::available_parallelism()?.get() + 1;
    let postgres = Postgres::start(Options::new(Mode::Persistent(state.to_owned()))).await?;
    let connections = u32::try_from(workers + 1)?;
    let pool = PgPoolOptions::new().max_connections(connections).connect(postgres.url().expose()).await?;
    let mut conn = pool.acquire().await?;
    let migrations = Migrations::embedded(db_model::MIGRATIONS)?;
    db_migrate::apply(&mut conn, &migrations, &db_migrate::Options::default(), &mut |_| {}).await?;
    drop(conn);
    let files = tree::walk(root, state)?;
    enqueue(&pool, &files).await?;

    let startup = began.elapsed();
    let started = Instant::now();
    let root: Arc<Path> = root.into();
    let mut running = JoinSet::new();
    for _ in 0..workers {
        running.spawn(work(pool.clone(), Arc::clone(&root)));
    }
    while let Some(worker) = running.join_next().await {
        worker??;
    }
    let seconds = started.elapsed().as_secs_f64();
    pool.close().await;
    postgres.stop().await;
    let tasks = u32::try_from(files.len())?;
    Ok(Run {
        tasks_per_second: f64::from(tasks) / seconds,
        peak_memory_mib: f64::from(u32::try_from(peak_memory_mib().unwrap_or(0))?),
        startup_seconds: startup.as_secs_f64(),
    })
}

async fn enqueue(pool: &PgPool, files: &[tree::Found]) -> Result<(), Failure> {
    let mut tx = pool.begin().await?;
    for file in files {
        sqlx::query("INSERT INTO tasks (title, kind, requirements) VALUES ($1, 'file', jsonb_build_object('size', $2::bigint))")
            .bind(&file.path)
            .bind(i64::try_from(file.size)?)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Claims, does and completes a task in one transaction, until there is none.
async fn work(pool: PgPool, root: Arc<Path>) -> Result<(), Failure> {
    loop {
        let mut tx = pool.begin().await?;
        let next: Option<(sqlx::types::Uuid, String, i64)> = sqlx::query_as(
            "SELECT id, title, (requirements->>'size')::bigint FROM tasks \
             WHERE queue = 'default' AND status = 'pending' AND waiting_on = 0 AND run_after <= now() \
             ORDER BY priority DESC, run_after, id LIMIT 1 FOR UPDATE SKIP LOCKED",
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some((id, path, size)) = next else { return Ok(()) };
        let began = Instant::now();
        let file = root.join(PathBuf::from(&path));
        let measured = spawn_blocking(move || measure(&file, MAX_FILE_SIZE)).await?;
        let seconds = began.elapsed().as_secs_f64();
        sqlx::query(
            "UPDATE tasks SET status = 'in_progress', claimed_by = 'one', started_at = now(), attempts = 1, \
                 lease_expires_at = now() WHERE id = $1",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?;
        let status = match &measured {
            Ok(measures) => {
                store(&mut tx, &root, &path, size, measures).await?;
                "completed"
            }
            Err(_) => "failed",
        };
        sqlx::query(
            "INSERT INTO task_executions (task_id, agent_type, status, worker, started_at, completed_at) \
             VALUES ($1, 'file', $2, 'one', now() - make_interval(secs => $3), now())",
        )
        .bind(id)
        .bind(status)
        .bind(seconds)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "UPDATE tasks SET status = $2, claimed_by = NULL, lease_expires_at = NULL, completed_at = now() \
             WHERE id = $1",
        )
        .bind(id)
        .bind(status)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
    }
}

async fn store(
    conn: &mut sqlx::PgConnection,
    root: &Path,
    path: &str,
    size: i64,
    measures: &Measures,
) -> Result<(), Failure> {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let shape = measures.shape;
    sqlx::query(
        "INSERT INTO code_analysis (root, file_path, package, language, size_bytes, modified_ns, lines, code, comments, \
             blanks, functions, max_nesting, complexity, max_complexity, method, note) \
         VALUES ($1, $2, '.', $3, $4, 0, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(root.display().to_string())
    .bind(path)
    .bind(measures.language.as_deref())
    .bind(size)
    .bind(count(measures.lines))
    .bind(count(measures.code))
    .bind(count(measures.comments))
    .bind(count(measures.blanks))
    .bind(count(usize::try_from(shape.functions)?))
    .bind(count(usize::try_from(shape.max_nesting)?))
    .bind(count(usize::try_from(shape.complexity)?))
    .bind(count(usize::try_from(shape.max_complexity)?))
    .bind(AnalysisMethod::from(measures.method).as_str())
    .bind(&measures.note)
    .execute(conn)
    .await?;
    Ok(())
}
