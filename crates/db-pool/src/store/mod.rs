//! The seam behind the pool: whoever creates, checks and retires connections.

pub(crate) mod connector;
pub(crate) mod direct;
pub(crate) mod mobc;

use crate::ConnectError;
use async_trait::async_trait;
use sqlx::PgConnection;
use std::ops::DerefMut;

/// A live connection, whatever its store wraps around it. Dropping it closes the connection at once.
pub trait Live: DerefMut<Target = PgConnection> + Send + 'static {
    /// Takes the connection out of whatever the store wraps around it; the store forgets it.
    fn into_inner(self: Box<Self>) -> PgConnection;
}

/// Creates, checks and retires connections. None of it is on the hot path: the pool lends what it holds and comes here
/// only for a new connection, one that idled for long, or one that it no longer wants.
///
/// Two stores ship: [`DirectStore`](crate::DirectStore), the default, and [`MobcStore`](crate::MobcStore). Both pass one
/// suite (`tests/it/stores.rs`).
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes one attempt to open a connection. Called by a task of the pool, never by a caller's future; the store adds
    /// its own connect deadline, the pool decides about further attempts.
    ///
    /// # Errors
    /// What stood in the way, classified; the pool adds the number of attempts.
    ///
    /// # Cancel safety
    /// A dropped future leaves no connection behind.
    async fn open(&self) -> Result<Box<dyn Live>, ConnectError>;

    /// Asks whether a connection that idled still answers, within the store's check deadline. `None` means that it did
    /// not and is closed; the pool then takes another.
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
