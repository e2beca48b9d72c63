//! What a deployment costs that waits for another one.

use super::bed::{Bed, execute, write_small};
use crate::{
    Failure,
    row::{Better, Row, Work},
};
use db_migrate::{Error, Format, Migrations, Options, Variables, apply};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

const WAITS: Duration = Duration::from_secs(5);
const CPU: Work = Work {
    area: "migrate",
    work: "a deployment that waits for another: processor time of its process a second",
    peer: None,
    unit: "ms",
    better: Better::Lower,
    goal: None,
};
const ASKS: Work = Work { work: "the same: transactions of the server a second", unit: "a second", ..CPU };

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    write_small(folder.path(), 1)?;
    let (migrations, _) = Migrations::read_as(folder.path(), Some(Format::Sqlx), &Variables::default())?;
    let scratch = bed.database().await?;
    let (mut holder, mut waiter) = (scratch.server().connect().await?, scratch.server().connect().await?);
    let options = Options { deploy_lock_timeout: WAITS, ..Options::default() };
    // The lock is had by whoever deploys: one whose migration goes on for as long as the other waits.
    let slow = tempfile::tempdir()?;
    let pause = format!("SELECT pg_sleep({});", WAITS.as_secs() + 2);
    std::fs::write(slow.path().join("000001_slow.sql"), pause)?;
    let (slow, _) = Migrations::read_as(slow.path(), Some(Format::Sqlx), &Variables::default())?;
    let deploying = tokio::spawn(async move {
        apply(&mut holder, &slow, &Options::default(), &mut |_| {}).await.map(|report| report.done.len())
    });
    let mut watcher = scratch.server().connect().await?;
    while !sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
        .fetch_one(&mut watcher)
        .await?
    {
        tokio::task::yield_now().await;
    }
    let (before, asked, started) = (processor_time(), transactions(&mut watcher).await?, Instant::now());
    let outcome = apply(&mut waiter, &migrations, &options, &mut |_| {}).await;
    assert!(matches!(outcome, Err(Error::Locked { .. })), "the other one goes on: {outcome:?}");
    let seconds = started.elapsed().as_secs_f64();
    let cpu = (processor_time() - before).as_secs_f64() * 1e3 / seconds;
    #[expect(clippy::cast_precision_loss, reason = "a rate for a reader")]
    let asks = (transactions(&mut watcher).await? - asked) as f64 / seconds;
    deploying.await??;
    execute(&mut watcher, "SELECT 1").await?;
    drop((waiter, watcher));
    scratch.drop().await?;
    Ok(vec![Row::new(&CPU, &[cpu], &[]), Row::new(&ASKS, &[asks], &[])])
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

async fn transactions(conn: &mut sqlx::PgConnection) -> Result<i64, Failure> {
    execute(conn, "SELECT pg_stat_force_next_flush()").await?;
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
}
