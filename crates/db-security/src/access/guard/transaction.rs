//! Transactions of a subject: each statement is decided like one by itself, and no other way leads to their connection.

use super::{GuardError, Guarded, GuardedRun, ToStatement};
use db_core::Classify;
use db_pool::{Lease, Transaction, TransactionOptions};
use sqlx::postgres::PgArguments;

/// A transaction of a subject, from [`Guarded::begin`].
///
/// # Cancel safety
/// Dropped without a commit, it is rolled back in the background before the connection is lent again.
#[derive(Debug)]
pub struct GuardedTransaction {
    tx: Transaction,
    guarded: Guarded,
}

/// Inside a transaction of a subject: what [`Guarded::transaction`] gives its closure.
#[derive(Debug)]
pub struct Within<'t> {
    lease: &'t mut Lease,
    guarded: &'t Guarded,
}

impl Within<'_> {
    /// Runs a statement in the transaction; see [`Guarded::run`].
    #[track_caller]
    pub fn run(&mut self, statement: impl ToStatement) -> GuardedRun<'_> {
        let run = match self.guarded.admit(statement) {
            Ok(statement) => Ok(self.lease.run(statement)),
            Err(error) => Err(error),
        };
        GuardedRun { run, guarded: self.guarded.clone() }
    }

    /// Runs a text of SQL in the transaction; see [`Guarded::run_sql`].
    #[track_caller]
    pub fn run_sql(&mut self, text: &str, arguments: PgArguments) -> GuardedRun<'_> {
        let run = match self.guarded.admit_sql(text, arguments) {
            Ok(text) => Ok(self.lease.run(text)),
            Err(error) => Err(error),
        };
        GuardedRun { run, guarded: self.guarded.clone() }
    }
}

impl GuardedTransaction {
    /// Runs a statement in the transaction; see [`Guarded::run`].
    #[track_caller]
    pub fn run(&mut self, statement: impl ToStatement) -> GuardedRun<'_> {
        let run = match self.guarded.admit(statement) {
            Ok(statement) => Ok(self.tx.lease().run(statement)),
            Err(error) => Err(error),
        };
        GuardedRun { run, guarded: self.guarded.clone() }
    }

    /// Runs a text of SQL in the transaction; see [`Guarded::run_sql`].
    #[track_caller]
    pub fn run_sql(&mut self, text: &str, arguments: PgArguments) -> GuardedRun<'_> {
        let run = match self.guarded.admit_sql(text, arguments) {
            Ok(text) => Ok(self.tx.lease().run(text)),
            Err(error) => Err(error),
        };
        GuardedRun { run, guarded: self.guarded.clone() }
    }

    /// Makes the work last.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    ///
    /// # Cancel safety
    /// Not cancel safe: a commit whose future is dropped may or may not have happened.
    pub async fn commit(self) -> Result<(), GuardError> {
        Ok(self.tx.commit().await?)
    }

    /// Undoes the work. Dropping does the same without waiting for it.
    ///
    /// # Errors
    /// As [`Transaction::rollback`].
    pub async fn rollback(self) -> Result<(), GuardError> {
        Ok(self.tx.rollback().await?)
    }
}

impl Guarded {
    /// Begins a transaction of the subject with the server's default isolation.
    ///
    /// # Errors
    /// [`GuardError::Refused`] for a role that is none of the rules'; [`GuardError::Role`]; those of
    /// [`Pool::begin`](db_pool::Pool::begin).
    ///
    /// # Cancel safety
    /// What was begun is rolled back.
    pub async fn begin(&self) -> Result<GuardedTransaction, GuardError> {
        self.begin_with(&TransactionOptions::new()).await
    }

    /// Begins a transaction of the given kind.
    ///
    /// # Errors
    /// Those of [`begin`](Self::begin).
    ///
    /// # Cancel safety
    /// That of [`begin`](Self::begin).
    pub async fn begin_with(&self, options: &TransactionOptions) -> Result<GuardedTransaction, GuardError> {
        self.check_known()?;
        let tx = self.pool().begin_with(options).await?;
        Ok(GuardedTransaction { tx, guarded: self.clone() })
    }

    /// Runs a closure as a transaction of the subject; see [`Pool::transaction`](db_pool::Pool::transaction). `Ok` commits; `Err`,
    /// a panic and a dropped future roll back, and so it ends with a refusal that the closure passes on.
    ///
    /// # Errors
    /// The closure's own; those of [`begin`](Self::begin).
    ///
    /// # Cancel safety
    /// What was begun is rolled back; a commit that was cut may or may not have happened.
    pub async fn transaction<T, E>(
        &self,
        options: &TransactionOptions,
        mut work: impl AsyncFnMut(&mut Within<'_>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<GuardError> + From<db_pool::Error> + Classify,
    {
        self.check_known()?;
        let inside =
            async |tx: &mut Transaction| work(&mut Within { lease: tx.lease(), guarded: self }).await;
        self.pool().transaction(options, inside).await
    }
}
