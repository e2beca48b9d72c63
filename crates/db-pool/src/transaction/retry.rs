//! A closure run as a transaction: committed when it succeeds, rolled back when it does not, run again after a conflict.

use super::{Transaction, TransactionOptions};
use crate::{Error, Pool, life::backoff::Backoff, stats::tally};
use db_core::{Classify, Retry};
use std::{future::Future, panic::Location, time::Duration};
use tokio::time::sleep;

/// Between two attempts; a conflict is over as soon as the other transaction is.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(5), max: Duration::from_millis(500) };

impl Pool {
    /// Runs a closure as a transaction. `Ok` commits; `Err`, a panic and a dropped future roll back.
    ///
    /// When the server ends the transaction by a conflict (40001 serialization failure, 40P01 deadlock), in the closure
    /// or at the commit, all of it was undone, and the closure is run again after a short, growing pause: it must do
    /// nothing outside the transaction that may not be done twice. This is the one loop that retries; inside of it,
    /// [`savepoint`](crate::savepoint) undoes a part.
    ///
    /// Inside a spawned task, write `async move |tx|` over owned values: of a closure that borrows, the compiler cannot
    /// see yet that its future may change threads.
    ///
    /// ```no_run
    /// # async fn example(pool: &db_pool::Pool) -> Result<(), db_pool::Error> {
    /// use db_pool::{Isolation, TransactionOptions};
    ///
    /// let options = TransactionOptions::new().isolation(Isolation::Serializable);
    /// let left: i64 = pool
    ///     .transaction(&options, async |tx| {
    ///         sqlx::query("UPDATE accounts SET balance = balance - $1 WHERE id = $2")
    ///             .bind(100_i64)
    ///             .bind(1_i64)
    ///             .execute(&mut *tx)
    ///             .await?;
    ///         let balance = sqlx::query_scalar("SELECT balance FROM accounts WHERE id = $1").bind(1_i64);
    ///         let left = balance.fetch_one(tx).await?;
    ///         Ok::<_, db_pool::Error>(left)
    ///     })
    ///     .await?;
    /// # drop(left); Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The closure's own; those of [`Pool::begin`] and [`Transaction::commit`]. After the last attempt, the conflict.
    ///
    /// # Cancel safety
    /// What was begun is rolled back; a commit that was cut may or may not have happened.
    #[track_caller]
    pub fn transaction<T, E>(
        &self,
        options: &TransactionOptions,
        work: impl AsyncFnMut(&mut Transaction) -> Result<T, E>,
    ) -> impl Future<Output = Result<T, E>>
    where
        E: From<Error> + Classify,
    {
        run(self, *options, work, Location::caller())
    }
}

async fn run<T, E>(
    pool: &Pool,
    options: TransactionOptions,
    mut work: impl AsyncFnMut(&mut Transaction) -> Result<T, E>,
    site: &'static Location<'static>,
) -> Result<T, E>
where
    E: From<Error> + Classify,
{
    let mut attempt = 1;
    loop {
        let mut tx = Transaction::begin(pool.clone(), options.acquire, options.statement(), site).await?;
        let result = match work(&mut tx).await {
            Ok(value) => tx.commit().await.map(|()| value).map_err(E::from),
            Err(error) => {
                // Waited for, so that the caller's next statement sees the work undone.
                let _ = tx.rollback().await;
                Err(error)
            }
        };
        match result {
            Err(error) if error.retry() == Retry::Transaction && attempt < options.attempts.get() => {
                tally(&pool.shared().counters.transaction_retries);
                sleep(BACKOFF.delay(attempt, rand::random())).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}
