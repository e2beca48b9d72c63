//! The program on ours.

use db_pool::Pool as PgPool;

#[allow(clippy::duplicate_mod, reason = "the same program, on two pools")]
#[path = "app.rs"]
pub(super) mod app;
