//! A backup of five million rows, proved: dumped, restored into a database of its own, and compared row by row.

use super::bed::{Bed, execute};
use crate::{
    Failure,
    row::{Better, Row, Work},
};
use db_migrate::backup::{CreateOptions, RestoreOptions, create, verify};
use std::time::Instant;

const WHOLE: Work = Work {
    area: "migrate",
    work: "back up 5,000,000 rows, restore and compare them (to be under 30)",
    peer: None,
    unit: "s",
    better: Better::Lower,
    goal: None,
};
const CREATE: Work = Work { work: "of that, the backup with its hashes", ..WHOLE };

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let scratch = bed.database().await?;
    let mut conn = scratch.server().connect().await?;
    execute(
        &mut conn,
        "CREATE TABLE accounts (id int8 PRIMARY KEY, name text NOT NULL, balance int4 NOT NULL, at timestamptz); \
         INSERT INTO accounts SELECT n, 'account number ' || n, n % 1000, \
         '2026-01-01'::timestamptz + n * interval '1 second' FROM generate_series(1, 5000000) AS n; \
         CREATE INDEX ON accounts (balance);",
    )
    .await?;
    drop(conn);
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    let server = scratch.server();
    let (backup, _) = create(server, folder.path(), &CreateOptions::default(), &mut |_| {}).await?;
    let created = started.elapsed().as_secs_f64();
    let verified = verify(server, &backup, &RestoreOptions::default(), &mut |_| {}).await?;
    let whole = started.elapsed().as_secs_f64();
    assert_eq!(verified.rows, 5_000_000, "each row is compared");
    scratch.drop().await?;
    Ok(vec![Row::new(&WHOLE, &[whole], &[]), Row::new(&CREATE, &[created], &[])])
}
