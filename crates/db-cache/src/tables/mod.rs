//! Tables that tell of their changes, so that what was read from them is untrue at the commit that changes them, whoever
//! makes it and by whatever program.
//!
//! A trigger writes a tag of the table where [`changes`](crate::changes) are written. Whoever caches what a query has read
//! gives it the tags of the tables that it reads, those behind its views and partitions included.

mod reads;
mod watch;

pub use reads::{Query, Reads, TableTag, Told, Untold, Why};
pub use watch::{TableError, Watched};
