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
    env, fs,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const PAIRS: usize = 7;
const ROWS: u32 = 6_000;
const SUPA_AUDIT: &str = "CAIRN_BENCH_SUPA_AUDIT";

const DURABLE: Work =
    Work { work: "inserts by 4 connections, each commit on disk, audited", goal: Some(0.85), ..AUDITED };
const AUDITED: Work = Work {
    area: "security",
    work: "inserts by 4 connections, no commit waits for the disk, audited (to be over 3,000)",
    peer: Some("the same, not audited"),
    unit: "rows/s",
    better: Better::Higher,
    goal: None,
};
const SEQUENCED: Work =
    Work { work: "the same while events get their places on the same 2 cores", ..AUDITED };
const SUPA: Work = Work { peer: Some("supa_audit's own SQL"), goal: Some(1.0), ..AUDITED };

/// What a change costs where it is waited for.
pub(super) async fn durable(pool: &Pool) -> Result<Vec<Row>, Failure> {
    tables(pool).await?;
    in_turns([DURABLE], PAIRS, async || insert(pool, "audited").await, async || insert(pool, "plain").await)
        .await
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

async fn insert(pool: &Pool, table: &'static str) -> Result<[f64; 1], Failure> {
    let began = Instant::now();
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let pool = pool.clone();
        lanes.spawn(async move {
            let sql =
                format!("INSERT INTO {table} (title, owner, state, amount) VALUES ($1, $2, 'open', 7.25)");
            let mut lease = pool.acquire().await?;
            for row in 0..ROWS / LANES {
                let inserting = sqlx::query(AssertSqlSafe(sql.as_str()))
                    .bind(format!("title of row {row} in lane {lane}"))
                    .bind("somebody");
                inserting.execute(lease.vouched()).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok([f64::from(ROWS) / began.elapsed().as_secs_f64()])
}
