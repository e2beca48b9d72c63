//! Transactions: one that is begun and ended by hand, and a closure that is run to its commit.

mod options;
mod retry;

use crate::{Error, Lease, Pool, pool::acquire};
pub use options::{Access, Isolation, TransactionOptions};
pub use retry::savepoint;
use sqlx::{PgConnection, SqlStr, postgres::PgTransactionManager};
use sqlx_core::transaction::TransactionManager;
use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::Arc,
};

/// A transaction on a connection of the pool, from [`Pool::begin`]. It derefs to the connection, so `&mut *tx` runs any
/// sqlx query and sqlx's own `begin` on it makes a savepoint.
///
/// # Cancel safety
/// Dropped without a commit, by an error, a panic or a future that is cut, it is rolled back in the background before the
/// connection is lent again.
pub struct Transaction {
    lease: Lease,
    open: bool,
}

impl Pool {
    /// Begins a transaction with the server's default isolation.
    ///
    /// # Errors
    /// Those of [`Pool::acquire`], and [`Error::Statement`] when the server refuses.
    ///
    /// # Cancel safety
    /// What was begun is rolled back.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Transaction, Error>> + Send + use<> {
        self.begin_with(&TransactionOptions::new())
    }

    /// Begins a transaction of the given kind, in the same one round trip.
    ///
    /// # Errors
    /// Those of [`Pool::begin`].
    ///
    /// # Cancel safety
    /// That of [`Pool::begin`].
    #[track_caller]
    pub fn begin_with(
        &self,
        options: &TransactionOptions,
    ) -> impl Future<Output = Result<Transaction, Error>> + Send + use<> {
        let (statement, site) = (options.statement(), Location::caller());
        let lease = acquire(Arc::clone(self.shared()), options.acquire, site);
        async move { Transaction::begin(lease.await?, statement).await }
    }
}

impl Transaction {
    async fn begin(lease: Lease, statement: Option<SqlStr>) -> Result<Self, Error> {
        // Open from here on: a begin that is cut may have reached the server.
        let mut tx = Self { lease, open: true };
        let begun = PgTransactionManager::begin(tx.lease.vouched(), statement).await;
        begun.map_err(|error| Error::of_statement("BEGIN", error))?;
        Ok(tx)
    }

    /// Makes the work last.
    ///
    /// # Errors
    /// [`Error::Statement`] when the server refuses; the work is then undone. When the connection breaks under the commit
    /// its outcome is unknown, and only the caller knows whether the work may be done twice.
    ///
    /// # Cancel safety
    /// Not cancel safe: a commit whose future is dropped may or may not have happened.
    pub async fn commit(mut self) -> Result<(), Error> {
        let committed = PgTransactionManager::commit(self.lease.vouched()).await;
        committed.map_err(|error| Error::of_statement("COMMIT", error))?;
        self.open = false;
        Ok(())
    }

    /// Undoes the work. Dropping does the same without waiting for it.
    ///
    /// # Errors
    /// [`Error::Statement`] when the connection breaks; the server then undoes the work by itself.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let rolled_back = PgTransactionManager::rollback(self.lease.vouched()).await;
        rolled_back.map_err(|error| Error::of_statement("ROLLBACK", error))?;
        self.open = false;
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.lease
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.lease
    }
}

impl AsMut<PgConnection> for Transaction {
    fn as_mut(&mut self) -> &mut PgConnection {
        self
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("lease", &self.lease).field("open", &self.open).finish()
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.open {
            // Queued here, sent and answered when the lease is put in order.
            PgTransactionManager::start_rollback(self.lease.vouched());
        }
    }
}
