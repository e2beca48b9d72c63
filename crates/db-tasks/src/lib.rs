//! A task queue with dependencies on PostgreSQL, and the workers that run it.
//!
//! A task is claimed by priority with a lease; each claim has a fencing token, and a worker that lost its lease cannot
//! write any more. A task is ready when all it depends on are settled. What a handler produces is stored in the same
//! transaction that completes its task, so neither is ever seen without the other.
//!
//! ```no_run
//! use db_model::task::NewTask;
//! use db_pool::Pool;
//! use db_tasks::{Claimed, Done, Edge, Failure, Handler, Plan, Worker, enqueue};
//!
//! struct Greet;
//! impl Handler for Greet {
//!     type Output = String;
//!     async fn run(&self, task: &Claimed) -> Result<String, Failure> {
//!         Ok(format!("hello from {}", task.title))
//!     }
//!     async fn store(&self, _: &mut sqlx::PgConnection, done: &[Done<String>]) -> Result<(), db_core::BoxError> {
//!         done.iter().for_each(|done| println!("{}", done.output));
//!         Ok(())
//!     }
//! }
//!
//! # async fn example(pool: Pool) -> Result<(), Box<dyn std::error::Error>> {
//! let (first, second) = (NewTask::new("compile"), NewTask::new("test"));
//! let edge = Edge::block(second.id, first.id);
//! let plan = Plan::new(vec![first, second], vec![edge])?;
//! let mut lease = pool.acquire().await?;
//! let mut tx = sqlx::Connection::begin(&mut *lease).await?;
//! enqueue(&mut tx, &plan).await?;
//! tx.commit().await?;
//! drop(lease);
//! let report = Worker::new(pool, Greet).until_drained().run(std::future::pending()).await?;
//! println!("{} done in {:?}", report.completed, report.elapsed);
//! # Ok(())
//! # }
//! ```

mod claim;
mod enqueue;
mod error;
mod plan;
mod settle;
mod statement;
mod worker;

pub use claim::{Claim, Claimed, Reclaim, Reclaimed, claim, extend, reclaim};
pub use enqueue::{Enqueued, enqueue};
pub use error::Error;
pub use plan::{Edge, OnFailure, Plan};
pub use settle::{Ending, Outcome, Settled, settle};
pub use worker::{Done, Failure, Handler, Progress, Report, Worker};
