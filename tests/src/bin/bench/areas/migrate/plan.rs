//! Planning a project of ten thousand migrations, of which half are applied: from the files on, and by itself.

use super::bed::{Bed, write_small};
use crate::{
    Failure,
    row::{Better, Row, Work},
};
use db_migrate::{Format, Migrations, Options, Rules, Variables, baseline, plan};
use std::time::Instant;

const TURNS: usize = 7;
const MIGRATIONS: usize = 10_000;
const PLAN: Work = Work {
    area: "migrate",
    work: "plan 10,000 migrations, half of them applied (to be under 200)",
    peer: None,
    unit: "ms",
    better: Better::Lower,
    goal: None,
};
const READ: Work = Work { work: "the same, with the reading of 10,000 files", ..PLAN };

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    write_small(folder.path(), MIGRATIONS)?;
    let read = || Migrations::read_as(folder.path(), Some(Format::Sqlx), &Variables::default());
    let (migrations, _) = read()?;
    let scratch = bed.database().await?;
    let mut conn = scratch.server().connect().await?;
    let half = migrations.as_slice()[MIGRATIONS / 2 - 1].label();
    baseline(&mut conn, &migrations, half, &Options::default(), &mut |_| {}).await?;
    let applied = migrations.history().read(&mut conn).await?;
    drop(conn);
    scratch.drop().await?;

    let (mut alone, mut with_files) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let started = Instant::now();
        let (migrations, _) = read()?;
        let since = Instant::now();
        let planned = plan(migrations.as_slice(), &applied, &Rules::default())?;
        alone.push(since.elapsed().as_secs_f64() * 1e3);
        with_files.push(started.elapsed().as_secs_f64() * 1e3);
        assert_eq!(planned.steps.len(), MIGRATIONS / 2, "the other half is due");
    }
    Ok(vec![Row::new(&PLAN, &alone, &[]), Row::new(&READ, &with_files, &[])])
}
