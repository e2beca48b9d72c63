//! Lookups that go together: the loader's, against point selects of a pool and against pgbench.

use super::{
    bed::Bed,
    load::ROWS,
    peers::{POINT, Selects, deadpool, ours},
    select::{TIME, compare, selects},
};
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_pool::{Loader, LoaderOptions};
use deadpool_postgres::QueueMode;
use std::{io::Write, path::Path, process::Command};
use tempfile::NamedTempFile;

const PAIRS: usize = 5;
const CLIENTS: u32 = 32;

const DEADPOOL: Work = Work {
    area: "pool",
    work: "loader, 32 tasks over 2 connections",
    peer: Some("deadpool-postgres, LIFO, 16: point select"),
    unit: "rows/s",
    better: Better::Higher,
    goal: Some(3.0),
};
const PGBENCH: Work = Work { peer: Some("pgbench -M prepared -c 32 -j 2"), goal: Some(1.0), ..DEADPOOL };

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let pool = ours(bed.url()).await?;
    let sql = "SELECT id, name FROM points WHERE id = ANY($1)";
    let loader = Points(Loader::new(&pool, sql, "id", LoaderOptions::default()));
    let peer = deadpool(bed.url(), QueueMode::Lifo).await?;
    let mut rows = compare(DEADPOOL, CLIENTS, &loader, &peer).await?;
    let work = "loader, 64 tasks over 2 connections";
    rows.extend(compare(Work { work, ..DEADPOOL }, 64, &loader, &peer).await?);
    drop(peer);

    let program = bed.program("pgbench")?;
    let mut script = NamedTempFile::new()?;
    write!(script, "\\set id random(1, {ROWS})\n{};\n", POINT.replace("$1", ":id"))?;
    let by_pgbench = async || Ok([pgbench(&program, script.path(), bed.url())?]);
    let by_loader = async || Ok([selects(&loader, CLIENTS, TIME).await?.per_second()]);
    rows.extend(in_turns([PGBENCH], PAIRS, by_loader, by_pgbench).await?);
    let work = "point select, 32 tasks on 16";
    let by_pool = async || Ok([selects(&pool, CLIENTS, TIME).await?.per_second()]);
    let alone = Work { work, unit: "queries/s", goal: None, ..PGBENCH };
    rows.extend(in_turns([alone], PAIRS, by_pool, by_pgbench).await?);
    Ok(rows)
}

#[derive(Clone)]
struct Points(Loader<i64, (i64, String)>);

impl Selects for Points {
    async fn select(&self, key: i64) -> Result<(i64, String), Failure> {
        self.0.load(key).await?.ok_or_else(|| format!("there is no row {key}").into())
    }
}

/// Transactions a second of pgbench, which connects before it starts its clock.
fn pgbench(program: &Path, script: &Path, url: &str) -> Result<f64, Failure> {
    let output = Command::new(program)
        .args(["-n", "-M", "prepared", "-j", "2", "-T", "1", "-c"])
        .arg(CLIENTS.to_string())
        .arg("-f")
        .arg(script)
        .arg(url)
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    rate(&told).ok_or_else(|| {
        format!("pgbench ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into()
    })
}

/// Reads `tps = 61234.5 (without initial connection time)`.
fn rate(told: &str) -> Option<f64> {
    let line = told.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn the_rate_is_read_as_pgbench_prints_it() {
        let told = "latency average = 0.5 ms\ntps = 61234.5 (without initial connection time)\n";
        assert_eq!(rate(told), Some(61234.5));
        assert_eq!(rate("pgbench: error: no"), None);
    }
}
