//! Applying many small migrations, from the files on; the peer is what `sqlx migrate run` runs.

use super::bed::{Bed, write_small};
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_migrate::{Format, Migrations, Options, Variables, apply};
use sqlx::migrate::Migrator;
use std::{path::Path, time::Instant};

const PAIRS: usize = 5;
const MIGRATIONS: usize = 500;
const APPLY: Work = Work {
    area: "migrate",
    work: "apply 500 small migrations to an empty database",
    peer: Some("sqlx migrate run"),
    unit: "ms",
    better: Better::Lower,
    goal: Some(1.0),
};

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    write_small(folder.path(), MIGRATIONS)?;
    let folder = folder.path();
    in_turns([APPLY], PAIRS, async || ours(bed, folder).await, async || theirs(bed, folder).await).await
}

async fn ours(bed: &Bed, folder: &Path) -> Result<[f64; 1], Failure> {
    let scratch = bed.database().await?;
    let started = Instant::now();
    let (migrations, _) = Migrations::read_as(folder, Some(Format::Sqlx), &Variables::default())?;
    let mut conn = scratch.server().connect().await?;
    // As the command has it: a second session names who blocks it.
    let options = Options { server: Some(scratch.server().clone()), ..Options::default() };
    let report = apply(&mut conn, &migrations, &options, &mut |_| {}).await?;
    let took = started.elapsed();
    assert_eq!(report.done.len(), MIGRATIONS, "all are applied");
    drop(conn);
    scratch.drop().await?;
    Ok([took.as_secs_f64() * 1e3])
}

async fn theirs(bed: &Bed, folder: &Path) -> Result<[f64; 1], Failure> {
    let scratch = bed.database().await?;
    let started = Instant::now();
    let migrator = Migrator::new(folder).await?;
    let mut conn = scratch.server().connect().await?;
    migrator.run(&mut conn).await?;
    let took = started.elapsed();
    drop(conn);
    scratch.drop().await?;
    Ok([took.as_secs_f64() * 1e3])
}
