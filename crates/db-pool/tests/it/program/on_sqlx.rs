//! The program on sqlx's own pool.

use sqlx::PgPool;

#[allow(clippy::duplicate_mod, reason = "the same program, on two pools")]
#[path = "app.rs"]
pub(super) mod app;
