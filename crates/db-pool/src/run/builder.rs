//! A statement with typed rows and limits of its own.

use super::{
    executor::steps,
    send::{Answer, Call, Keep, watched},
    statement::Statement,
    watch::{SHAPE, Watch},
};
use crate::{Error, Lease, Pool, Priority, pool::acquire, run::shape::shape};
use futures_util::{TryStreamExt, stream::BoxStream};
use sqlx::{
    Decode, Either, Execute, FromRow, Postgres, Type,
    postgres::{PgQueryResult, PgRow},
};
use std::{fmt, panic::Location, time::Duration};

/// A statement about to be run, from [`Pool::run`] or [`Lease::run`]; anything that sqlx can execute.
///
/// Rows come as any type that sqlx can make of a row: a struct that derives `FromRow`, or a tuple. Errors are the pool's
/// own, with the statement's shape and SQLSTATE, classified for retries.
///
/// ```no_run
/// # async fn example(pool: &db_pool::Pool) -> Result<(), db_pool::Error> {
/// use std::time::Duration;
///
/// let title: String = pool
///     .run(sqlx::query("SELECT title FROM tasks WHERE id = $1").bind(7_i64))
///     .timeout(Duration::from_secs(1))
///     .scalar()
///     .await?;
/// let urgent: Vec<(i64, String)> =
///     pool.run("SELECT id, title FROM tasks WHERE priority > 8 LIMIT 100").all().await?;
/// # drop((title, urgent)); Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// A dropped future or stream stops the statement on the server, in the background, and gives the connection back.
#[must_use = "nothing runs before `all`, `one`, `optional`, `scalar`, `none` or `stream` is called"]
pub struct Run<'a> {
    on: On<'a>,
    statement: Result<Statement, sqlx::Error>,
    call: Call,
}

enum On<'a> {
    Pool(&'a Pool),
    Lease(&'a mut Lease),
}

impl Pool {
    /// Runs a statement on a connection of the pool, with typed rows and limits of its own.
    #[track_caller]
    pub fn run<'q>(&self, query: impl Execute<'q, Postgres>) -> Run<'_> {
        Run { on: On::Pool(self), statement: Statement::of(query), call: Call::at(Location::caller()) }
    }
}

impl Lease {
    /// Runs a statement on this connection, with typed rows and limits of its own.
    #[track_caller]
    pub fn run<'q>(&mut self, query: impl Execute<'q, Postgres>) -> Run<'_> {
        Run { on: On::Lease(self), statement: Statement::of(query), call: Call::at(Location::caller()) }
    }
}

impl<'a> Run<'a> {
    /// How long the server may take to answer, instead of the pool's statement timeout; for a stream, between two rows.
    /// Waiting for a connection has its own limit. Past it the statement is stopped on the server.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.call.limit = Some(limit);
        self
    }

    /// How urgent the statement is among those that wait for a connection.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.call.options = self.call.options.priority(priority);
        self
    }

    /// How long to wait for a connection, instead of the pool's acquire timeout.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.call.options = self.call.options.timeout(timeout);
        self
    }

    /// All rows.
    ///
    /// # Errors
    /// Those of [`Pool::acquire`]; [`Error::StatementTimeout`]; [`Error::Statement`] for what the server or the decoding
    /// of a row says.
    pub async fn all<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<Vec<T>, Error> {
        self.answer(Keep::All, |answer| answer.rows.iter().map(T::from_row).collect()).await
    }

    /// The first row.
    ///
    /// # Errors
    /// Those of [`all`](Self::all); [`Error::Statement`] with sqlx's `RowNotFound` when there is none.
    pub async fn one<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<T, Error> {
        self.answer(Keep::First, |answer| T::from_row(&answer.first.ok_or(sqlx::Error::RowNotFound)?)).await
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub async fn optional<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<Option<T>, Error> {
        self.answer(Keep::First, |answer| answer.first.as_ref().map(T::from_row).transpose()).await
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// Those of [`one`](Self::one).
    pub async fn scalar<T>(self) -> Result<T, Error>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        self.one::<(T,)>().await.map(|(value,)| value)
    }

    /// No rows; how many were affected.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    pub async fn none(self) -> Result<u64, Error> {
        self.answer(Keep::Nothing, |answer| Ok(PgQueryResult::rows_affected(&answer.result))).await
    }

    /// The rows one by one, as the server sends them.
    ///
    /// # Errors
    /// Each item's error is one of those of [`all`](Self::all); it is the last item.
    pub fn stream<T>(self) -> BoxStream<'a, Result<T, Error>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + 'a,
    {
        Box::pin(async_stream::try_stream! {
            let Self { on, statement, call } = self;
            let statement = statement.map_err(|error| Error::of_statement("", error))?;
            let sql = statement.sql_str();
            let told = |error| Error::of_statement(sql.as_str(), error);
            let mut own = None;
            let lease = match on {
                On::Lease(lease) => lease,
                On::Pool(pool) => {
                    let lease = acquire(pool.clone(), call.options, call.site).await?;
                    own.insert(lease)
                }
            };
            let watch = Watch::start(lease.held().shared(), &statement, call.site);
            let mut steps = steps(lease, statement, call, watch);
            while let Some(step) = steps.try_next().await.map_err(told)? {
                if let Either::Right(row) = step {
                    yield T::from_row(&row).map_err(told)?;
                }
            }
        })
    }

    async fn answer<T>(
        self,
        keep: Keep,
        decode: impl FnOnce(Answer) -> Result<T, sqlx::Error> + Send,
    ) -> Result<T, Error> {
        let Self { on, statement, call } = self;
        let mut statement = statement.map_err(|error| Error::of_statement("", error))?;
        let sql = statement.sql_str();
        let answer = async {
            match on {
                On::Pool(pool) => {
                    let mut watch = Watch::start(pool.shared(), &statement, call.site);
                    let mut lease = acquire(pool.clone(), call.options, call.site).await?;
                    let answer = watched(&mut lease, &mut statement, keep, call, &mut watch).await?;
                    // Decoding needs no connection: another may have it meanwhile.
                    drop(lease);
                    watch.decoding(|| decode(answer))
                }
                On::Lease(lease) => {
                    let mut watch = Watch::start(lease.held().shared(), &statement, call.site);
                    let answer = watched(lease, &mut statement, keep, call, &mut watch).await?;
                    watch.decoding(|| decode(answer))
                }
            }
        };
        answer.await.map_err(|error| Error::of_statement(sql.as_str(), error))
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.statement.as_ref().map(Statement::text).unwrap_or_default();
        f.debug_struct("Run").field("shape", &shape(text, SHAPE)).finish_non_exhaustive()
    }
}
