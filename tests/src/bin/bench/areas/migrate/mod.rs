//! Schema migrations: applying, planning and linting many, what others feel of one that waits for a lock, and backups.
//!
//! Everything runs on one server of its own, over its unix socket, without fsync.

mod apply;
mod bed;
mod copies;
mod lint;
mod plan;
mod queue;
mod waiting;

use crate::{Failure, row::Row};
use bed::Bed;

pub(crate) async fn run() -> Result<Vec<Row>, Failure> {
    let bed = Bed::lay().await?;
    let mut rows = apply::run(&bed).await?;
    rows.extend(plan::run(&bed).await?);
    rows.extend(lint::run()?);
    rows.extend(waiting::run(&bed).await?);
    rows.extend(copies::run(&bed).await?);
    rows.extend(queue::run(&bed).await?);
    bed.clear().await;
    Ok(rows)
}
