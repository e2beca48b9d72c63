//! The pool against a server.

mod breaker;
mod bulk;
mod cancel;
mod captured;
mod dirty;
mod exec;
mod fake_server;
mod faults;
mod keeping;
mod leaks;
mod limits;
mod matrix;
mod mended;
mod mobc;
mod password;
mod program;
mod resize;
mod silent;
mod stores;
mod transactions;

use db_pool::{Lease, Pool, PoolConfig};
use db_testkit::{FreshDb, eventually};
use std::{num::NonZeroU32, time::Duration};

/// A small pool that gives up soon.
fn config(db: &FreshDb, max_size: u32) -> PoolConfig {
    PoolConfig::from_url(db.url())
        .expect("a URL")
        .max_size(NonZeroU32::new(max_size).expect("not zero"))
        .acquire_timeout(Duration::from_secs(10))
}

async fn pool(db: &FreshDb, max_size: u32) -> Pool {
    Pool::connect(&config(db, max_size)).await.expect("connected")
}

/// The server process behind a lease, asked for without leaving a mark on it.
async fn backend(lease: &mut Lease) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(lease).await.expect("answers")
}

/// Waits until nobody holds, waits for, opens or mends a connection.
async fn eventually_idle(case: &str, pool: &Pool) {
    eventually(&format!("{case}: the pool is at rest; {:?}", pool.stats()), || async {
        let stats = pool.stats();
        (stats.in_use, stats.waiting, stats.opening, stats.recovering) == (0, 0, 0, 0)
    })
    .await;
}
