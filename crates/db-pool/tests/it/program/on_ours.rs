//! The program on ours.

use db_pool::Pool as PgPool;

#[path = "app.rs"]
pub(super) mod app;
