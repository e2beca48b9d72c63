//! The program on sqlx's own pool.

use sqlx::PgPool;

#[path = "app.rs"]
pub(super) mod app;
