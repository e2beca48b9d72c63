//! The two stores: which of them a pool should have when nobody chooses.

use super::{bed::Bed, cycle::alone, peers};
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_pool::{DirectStore, MobcStore, Pool, Store};
use std::{sync::Arc, time::Instant};

const PAIRS: usize = 7;
const OPENED: u32 = 40;

const OPEN: Work = Work {
    area: "pool",
    work: "open and close a connection, DirectStore",
    peer: Some("MobcStore"),
    unit: "ms",
    better: Better::Lower,
    goal: None,
};
const CYCLE: Work = Work { work: "cycle, 1 task, DirectStore", unit: "ns of CPU", ..OPEN };

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let config = peers::config(bed.url())?;
    let (direct, mobc) = (Arc::new(DirectStore::new(&config)), Arc::new(MobcStore::new(&config)));
    let mut rows =
        in_turns([OPEN], PAIRS, async || open(&*direct).await, async || open(&*mobc).await).await?;
    let (ours, theirs) = (Pool::with_store(&config, direct).await?, Pool::with_store(&config, mobc).await?);
    rows.extend(
        in_turns([CYCLE], PAIRS, async || Ok([alone(&ours).await?]), async || Ok([alone(&theirs).await?]))
            .await?,
    );
    Ok(rows)
}

/// Milliseconds to open one connection and to say goodbye.
async fn open(store: &dyn Store) -> Result<[f64; 1], Failure> {
    let started = Instant::now();
    for _ in 0..OPENED {
        store.retire(store.open().await?).await;
    }
    Ok([started.elapsed().as_secs_f64() * 1e3 / f64::from(OPENED)])
}
