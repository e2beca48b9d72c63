//! What the tests of every Cairn crate stand on: a database of its own for each test, in tens of milliseconds.
//!
//! ```no_run
//! use db_testkit::fresh_db;
//! use sqlx::Connection;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! fresh_db(|db| async move {
//!     let mut conn = db.connect().await;
//!     let tasks: i64 = sqlx::query_scalar("SELECT count(*) FROM tasks").fetch_one(&mut conn).await.unwrap();
//!     assert_eq!(tasks, 0);
//! })
//! .await;
//! # }
//! ```
//!
//! The server is the one named by `DB_TEST_POSTGRES_URL`, as `cargo xtask test` sets it for all test processes; without
//! it, each process starts one of its own. Databases are cloned from a template, which the first test migrates and
//! whose name is a hash of the migrations. A test that passes drops its database; one that fails keeps it and says
//! its name. Tests here use no skips: a missing server fails them with what to install.

mod fault;
mod fresh;
mod key_value;
mod pooler;
mod pub_sub;
mod recorded;
mod server;
mod time;
mod webhook;

pub use fault::{Proxy, Traffic};
pub use fresh::{FreshDb, Verdict, empty_db, fresh_db};
pub use key_value::key_value_conforms;
pub use pooler::TransactionPooler;
pub use pub_sub::pub_sub_conforms;
pub use recorded::{Measurement, Recorded};
pub use server::server_url;
pub use time::{elapse, eventually};
pub use webhook::{Asked, Webhook};
