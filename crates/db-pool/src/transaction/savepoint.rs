//! A part of a transaction that can be undone alone.

use crate::Error;
use sqlx::{PgConnection, SqlSafeStr, postgres::PgTransactionManager};
use sqlx_core::transaction::TransactionManager;
use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

/// Runs a closure in a savepoint of the transaction that is open: `Ok` keeps its work, `Err`, a panic and a dropped future
/// undo it and nothing else. Never retried: a conflict ends the whole transaction, which is its owner's to run again.
///
/// # Errors
/// The closure's own; [`Error::Statement`] when the server refuses the savepoint or its release; [`Error::NoTransaction`]
/// when none is open that was begun through the pool or sqlx.
///
/// # Cancel safety
/// The rollback to the savepoint is sent before the connection's next statement. Cut while the savepoint is being made, the
/// whole transaction is undone, and what follows in it fails until it is ended.
pub async fn savepoint<T, E>(
    conn: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<Error>,
{
    let told = |error| E::from(Error::of_statement("SAVEPOINT", error));
    let mut savepoint = Savepoint::make(conn).await?;
    match work(&mut *savepoint.conn).await {
        Ok(value) => {
            PgTransactionManager::commit(savepoint.conn).await.map_err(told)?;
            savepoint.open = false;
            Ok(value)
        }
        Err(error) => {
            if PgTransactionManager::rollback(savepoint.conn).await.is_ok() {
                savepoint.open = false;
            }
            Err(error)
        }
    }
}

/// A savepoint that is there; dropped, it is rolled back to.
struct Savepoint<'c> {
    conn: &'c mut PgConnection,
    open: bool,
}

impl<'c> Savepoint<'c> {
    async fn make(conn: &'c mut PgConnection) -> Result<Self, Error> {
        let depth = PgTransactionManager::get_transaction_depth(conn);
        if depth == 0 {
            return Err(Error::NoTransaction);
        }
        let mut making = Making { conn: Some(conn), depth };
        if let Some(conn) = making.conn.as_deref_mut() {
            let made = PgTransactionManager::begin(conn, None).await;
            made.map_err(|error| Error::of_statement("SAVEPOINT", error))?;
        }
        making.conn.take().map(|conn| Self { conn, open: true }).ok_or(Error::NoTransaction)
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if self.open {
            PgTransactionManager::start_rollback(self.conn);
        }
    }
}

/// A savepoint that is being made.
struct Making<'c> {
    conn: Option<&'c mut PgConnection>,
    depth: usize,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if PgTransactionManager::get_transaction_depth(conn) < self.depth {
            doom(conn);
        }
    }
}

/// sqlx answers the cut with a rollback of what is around the savepoint, and would let the statements that follow commit
/// one by one. So a transaction is begun after it that fails at once: its owner's statements fail, and so does its commit.
fn doom(conn: &mut PgConnection) {
    const DOOMED: &str = "BEGIN; DO $$ BEGIN RAISE EXCEPTION 'a savepoint was cut while it was made, and the transaction with it' \
        USING ERRCODE = 'transaction_rollback'; END $$";
    // Queued by the first poll, before anything is waited for; sent with the connection's next statement.
    let queued = PgTransactionManager::begin(conn, Some(DOOMED.into_sql_str()));
    let _ = pin!(queued).poll(&mut Context::from_waker(Waker::noop()));
}
