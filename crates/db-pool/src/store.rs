//! The seam behind the pool: whoever creates, checks and retires connections.

use crate::Error;
use async_trait::async_trait;
use sqlx::PgConnection;
use std::ops::DerefMut;

/// A live connection, whatever its store wraps around it. Dropping it closes the connection at once.
pub trait Live: DerefMut<Target = PgConnection> + Send {}

impl<T: DerefMut<Target = PgConnection> + Send> Live for T {}

/// Creates, checks and retires connections. None of it is on the hot path: the pool lends what it holds and comes here
/// only for a new connection, one that idled for long, or one that it no longer wants.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens a connection. Called when none is idle, within the caller's acquire deadline; the store adds its own
    /// connect deadline.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::ConnectTimeout`] or [`Error::Password`]; the caller sees it, no retry follows.
    ///
    /// # Cancel safety
    /// A dropped future leaves no connection behind.
    async fn open(&self) -> Result<Box<dyn Live>, Error>;

    /// Asks whether a connection that idled still answers, within the store's check deadline. `None` means that it did
    /// not and is closed; the pool then opens another.
    ///
    /// # Cancel safety
    /// A dropped future closes the connection; it is never lent again.
    async fn check(&self, connection: Box<dyn Live>) -> Option<Box<dyn Live>>;

    /// Takes back a connection for good and says goodbye to the server, within the store's own deadline.
    ///
    /// # Cancel safety
    /// A dropped future closes the connection without a goodbye.
    async fn retire(&self, connection: Box<dyn Live>);
}
