//! COPY of a million narrow rows into an unlogged table, against `psql \copy` from a file that is there already.

use super::bed::Bed;
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_pool::{CopyTarget, Pool, copy_in};
use sqlx::raw_sql;
use std::{
    io::{BufWriter, Write},
    path::Path,
    process::Command,
    time::Instant,
};
use tempfile::NamedTempFile;

const PAIRS: usize = 5;
const ROWS: i64 = 1_000_000;

const COPY: Work = Work {
    area: "pool",
    work: "COPY in of a million rows: int8, int4, short text",
    peer: Some("psql \\copy, text"),
    unit: "rows/s",
    better: Better::Higher,
    goal: Some(1.1),
};

type Filled = (i64, i32, String);

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let program = bed.program("psql")?;
    let pool = Pool::connect_url(bed.url()).await?;
    raw_sql(
        "CREATE UNLOGGED TABLE filled (id int8 NOT NULL, kind int4 NOT NULL, note text NOT NULL) \
         WITH (autovacuum_enabled = false)",
    )
    .execute(&pool)
    .await?;
    let rows: Vec<Filled> = (1..=ROWS).map(|id| (id, (id % 1_000) as i32, format!("note {id}"))).collect();
    let mut file = NamedTempFile::new()?;
    let mut text = BufWriter::new(&mut file);
    for (id, kind, note) in &rows {
        writeln!(text, "{id}\t{kind}\t{note}")?;
    }
    text.flush()?;
    drop(text);
    let measured = in_turns(
        [COPY],
        PAIRS,
        async || ours(&pool, &rows).await,
        async || by_psql(&pool, &program, file.path(), bed.url()).await,
    )
    .await;
    raw_sql("DROP TABLE filled").execute(&pool).await?;
    measured
}

async fn ours(pool: &Pool, rows: &[Filled]) -> Result<[f64; 1], Failure> {
    let target = CopyTarget::new("filled", &["id", "kind", "note"])?;
    let started = Instant::now();
    let mut lease = pool.acquire().await?;
    let mut copy = copy_in(&mut lease, &target).await?;
    copy.send_all(rows.iter().map(|(id, kind, note)| (*id, *kind, note.as_str()))).await?;
    copy.finish().await?;
    let rate = ROWS as f64 / started.elapsed().as_secs_f64();
    drop(lease);
    empty(pool).await?;
    Ok([rate])
}

async fn by_psql(pool: &Pool, program: &Path, file: &Path, url: &str) -> Result<[f64; 1], Failure> {
    let copy = format!("\\copy filled FROM '{}'", file.display());
    let started = Instant::now();
    let status =
        Command::new(program).args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", &copy, "-d", url]).status()?;
    if !status.success() {
        return Err(format!("psql ended with {status}").into());
    }
    let rate = ROWS as f64 / started.elapsed().as_secs_f64();
    empty(pool).await?;
    Ok([rate])
}

/// Makes room for the next, and finds out whether all rows had come.
async fn empty(pool: &Pool) -> Result<(), Failure> {
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM filled").fetch_one(pool).await?;
    if rows != ROWS {
        return Err(format!("{rows} rows have come, of {ROWS}").into());
    }
    raw_sql("TRUNCATE filled").execute(pool).await?;
    Ok(())
}
