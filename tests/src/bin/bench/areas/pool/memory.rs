//! What a point select allocates: one task, on one thread, so that nothing else is counted.

use super::{
    bed::Bed,
    peers::{Selects, ours, sqlx_default},
};
use crate::{
    Failure, allocations,
    measure::in_turns,
    row::{Better, Row, Work},
};
use tokio::{runtime::Builder, task::spawn_blocking};

const PAIRS: usize = 5;
const SELECTS: u32 = 2_000;

const ALLOCATIONS: Work = Work {
    area: "pool",
    work: "allocations of a point select (to be 7 or less)",
    peer: Some("sqlx's pool, default"),
    unit: "each",
    better: Better::Lower,
    goal: None,
};
const BYTES: Work = Work { work: "bytes of a point select (to be 2867 or less)", unit: "B", ..ALLOCATIONS };

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let url = bed.url().to_owned();
    let measured = spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (ours, theirs) = (ours(&url).await?, sqlx_default(&url).await?);
            in_turns([ALLOCATIONS, BYTES], PAIRS, async || count(&ours).await, async || count(&theirs).await)
                .await
        })
    });
    measured.await?
}

/// Allocations and bytes of one select.
async fn count(pool: &impl Selects) -> Result<[f64; 2], Failure> {
    let before = allocations::of_this_thread();
    for key in 1..=SELECTS {
        pool.select(key.into()).await?;
    }
    let after = allocations::of_this_thread();
    let each = |before: u64, after: u64| (after - before) as f64 / f64::from(SELECTS);
    Ok([each(before.allocations, after.allocations), each(before.bytes, after.bytes)])
}
