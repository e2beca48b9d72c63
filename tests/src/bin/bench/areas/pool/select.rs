//! Point selects by primary key: queries a second, by the number of tasks.

use super::{
    bed::Bed,
    load::{Load, load},
    peers::{Selects, bb8_default, deadpool, ours, sqlx_default},
};
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use deadpool_postgres::QueueMode;
use std::time::Duration;

const PAIRS: usize = 7;
pub(super) const TIME: Duration = Duration::from_millis(400);

const SQLX: Work = Work {
    area: "pool",
    work: "point select, 8 tasks on 16",
    peer: Some("sqlx's pool, default"),
    unit: "queries/s",
    better: Better::Higher,
    goal: Some(1.8),
};
const DEADPOOL: Work = Work { peer: Some("deadpool-postgres, LIFO"), goal: Some(1.0), ..SQLX };
const ONE: Work = Work { work: "point select, 1 task on 16", goal: Some(2.5), ..SQLX };

/// Rows by number of tasks.
const BUSY: [(u32, &str); 3] =
    [(8, SQLX.work), (32, "point select, 32 tasks on 16"), (64, "point select, 64 tasks on 16")];

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let (ours, sqlx) = (ours(bed.url()).await?, sqlx_default(bed.url()).await?);
    let lifo = deadpool(bed.url(), QueueMode::Lifo).await?;
    for (tasks, work) in BUSY {
        rows.extend(compare(Work { work, ..SQLX }, tasks, &ours, &sqlx).await?);
        rows.extend(compare(Work { work, ..DEADPOOL }, tasks, &ours, &lifo).await?);
    }
    drop(lifo);
    rows.extend(compare(ONE, 1, &ours, &sqlx).await?);
    drop(sqlx);
    let fifo = deadpool(bed.url(), QueueMode::Fifo).await?;
    rows.extend(compare(Work { peer: Some("deadpool-postgres, default"), ..ONE }, 1, &ours, &fifo).await?);
    drop(fifo);
    let bb8 = bb8_default(bed.url()).await?;
    rows.extend(compare(Work { peer: Some("bb8-postgres, default"), ..ONE }, 1, &ours, &bb8).await?);
    Ok(rows)
}

/// The rates of two pools in turns.
pub(super) async fn compare(
    work: Work,
    tasks: u32,
    ours: &impl Selects,
    theirs: &impl Selects,
) -> Result<Vec<Row>, Failure> {
    in_turns(
        [work],
        PAIRS,
        async || Ok([selects(ours, tasks, TIME).await?.per_second()]),
        async || Ok([selects(theirs, tasks, TIME).await?.per_second()]),
    )
    .await
}

/// So many tasks ask for rows by chance until the time is over.
pub(super) async fn selects(pool: &impl Selects, tasks: u32, time: Duration) -> Result<Load<u64>, Failure> {
    load(tasks, time, |mut rounds| {
        let pool = pool.clone();
        async move {
            let mut served = 0;
            while rounds.go_on() {
                let key = rounds.key();
                let (id, _name) = pool.select(key).await?;
                if id != key {
                    return Err(format!("asked for {key}, and {id} came").into());
                }
                served += 1;
            }
            Ok(served)
        }
    })
    .await
}
