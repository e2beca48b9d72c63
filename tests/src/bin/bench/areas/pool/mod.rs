//! The pool: what it costs by itself, what a query costs through it, and what it is to be watched or opened.
//!
//! Everything runs on one server of its own, over its unix socket, without fsync. Clients and server share the machine, so
//! rates are of both together.

mod bed;
mod copy;
mod cycle;
mod lease;
mod load;
mod loader;
mod memory;
mod observation;
mod opening;
mod peers;
mod select;

use crate::{Failure, row::Row};
use bed::Bed;
use tokio::{runtime::Builder, task::spawn_blocking};

/// As many on every machine, so that the figures of two can be compared.
const WORKERS: usize = 2;

pub(crate) async fn run() -> Result<Vec<Row>, Failure> {
    let measured = spawn_blocking(|| {
        let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        runtime.block_on(measure())
    });
    measured.await?
}

async fn measure() -> Result<Vec<Row>, Failure> {
    let bed = Bed::lay().await?;
    let mut rows = cycle::run(&bed).await?;
    rows.extend(select::run(&bed).await?);
    rows.extend(memory::run(&bed).await?);
    rows.extend(observation::run(&bed).await?);
    rows.extend(opening::run(&bed).await?);
    rows.extend(lease::run(&bed).await?);
    rows.extend(loader::run(&bed).await?);
    rows.extend(copy::run(&bed).await?);
    bed.clear().await;
    Ok(rows)
}
