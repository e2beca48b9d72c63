//! sqlx's `Executor` for a pool and for a lease: what takes a `PgPool` or a connection takes these.

use super::{
    send::{
        Call, Keep, boxed, is_stale_plan, judged, on_lease, on_pool, plans_of_today, see, timed_out, within,
    },
    statement::Statement,
    watch::{Watch, span},
};
use crate::{Lease, Pool, Transaction, pool::acquire};
use futures_util::{TryStreamExt, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Connection, Describe, Either, Execute, Executor, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use std::{panic::Location, sync::atomic::Ordering::Relaxed};
use tokio::time::timeout;
use tracing::Instrument;

type Step = Either<PgQueryResult, PgRow>;

impl<'p> Executor<'p> for &'_ Pool {
    type Database = Postgres;

    #[track_caller]
    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<PgQueryResult, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (pool, call) = (self.clone(), Call::at(Location::caller()));
        let statement = Statement::of(query);
        boxed(async move { Ok(on_pool(pool, statement, Keep::Nothing, call).await?.result) })
    }

    #[track_caller]
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (pool, call) = (self.clone(), Call::at(Location::caller()));
        let statement = Statement::of(query);
        Box::pin(async_stream::try_stream! {
            let statement = statement?;
            let watch = Watch::start(pool.shared(), &statement, call.site);
            let mut lease = acquire(pool, call.options, call.site).await?;
            let mut steps = steps(&mut lease, statement, call, watch);
            while let Some(step) = steps.try_next().await? {
                yield step;
            }
        })
    }

    #[track_caller]
    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (pool, call) = (self.clone(), Call::at(Location::caller()));
        let statement = Statement::of(query);
        boxed(async move { Ok(on_pool(pool, statement, Keep::All, call).await?.rows) })
    }

    #[track_caller]
    fn fetch_one<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<PgRow, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (pool, call) = (self.clone(), Call::at(Location::caller()));
        let statement = Statement::of(query);
        boxed(async move {
            on_pool(pool, statement, Keep::First, call).await?.first.ok_or(sqlx::Error::RowNotFound)
        })
    }

    #[track_caller]
    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (pool, call) = (self.clone(), Call::at(Location::caller()));
        let statement = Statement::of(query);
        boxed(async move { Ok(on_pool(pool, statement, Keep::First, call).await?.first) })
    }

    #[track_caller]
    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        let lease = self.acquire();
        boxed(async move { prepare(&mut lease.await?, sql, parameters).await })
    }

    #[track_caller]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        let lease = self.acquire();
        boxed(async move { describe(&mut lease.await?, sql).await })
    }
}

impl<'c> Executor<'c> for &'c mut Lease {
    type Database = Postgres;

    #[track_caller]
    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<PgQueryResult, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (call, statement) = (Call::at(Location::caller()), Statement::of(query));
        boxed(async move { Ok(on_lease(self, statement, Keep::Nothing, call).await?.result) })
    }

    #[track_caller]
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (call, statement) = (Call::at(Location::caller()), Statement::of(query));
        Box::pin(async_stream::try_stream! {
            let statement = statement?;
            let watch = Watch::start(self.held().shared(), &statement, call.site);
            let mut steps = steps(self, statement, call, watch);
            while let Some(step) = steps.try_next().await? {
                yield step;
            }
        })
    }

    #[track_caller]
    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (call, statement) = (Call::at(Location::caller()), Statement::of(query));
        boxed(async move { Ok(on_lease(self, statement, Keep::All, call).await?.rows) })
    }

    #[track_caller]
    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (call, statement) = (Call::at(Location::caller()), Statement::of(query));
        boxed(async move { Ok(on_lease(self, statement, Keep::First, call).await?.first) })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        boxed(prepare(self, sql, parameters))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        boxed(describe(self, sql))
    }
}

async fn prepare(
    lease: &mut Lease,
    sql: SqlStr,
    parameters: &[PgTypeInfo],
) -> Result<PgStatement, sqlx::Error> {
    within(lease, "PREPARE", async |lease| lease.vouched().prepare_with(sql, parameters).await).await
}

async fn describe(lease: &mut Lease, sql: SqlStr) -> Result<Describe<Postgres>, sqlx::Error> {
    within(lease, "DESCRIBE", async |lease| lease.vouched().describe(sql).await).await
}

/// Like that of its lease: the pool sees the statements, which it does not on `&mut *tx`.
impl<'c> Executor<'c> for &'c mut Transaction {
    type Database = Postgres;

    #[track_caller]
    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<PgQueryResult, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.lease().execute(query)
    }

    #[track_caller]
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.lease().fetch_many(query)
    }

    #[track_caller]
    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.lease().fetch_all(query)
    }

    #[track_caller]
    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.lease().fetch_optional(query)
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.lease().prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.lease().describe(sql)
    }
}

/// A statement's answer step by step. The time between two steps is the server's; what the caller does in between does
/// not count against the limit.
pub(crate) fn steps<'a>(
    lease: &'a mut Lease,
    mut statement: Statement,
    call: Call,
    mut watch: Watch,
) -> BoxStream<'a, Result<Step, sqlx::Error>> {
    Box::pin(async_stream::try_stream! {
        let patience = call.patience(lease.held().shared());
        watch.leased(lease);
        if see(lease, &statement) {
            within(lease, "CLOSE", plans_of_today).await?;
        }
        let sql = statement.sql_str();
        let span = span(&statement);
        let mut spare = if lease.is_in_transaction() { None } else { statement.spare() };
        // Once more where the server's plan turns out to be of an older schema, as in `fresh`: it says so before any row.
        let outcome = loop {
            let mut steps = lease.vouched().fetch_many(&mut statement);
            let outcome = loop {
                let step = match patience {
                    None => steps.try_next().instrument(span.clone()).await,
                    Some(limit) => match timeout(limit, steps.try_next().instrument(span.clone())).await {
                        Ok(step) => step,
                        Err(_) => break Err(timed_out(&sql, limit)),
                    },
                };
                match step {
                    Ok(Some(step)) => {
                        watch.rows(usize::from(step.is_right()));
                        // From here on it may have had an effect.
                        spare = None;
                        yield step;
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            drop(steps);
            if !matches!(&outcome, Err(error) if is_stale_plan(error)) {
                break outcome;
            }
            lease.held().shared().epoch.fetch_add(1, Relaxed);
            let Some(again) = spare.take() else { break outcome };
            within(lease, "CLOSE", plans_of_today).await?;
            statement.refill(again);
        };
        watch.over(&outcome);
        if let Err(error) = outcome {
            Err(judged(lease, error).await)?;
        }
    })
}
