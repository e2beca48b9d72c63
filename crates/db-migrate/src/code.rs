//! Migrations that are written in Rust.

use async_trait::async_trait;
use sqlx::PgConnection;
use std::error::Error;
use std::fmt::Debug;

/// What SQL alone cannot do: called once, in the transaction that also records it, so that it happens wholly or not at
/// all. Nothing that is not in the database is undone by a failure.
#[async_trait]
pub trait Code: Debug + Send + Sync {
    /// What stands for its text in the history: change it when what it does has changed, and it is refused as an edited
    /// file would be.
    fn revision(&self) -> &str;

    /// The way there. The statement timeout of the run bounds each of its statements.
    ///
    /// # Errors
    /// Whatever it was; the transaction is rolled back.
    ///
    /// # Cancel safety
    /// Its transaction is rolled back.
    async fn up(&self, conn: &mut PgConnection) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// The way back, called where [`is_reversible`](Code::is_reversible) says that there is one.
    ///
    /// # Errors
    /// Whatever it was; the transaction is rolled back.
    ///
    /// # Cancel safety
    /// Its transaction is rolled back.
    async fn down(&self, conn: &mut PgConnection) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Whether [`down`](Code::down) does anything.
    fn is_reversible(&self) -> bool;
}
