//! Sends a statement over a lease: within its limit, under a plan that fits the schema, watched by whoever wants to know.

use super::{
    shape::{leaves_mark, shape},
    statement::Statement,
    watch::{SHAPE, Watch, span},
};
use crate::{AcquireOptions, Error, Lease, Pool, pool::acquire, retry_of, session::drain, shared::Shared};
use db_core::Retry;
use futures_util::TryStreamExt;
use sqlx::{
    Connection, Either, Executor, PgConnection, SqlStr,
    postgres::{PgArguments, PgDatabaseError, PgQueryResult, PgRow},
};
use std::{future::Future, panic::Location, sync::atomic::Ordering::Relaxed, time::Duration};
use tokio::time::timeout;
use tracing::Instrument;

/// How much longer than the server's own statement timeout the client waits for it to be told so.
const SERVER_FIRST: Duration = Duration::from_millis(500);

/// Which part of an answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// How many rows were affected.
    Nothing,
    /// The first row.
    First,
    /// All rows.
    All,
}

/// What a statement answered.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) first: Option<PgRow>,
    pub(crate) rows: Vec<PgRow>,
    pub(crate) result: PgQueryResult,
}

/// How a call wants its statement run.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) site: &'static Location<'static>,
    pub(crate) options: AcquireOptions,
    pub(crate) limit: Option<Duration>,
}

impl Call {
    pub(crate) fn at(site: &'static Location<'static>) -> Self {
        Self { site, options: AcquireOptions::new(), limit: None }
    }

    /// How long the client waits for an answer.
    pub(crate) fn patience(&self, shared: &Shared) -> Option<Duration> {
        self.limit.or_else(|| patience(shared))
    }
}

/// How long the client waits for an answer, where the call does not say.
pub(crate) fn patience(shared: &Shared) -> Option<Duration> {
    shared.config.statement_timeout.map(|limit| limit + SERVER_FIRST)
}

/// Runs a statement on a connection of the pool.
pub(crate) async fn on_pool(
    pool: Pool,
    statement: Result<Statement, sqlx::Error>,
    keep: Keep,
    call: Call,
) -> Result<Answer, sqlx::Error> {
    let mut statement = statement?;
    let mut watch = Watch::start(pool.shared(), &statement, call.site);
    let mut lease = acquire(pool, call.options, call.site).await?;
    watched(&mut lease, &mut statement, keep, call, &mut watch).await
}

/// Runs a statement on a lease.
pub(crate) async fn on_lease(
    lease: &mut Lease,
    statement: Result<Statement, sqlx::Error>,
    keep: Keep,
    call: Call,
) -> Result<Answer, sqlx::Error> {
    let mut statement = statement?;
    let mut watch = Watch::start(lease.held().shared(), &statement, call.site);
    watched(lease, &mut statement, keep, call, &mut watch).await
}

/// The same, on a clock that was started before. Futures of what is rarely done are boxed, here and below, so that those
/// of the common case stay small: they are allocated with every call.
pub(crate) async fn watched(
    lease: &mut Lease,
    statement: &mut Statement,
    keep: Keep,
    call: Call,
    watch: &mut Watch,
) -> Result<Answer, sqlx::Error> {
    watch.leased(lease);
    let span = span(statement);
    let result = match call.patience(lease.held().shared()) {
        None if span.is_none() => fresh(lease, statement, keep).await,
        patience => Box::pin(bounded(lease, statement, keep, patience).instrument(span)).await,
    };
    if let Ok(answer) = &result {
        watch.rows(answer.rows.len() + usize::from(answer.first.is_some()));
    }
    watch.over(&result);
    result
}

/// Waits for the answer no longer than `patience`.
///
/// # Cancel safety
/// Whoever drops the future, or the deadline, leaves the query running; the lease sees it when it is dropped.
async fn bounded(
    lease: &mut Lease,
    statement: &mut Statement,
    keep: Keep,
    patience: Option<Duration>,
) -> Result<Answer, sqlx::Error> {
    let Some(limit) = patience else { return fresh(lease, statement, keep).await };
    let sql = statement.sql_str();
    timeout(limit, fresh(lease, statement, keep)).await.unwrap_or_else(|_| Err(timed_out(&sql, limit)))
}

/// Bounds what the pool itself asks of the server, by the limit that statements have. Past it the connection is closed when
/// its lease ends, since nobody knows what the server has made of it.
pub(crate) async fn within<T>(
    lease: &mut Lease,
    what: &'static str,
    work: impl AsyncFnOnce(&mut Lease) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let Some(limit) = patience(lease.held().shared()) else { return work(lease).await };
    let result = timeout(limit, work(lease)).await;
    result.unwrap_or_else(|_| {
        lease.discard_on_return();
        Err(Error::StatementTimeout { shape: what.to_owned(), limit }.into())
    })
}

