//! Inserts of one row by four connections: into a table that is audited, one that is not, and one that `supa_audit` watches.
//!
//! Its SQL is not ours to keep here: give the path of its file (`github.com/supabase/supa_audit`) in `CAIRN_BENCH_SUPA_AUDIT`.

use super::LANES;
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_pool::Pool;
use db_security::audit::{Sequencer, SequencerOptions};
use sqlx::{AssertSqlSafe, raw_sql};
use std::{
    env, fs, thread,
    time::{Duration, Instant},
};
use tokio::task::{JoinSet, spawn_blocking};

const PAIRS: usize = 7;
const ROWS: u32 = 6_000;
/// Inserts a second that a busy service makes.
const RATE: u32 = 3_000;
const SUPA_AUDIT: &str = "CAIRN_BENCH_SUPA_AUDIT";

const DURABLE: Work = Work { work: "inserts by 4 connections, each commit on disk, audited", ..AUDITED };
const AUDITED: Work = Work {
    area: "security",
    work: "inserts by 4 connections, no commit waits for the disk, audited (to be over 3,000)",
    peer: Some("the same, not audited"),
    unit: "rows/s",
    better: Better::Higher,
    goal: None,
};
const PACED: Work = Work {
    work: "inserts by 4 connections that are to be 3,000 a second, each commit on disk, audited",
    goal: Some(0.85),
    ..AUDITED
};
const PACED_ONE: Work =
    Work { work: "one of them: median", unit: "us", better: Better::Lower, goal: None, ..AUDITED };
const SEQUENCED: Work =
    Work { work: "the same while events get their places on the same 2 cores", ..AUDITED };
const SUPA: Work = Work { peer: Some("supa_audit's own SQL"), goal: Some(1.0), ..AUDITED };

/// What a change costs where it is waited for.
pub(super) async fn durable(pool: &Pool) -> Result<Vec<Row>, Failure> {
    tables(pool).await?;
    let (ours, theirs) = (async || paced(pool, "audited").await, async || paced(pool, "plain").await);
    let mut rows = in_turns([PACED, PACED_ONE], PAIRS, ours, theirs).await?;
    let (ours, theirs) = (async || insert(pool, "audited").await, async || insert(pool, "plain").await);
    rows.extend(in_turns([DURABLE], PAIRS, ours, theirs).await?);
    Ok(rows)
}

pub(super) async fn run(pool: &Pool) -> Result<Vec<Row>, Failure> {
    tables(pool).await?;
    let ours = async || insert(pool, "audited").await;
    let mut rows = in_turns([AUDITED], PAIRS, ours, async || insert(pool, "plain").await).await?;
    rows.extend(supa_audit(pool).await?);
    let options = SequencerOptions::new().interval(Duration::from_millis(100));
    let sequencer = Sequencer::start(pool.clone(), &options);
    rows.extend(in_turns([SEQUENCED], PAIRS, ours, async || insert(pool, "plain").await).await?);
    sequencer.close(Duration::from_secs(60)).await;
    Ok(rows)
}

async fn tables(pool: &Pool) -> Result<(), Failure> {
    for table in ["audited", "plain", "watched"] {
        let making = format!(
            "CREATE TABLE {table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text NOT NULL, owner text, \
             state text, amount numeric, created_at timestamptz DEFAULT now())"
        );
        execute(pool, &making).await?;
    }
    execute(pool, "SELECT audit_enable_table('audited', 'audited', '{}', '{}', NULL)").await
}

async fn supa_audit(pool: &Pool) -> Result<Vec<Row>, Failure> {
    let Ok(path) = env::var(SUPA_AUDIT) else {
        eprintln!("supa_audit is not measured: {SUPA_AUDIT} does not name its SQL file");
        return Ok(Vec::new());
    };
    // What makes it an extension is left out.
    let text = fs::read_to_string(path)?;
    let sql: Vec<&str> = text.lines().filter(|line| !line.contains("pg_extension_config_dump")).collect();
    execute(pool, "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\"").await?;
    execute(pool, &sql.join("\n")).await?;
    execute(pool, "SELECT audit.enable_tracking('watched')").await?;
    let ours = async || insert(pool, "audited").await;
    in_turns([SUPA], PAIRS, ours, async || insert(pool, "watched").await).await
}

async fn execute(pool: &Pool, sql: &str) -> Result<(), Failure> {
    let mut lease = pool.acquire().await?;
    raw_sql(AssertSqlSafe(sql.to_owned())).execute(lease.vouched()).await?;
    Ok(())
}

/// How many rows a second.
async fn insert(pool: &Pool, table: &'static str) -> Result<[f64; 1], Failure> {
    let began = Instant::now();
    lanes(pool, table, None).await?;
    Ok([f64::from(ROWS) / began.elapsed().as_secs_f64()])
}

/// How many rows a second where [`RATE`] is asked for, and what half of the inserts take at most, microseconds.
async fn paced(pool: &Pool, table: &'static str) -> Result<[f64; 2], Failure> {
    let began = Instant::now();
    let mut took = lanes(pool, table, Some(RATE)).await?;
    let rate = f64::from(ROWS) / began.elapsed().as_secs_f64();
    took.sort_unstable();
    let median = took.get(took.len() / 2).ok_or("nothing was inserted")?;
    Ok([rate, median.as_secs_f64() * 1e6])
}

/// Inserts by all connections in turn, so many a second, or as fast as they can; what each took.
async fn lanes(pool: &Pool, table: &'static str, rate: Option<u32>) -> Result<Vec<Duration>, Failure> {
    let began = Instant::now();
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let pool = pool.clone();
        lanes.spawn(async move {
            let sql =
                format!("INSERT INTO {table} (title, owner, state, amount) VALUES ($1, $2, 'open', 7.25)");
            let mut lease = pool.acquire().await?;
            let mut took = Vec::new();
            for row in 0..ROWS / LANES {
                if let Some(rate) = rate {
                    let due = began + Duration::from_secs(1) * (row * LANES + lane) / rate;
                    // Tokio's own clock goes by the millisecond, in which all would wake at once.
                    spawn_blocking(move || {
                        thread::park_timeout(due.saturating_duration_since(Instant::now()));
                    })
                    .await?;
                }
                let began = Instant::now();
                let inserting = sqlx::query(AssertSqlSafe(sql.as_str()))
                    .bind(format!("title of row {row} in lane {lane}"))
                    .bind("somebody");
                inserting.execute(lease.vouched()).await?;
                took.push(began.elapsed());
            }
            Ok::<_, Failure>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        took.extend(lane??);
    }
    Ok(took)
}
