//! Transactions: one that is begun and ended by hand, and a closure that is run to its commit.

mod options;
mod retry;
mod savepoint;

use crate::{
    AcquireOptions, Error, Lease, Pool,
    pool::lend,
    run::send::{judged, plans_of_today, within},
    settings::{dress_transaction, forget_plans, plans_serve},
};
pub use options::{Access, Isolation, TransactionOptions};
pub use savepoint::savepoint;
use sqlx::{Executor, PgConnection, SqlStr, postgres::PgTransactionManager, raw_sql};
use sqlx_core::transaction::TransactionManager;
use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    panic::Location,
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
    committed: bool,
}

/// One message, one round trip. PostgreSQL answers the COMMIT of a transaction in which a statement has failed with a
/// rollback and no error; the SELECT is refused there (25P02), so that a loss is not taken for a success. sqlx goes on
/// counting a transaction, since it did not send the COMMIT itself; the empty one is there for it to roll back.
const COMMIT: &str = "SELECT 1; COMMIT; BEGIN";

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
        Transaction::begin(self.clone(), options.acquire, statement, site)
    }
}

impl Transaction {
    async fn begin(
        pool: Pool,
        options: AcquireOptions,
        statement: Option<SqlStr>,
        site: &'static Location<'static>,
    ) -> Result<Self, Error> {
        let (shared, session) = pool.into_parts();
        let mut lease = lend(shared, options, site).await?;
        if session.is_none() && !plans_serve(&mut lease, None) {
            Box::pin(forget_plans(&mut lease, None)).await?;
        }
        let begun = within(&mut lease, "BEGIN", async |lease| {
            plans_of_today(lease).await?;
            // sqlx counts a transaction only once its begin was answered, so for one that is cut it queues no rollback.
            let (conn, doubt) = lease.in_doubt();
            let begun = PgTransactionManager::begin(conn, statement).await;
            if matches!(begun, Ok(()) | Err(sqlx::Error::Database(_))) {
                doubt.settle();
            }
            begun
        });
        begun.await.map_err(|error| Error::of_statement("BEGIN", error))?;
        let mut begun = Self { lease, open: true, committed: false };
        if let Some(session) = session {
            // Dropped before it has ended, it rolls back.
            Box::pin(dress_transaction(&mut begun.lease, &session)).await?;
        }
        Ok(begun)
    }

    /// Makes the work last.
    ///
    /// # Errors
    /// [`Error::Statement`] when the server refuses, also because a statement of the transaction had failed (25P02) and
    /// its error was passed over; [`Error::RolledBack`]. The work is then undone. When the connection breaks under the commit
    /// its outcome is unknown, and only the caller knows whether the work may be done twice.
    ///
    /// # Cancel safety
    /// Not cancel safe: a commit whose future is dropped may or may not have happened.
    pub async fn commit(mut self) -> Result<(), Error> {
        let conn = self.lease.vouched();
        if PgTransactionManager::get_transaction_depth(conn) != 1 {
            // A savepoint that was cut while sqlx made it ends the whole transaction behind our back.
            self.lease.discard_on_return();
            self.open = false;
            return Err(Error::RolledBack);
        }
        let committed = within(&mut self.lease, "COMMIT", async |lease| {
            match lease.vouched().execute(raw_sql(COMMIT)).await {
                Ok(_) => Ok(()),
                Err(error) => Err(judged(lease, error).await),
            }
        });
        committed.await.map_err(|error| Error::of_statement("COMMIT", error))?;
        // The transaction that is open now is the empty one: its end is queued as the lease goes.
        self.committed = true;
        Ok(())
    }

    /// Undoes the work. Dropping does the same without waiting for it.
    ///
    /// # Errors
    /// [`Error::Statement`] when the connection breaks; the server then undoes the work by itself.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let rolled_back = within(&mut self.lease, "ROLLBACK", async |lease| {
            PgTransactionManager::rollback(lease.vouched()).await
        });
        rolled_back.await.map_err(|error| Error::of_statement("ROLLBACK", error))?;
        self.open = false;
        Ok(())
    }
}

impl Transaction {
    /// The lease, for what goes by lease: COPY, a batch, [`Lease::run`]. Ending the transaction on it by hand is seen by
    /// nobody.
    pub fn lease(&mut self) -> &mut Lease {
        &mut self.lease
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
        if !self.committed {
            self.lease.doubt_plans();
        }
        if self.open {
            self.lease.look_for_cut();
            // Queued here, sent and answered when the lease is put in order.
            PgTransactionManager::start_rollback(self.lease.vouched());
        }
    }
}
