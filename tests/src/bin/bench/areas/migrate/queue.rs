//! A reader holds a table for half a minute while a column is added to it: how long writers stall, and how soon the
//! change is in once the reader is gone. The peer waits for its lock without a limit, and every writer behind it.

use super::bed::{Bed, execute};
use crate::{
    Failure,
    row::{Better, Row, Work},
};
use db_migrate::{Event, Format, Migrations, Options, Server, Variables, apply};
use sqlx::migrate::Migrator;
use std::{
    future::pending,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use tokio::{
    task::JoinHandle,
    time::{interval, timeout},
};

const HELD: Duration = Duration::from_secs(30);
const STALL: Work = Work {
    area: "migrate",
    work: "a reader holds the table for 30 s: longest stall of a writer (to be under 150)",
    peer: Some("sqlx migrate run"),
    unit: "ms",
    better: Better::Lower,
    goal: None,
};
const IN: Work = Work { work: "the same: from the reader's end to the change (to be under 2000)", ..STALL };

/// What was seen of one side.
struct Seen {
    stall: f64,
    change: f64,
}

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("000001_column.sql"), "ALTER TABLE busy ADD COLUMN more integer;\n")?;
    let ours = side(bed, folder.path(), Side::Ours).await?;
    let theirs = side(bed, folder.path(), Side::Theirs).await?;
    let row = |work: &Work, of: fn(&Seen) -> f64| Row::new(work, &[of(&ours)], &[of(&theirs)]);
    Ok(vec![row(&STALL, |seen| seen.stall), row(&IN, |seen| seen.change)])
}

#[derive(Clone, Copy)]
enum Side {
    Ours,
    Theirs,
}

async fn side(bed: &Bed, folder: &Path, side: Side) -> Result<Seen, Failure> {
    let scratch = bed.database().await?;
    let server = scratch.server().clone();
    let mut reader = server.connect().await?;
    execute(&mut reader, "CREATE TABLE busy (id int8); INSERT INTO busy SELECT generate_series(1, 1000)")
        .await?;
    execute(&mut reader, "BEGIN; SELECT count(*) FROM busy").await?;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = write(server.clone(), Arc::clone(&stop));
    let migrating = migrate(server.clone(), folder, side);
    // The reader's own time: nothing is waited for.
    let _ = timeout(HELD, pending::<()>()).await;
    execute(&mut reader, "COMMIT").await?;
    let released = Instant::now();
    let finished = migrating.await??;
    stop.store(true, Ordering::Relaxed);
    let stall = writer.await??;
    drop(reader);
    scratch.drop().await?;
    Ok(Seen {
        stall: stall.as_secs_f64() * 1e3,
        change: finished.saturating_duration_since(released).as_secs_f64() * 1e3,
    })
}

/// Writes a row again and again; the longest that one took.
fn write(server: Server, stop: Arc<AtomicBool>) -> JoinHandle<Result<Duration, Failure>> {
    tokio::spawn(async move {
        let mut conn = server.connect().await?;
        let (mut longest, mut often) = (Duration::ZERO, interval(Duration::from_millis(2)));
        while !stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            execute(&mut conn, "INSERT INTO busy (id) VALUES (0)").await?;
            longest = longest.max(started.elapsed());
            often.tick().await;
        }
        Ok(longest)
    })
}

/// Answers with the moment at which the change was in.
fn migrate(server: Server, folder: &Path, side: Side) -> JoinHandle<Result<Instant, Failure>> {
    let folder = folder.to_owned();
    tokio::spawn(async move {
        let mut conn = server.connect().await?;
        match side {
            Side::Ours => {
                let (migrations, _) =
                    Migrations::read_as(&folder, Some(Format::Sqlx), &Variables::default())?;
                let options = Options { server: Some(server), ..Options::default() };
                let mut named = false;
                let mut tell = |event: &Event<'_>| {
                    if let Event::Blocked { blockers, .. } = event {
                        named = named || blockers.iter().any(|blocker| blocker.query.contains("busy"));
                    }
                };
                apply(&mut conn, &migrations, &options, &mut tell).await?;
                assert!(named, "whoever is in the way is named");
            }
            Side::Theirs => Migrator::new(folder).await?.run_direct(None, &mut conn, false).await?,
        }
        Ok(Instant::now())
    })
}