pub(crate) fn timed_out(sql: &SqlStr, limit: Duration) -> sqlx::Error {
    Error::StatementTimeout { shape: shape(sql.as_str(), SHAPE), limit }.into()
}

/// Sends the statement, and once more when the server's plan turns out to be of an older schema.
pub(crate) async fn fresh(
    lease: &mut Lease,
    statement: &mut Statement,
    keep: Keep,
) -> Result<Answer, sqlx::Error> {
    if see(lease, statement) {
        Box::pin(plans_of_today(lease)).await?;
    }
    let spare = if lease.is_in_transaction() { None } else { statement.spare() };
    match send(lease.vouched(), statement, keep).await {
        Err(error) => Box::pin(failed(lease, statement, spare, keep, error)).await,
        answer => answer,
    }
}

/// What is done about a failure. A plan of an older schema was refused before anything was done, so the statement is sent
/// again; inside a transaction that failure has ended it, so there it is the caller's.
async fn failed(
    lease: &mut Lease,
    statement: &mut Statement,
    spare: Option<PgArguments>,
    keep: Keep,
    error: sqlx::Error,
) -> Result<Answer, sqlx::Error> {
    if !is_stale_plan(&error) {
        return Err(judged(lease, error).await);
    }
    lease.held().shared().epoch.fetch_add(1, Relaxed);
    let Some(spare) = spare else { return Err(judged(lease, error).await) };
    statement.refill(spare);
    plans_of_today(lease).await?;
    match send(lease.vouched(), statement, keep).await {
        // A transaction that sqlx does not know of: what ended it is the first failure.
        Err(again) if is_aborted(&again) => Err(judged(lease, error).await),
        Err(again) => Err(judged(lease, again).await),
        answer => answer,
    }
}

/// Takes note of a statement before it is sent: what it may leave behind. Says whether plans of this connection are older
/// than the schema is known to be, and must be forgotten first.
pub(crate) fn see(lease: &mut Lease, statement: &Statement) -> bool {
    if leaves_mark(statement.text()) {
        lease.mark();
    }
    let held = lease.held();
    held.conn().epoch != held.shared().epoch.load(Relaxed)
}

/// Forgets the plans of a connection that are older than the schema is known to be.
pub(crate) async fn plans_of_today(lease: &mut Lease) -> Result<(), sqlx::Error> {
    let epoch = lease.held().shared().epoch.load(Relaxed);
    if lease.held().conn().epoch != epoch {
        lease.vouched().clear_cached_statements().await?;
        lease.conn_mut().epoch = epoch;
    }
    Ok(())
}

/// Reads what follows a failure, which the server has sent with it, so that the lease comes back in order; after a failure
/// of the connection itself it must not be lent again.
pub(crate) async fn judged(lease: &mut Lease, error: sqlx::Error) -> sqlx::Error {
    let broken = retry_of(&error) == Retry::Reconnect;
    if broken {
        lease.held().shared().suspect_idle();
    }
    let spent =
        broken || (matches!(error, sqlx::Error::Database(_)) && drain(lease.vouched()).await.is_err());
    if spent {
        lease.discard_on_return();
    }
    error
}

pub(crate) async fn send(
    conn: &mut PgConnection,
    statement: &mut Statement,
    keep: Keep,
) -> Result<Answer, sqlx::Error> {
    if keep == Keep::First {
        return Ok(Answer { first: conn.fetch_optional(statement).await?, ..Answer::default() });
    }
    Box::pin(collect(conn, statement, keep)).await
}

async fn collect(
    conn: &mut PgConnection,
    statement: &mut Statement,
    keep: Keep,
) -> Result<Answer, sqlx::Error> {
    let mut answer = Answer::default();
    let mut steps = conn.fetch_many(statement);
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(result) => answer.result.extend([result]),
            Either::Right(row) if keep == Keep::All => answer.rows.push(row),
            Either::Right(_) => {}
        }
    }
    Ok(answer)
}

/// Whether a plan was refused, before anything was done, that was made under another schema: `0A000` from the one routine that checks for it.
/// <https://www.postgresql.org/docs/current/sql-prepare.html>
pub(crate) fn is_stale_plan(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()).is_some_and(
        |error| {
            // Or the statement is not there at all any more: somebody has said DEALLOCATE or DISCARD ALL.
            error.code() == "26000"
                || error.code() == "0A000" && error.routine() == Some("RevalidateCachedQuery")
        },
    )
}

fn is_aborted(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "25P02")
}

/// A future as sqlx wants it.
pub(crate) fn boxed<'e, T>(
    future: impl Future<Output = Result<T, sqlx::Error>> + Send + 'e,
) -> futures_util::future::BoxFuture<'e, Result<T, sqlx::Error>> {
    Box::pin(future)
}
