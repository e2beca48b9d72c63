//! Events through the buffer, from eight tasks, until all are stored.

use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_pool::Pool;
use db_security::audit::{AuditWriter, Event, WriterOptions, record};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const PAIRS: usize = 5;
const EVENTS: u32 = 400_000;
/// The usual way takes its time.
const ONE_BY_ONE: u32 = 10_000;
const TASKS: u32 = 8;
const LONG: Duration = Duration::from_secs(600);

const BUFFERED: Work = Work {
    area: "security",
    work: "events by 8 tasks through the buffer until stored (to be over 100,000)",
    peer: Some("one INSERT an event"),
    unit: "events/s",
    better: Better::Higher,
    goal: Some(1.0),
};

pub(super) async fn run(pool: &Pool) -> Result<Vec<Row>, Failure> {
    in_turns([BUFFERED], PAIRS, async || buffered(pool).await, async || one_by_one(pool).await).await
}

fn event(number: u32) -> Event {
    Event::update("things", number.to_string(), json!({"state": "open"}), json!({"state": "done"}))
        .actor("bench")
}

async fn buffered(pool: &Pool) -> Result<[f64; 1], Failure> {
    empty(pool).await?;
    let writer = AuditWriter::start(pool.clone(), &WriterOptions::new())?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let writer = writer.clone();
        tasks.spawn(async move {
            for number in 0..EVENTS / TASKS {
                writer.record(event(number * TASKS + task)).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    writer.flush(LONG).await?;
    let rate = f64::from(EVENTS) / began.elapsed().as_secs_f64();
    let stored: i64 = pool.run("SELECT count(*) FROM audit_inbox").scalar().await?;
    if stored != i64::from(EVENTS) {
        return Err(format!("{stored} events of {EVENTS} are stored").into());
    }
    Ok([rate])
}

async fn one_by_one(pool: &Pool) -> Result<[f64; 1], Failure> {
    empty(pool).await?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move {
            for number in 0..ONE_BY_ONE / TASKS {
                let mut lease = pool.acquire().await?;
                record(lease.vouched(), None, event(number * TASKS + task)).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok([f64::from(ONE_BY_ONE) / began.elapsed().as_secs_f64()])
}

async fn empty(pool: &Pool) -> Result<(), Failure> {
    pool.run("TRUNCATE audit_inbox").none().await?;
    Ok(())
}
