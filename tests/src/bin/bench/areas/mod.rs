//! The areas, one a file.

mod cache;
mod demo;
mod migrate;
mod pool;
mod query;
mod security;
mod startup;

use crate::{Failure, row::Row};

/// In the order in which they are run.
pub(crate) const AREAS: &[&str] = &["startup", "pool", "query", "cache", "migrate", "security", "demo"];

/// Measures one of [`AREAS`].
pub(crate) async fn run(area: &str) -> Result<Vec<Row>, Failure> {
    match area {
        "startup" => startup::run().await,
        "pool" => pool::run().await,
        "query" => query::run().await,
        "cache" => cache::run().await,
        "migrate" => migrate::run().await,
        "security" => security::run().await,
        "demo" => demo::run().await,
        other => Err(format!("there is no area {other}").into()),
    }
}
