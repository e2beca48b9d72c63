//! Runs a batch: what goes into one message is planned, then sent.

use super::batch::{Done, Outcome, Statement};
use crate::{
    Error, Lease, Pool,
    run::{
        send::{is_stale_plan, patience, plans_of_today, within},
        shape::leaves_mark,
    },
    session::drain,
    shared::Shared,
};
use futures_util::{StreamExt, future::join_all};
use sqlx::{
    AssertSqlSafe, Either, Executor, PgConnection,
    postgres::{PgDatabaseError, PgErrorPosition, PgQueryResult, PgRow, PgTransactionManager},
};
use sqlx_core::transaction::TransactionManager;
use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::timeout;

/// An atomic batch, cut into messages.
pub(crate) struct Plan {
    steps: Vec<Step>,
    statements: usize,
}

enum Step {
    /// Neighbours without arguments: one message, which the server runs as one transaction.
    Joined(Vec<Statement>),
    /// A statement with arguments, or a text that is not one statement for certain.
    Alone(Box<Statement>),
}

impl Step {
    fn len(&self) -> usize {
        match self {
            Self::Joined(run) => run.len(),
            Self::Alone(_) => 1,
        }
    }
}

impl Plan {
    pub(crate) fn of(statements: Vec<Statement>) -> Self {
        let count = statements.len();
        let mut steps: Vec<Step> = Vec::new();
        for statement in statements {
            match (steps.last_mut(), statement.joins) {
                (Some(Step::Joined(run)), true) => run.push(statement),
                (_, true) => steps.push(Step::Joined(vec![statement])),
                (_, false) => steps.push(Step::Alone(Box::new(statement))),
            }
        }
        Self { steps, statements: count }
    }
}

/// What went wrong in a step, and at which of its statements.
struct Failure {
    at: usize,
    error: sqlx::Error,
}

/// The connection, after the lease has taken note of what the statements may leave behind, and how long each may take.
pub(crate) async fn seen<'l>(
    lease: &'l mut Lease,
    statements: &[Statement],
) -> Result<Limited<'l>, sqlx::Error> {
    if statements.iter().any(|statement| leaves_mark(statement.sql.as_str())) {
        lease.mark();
    }
    within(lease, "CLOSE", plans_of_today).await?;
    let shared = Arc::clone(lease.held().shared());
    Ok(Limited { patience: patience(&shared), conn: lease.vouched(), shared })
}

/// A connection whose statements are waited for no longer than the pool's limit.
pub(crate) struct Limited<'l> {
    conn: &'l mut PgConnection,
    patience: Option<Duration>,
    shared: Arc<Shared>,
}

impl Limited<'_> {
    /// Waits for `statements` of them. One that fails because the schema has changed makes all connections plan anew.
    async fn wait<T>(
        &mut self,
        statements: usize,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let result = match self.patience {
            None => work(self.conn).await,
            Some(patience) => {
                let limit = patience.saturating_mul(u32::try_from(statements).unwrap_or(u32::MAX));
                timeout(limit, work(self.conn)).await.unwrap_or_else(|_| {
                    Err(Error::StatementTimeout { shape: "batch".to_owned(), limit }.into())
                })
            }
        };
        if result.as_ref().is_err_and(is_stale_plan) {
            self.shared.epoch.fetch_add(1, Relaxed);
        }
        result
    }
}

pub(crate) async fn atomic(mut conn: Limited<'_>, plan: Plan) -> Result<Vec<Outcome>, Error> {
    let total = plan.statements;
    let mut done = Vec::with_capacity(total);
    let failed = if plan.steps.len() <= 1 {
        // The server makes one transaction of one message.
        run_steps(&mut conn, plan.steps, &mut done).await
    } else {
        conn.wait(1, async |conn| PgTransactionManager::begin(conn, None).await).await?;
        let mut open = Open(conn);
        let failed = run_steps(&mut open.0, plan.steps, &mut done).await;
        let ended = if failed.is_none() {
            open.0.wait(1, async |conn| PgTransactionManager::commit(conn).await).await
        } else {
            open.0.wait(1, async |conn| PgTransactionManager::rollback(conn).await).await
        };
        match (&failed, ended) {
            (None, Err(error)) => return Err(Error::from(error)),
            // The connection is lost, which undoes the transaction as well; the lease finds out.
            (Some(_), Err(_)) | (_, Ok(())) => failed,
        }
    };
    Ok(outcomes(total, done, failed))
}

/// A transaction that is rolled back unless it was ended.
struct Open<'l>(Limited<'l>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if PgTransactionManager::get_transaction_depth(self.0.conn) > 0 {
            PgTransactionManager::start_rollback(self.0.conn);
        }
    }
}

pub(crate) async fn independent(mut conn: Limited<'_>, statements: Vec<Statement>) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(statements.len());
    for statement in statements {
        outcomes.push(run_one(&mut conn, statement).await);
    }
    outcomes
}

pub(crate) async fn spread(
    pool: &Pool,
    statements: Vec<Statement>,
    lanes: NonZeroU32,
) -> Result<Vec<Outcome>, Error> {
    let total = statements.len();
    let work = Work {
        waiting: Mutex::new(statements.into_iter().enumerate().rev().collect()),
        outcomes: Mutex::new((0..total).map(|_| Outcome::NotRun).collect()),
    };
    let lanes = (lanes.get() as usize).min(total);
    let refused = join_all((0..lanes).map(|_| lane(pool, &work))).await.into_iter().flatten().next();
    let untouched = lock(&work.waiting).len() == total;
    match refused {
        Some(error) if untouched => Err(error),
        _ => Ok(work.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// Statements that wait, the next one last, and what became of the others.
struct Work {
    waiting: Mutex<Vec<(usize, Statement)>>,
    outcomes: Mutex<Vec<Outcome>>,
}

/// Works until nothing waits, or until no lease is to be had.
async fn lane(pool: &Pool, work: &Work) -> Option<Error> {
    while !lock(&work.waiting).is_empty() {
        let mut lease = match pool.acquire().await {
            Ok(lease) => lease,
            Err(error) => return Some(error),
        };
        run_lane(&mut lease, work).await;
    }
    None
}

/// Works until nothing waits, or until the connection is lost, which must not fail the statements that wait.
async fn run_lane(lease: &mut Lease, work: &Work) {
    loop {
        let Some((index, statement)) = lock(&work.waiting).pop() else { return };
        let outcome = match seen(lease, std::slice::from_ref(&statement)).await {
            Ok(mut conn) => run_one(&mut conn, statement).await,
            Err(error) => Outcome::Failed(Error::from(error)),
        };
        let lost = match &outcome {
            Outcome::Failed(Error::Statement { sqlstate, .. }) => {
                sqlstate.as_ref().is_none_or(|code| code.starts_with("57P") || code.starts_with("08"))
            }
            _ => false,
        };
        lock(&work.outcomes)[index] = outcome;
        if lost {
            lease.discard_on_return();
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run_one(conn: &mut Limited<'_>, statement: Statement) -> Outcome {
    let result = conn.wait(1, async |conn| {
        let result = alone(conn, statement).await;
        if matches!(result, Err(sqlx::Error::Database(_))) {
            // What is left of the answer is under way with the error; a connection that is lost says so next time.
            let _ = drain(conn).await;
        }
        result
    });
    match result.await {
        Ok(done) => Outcome::Done(done),
        Err(error) => Outcome::Failed(Error::from(error)),
    }
}

/// Runs the steps until one fails; the place is that in the whole batch.
async fn run_steps(conn: &mut Limited<'_>, steps: Vec<Step>, done: &mut Vec<Done>) -> Option<Failure> {
    for step in steps {
        let before = done.len();
        let expected = step.len();
        let mut at = 0;
        let result = conn.wait(expected, async |conn| match step {
            Step::Joined(run) => joined(conn, &run, done).await.map_err(|failure| {
                at = failure.at;
                failure.error
            }),
            Step::Alone(statement) => {
                done.push(alone(conn, *statement).await?);
                Ok(())
            }
        });
        let result = result.await.map_err(|error| Failure { at, error });
        if let Err(Failure { at, error }) = result {
            done.truncate(before + at);
            return Some(Failure { at: before + at, error });
        }
        debug_assert_eq!(done.len(), before + expected, "each statement has its result");
    }
    None
}

async fn alone(conn: &mut PgConnection, statement: Statement) -> sqlx::Result<Done> {
    let Statement { sql, arguments, persistent, .. } = statement;
    let mut results = match arguments {
        Some(arguments) => conn.fetch_many(sqlx::query_with(sql, arguments).persistent(persistent)),
        None => conn.fetch_many(sqlx::raw_sql(sql)),
    };
    let mut done = Done::default();
    while let Some(result) = results.next().await {
        match result? {
            Either::Left(result) => done.rows_affected += result.rows_affected(),
            Either::Right(row) => done.rows.push(row),
        }
    }
    Ok(done)
}

async fn joined(conn: &mut PgConnection, run: &[Statement], done: &mut Vec<Done>) -> Result<(), Failure> {
    let (text, starts) = join(run.iter().map(|statement| statement.sql.as_str()));
    let before = done.len();
    let mut rows: Vec<PgRow> = Vec::new();
    // Each part was a safe string, and is a statement of its own.
    let mut results = conn.fetch_many(sqlx::raw_sql(AssertSqlSafe(text)));
    while let Some(result) = results.next().await {
        match result {
            Ok(Either::Right(row)) => rows.push(row),
            Ok(Either::Left(result)) => done.push(finished(&result, std::mem::take(&mut rows))),
            Err(error) => {
                let at = locate(&error, &starts).max(done.len() - before).min(run.len() - 1);
                return Err(Failure { at, error });
            }
        }
    }
    if done.len() - before != run.len() {
        let text = format!("{} results for {} statements", done.len() - before, run.len());
        return Err(Failure { at: 0, error: sqlx::Error::Protocol(text) });
    }
    Ok(())
}

fn finished(result: &PgQueryResult, rows: Vec<PgRow>) -> Done {
    Done { rows_affected: result.rows_affected(), rows }
}

/// One message, and where in it each statement begins, in characters. A line break ends a comment that has no end.
fn join<'s>(texts: impl Iterator<Item = &'s str>) -> (String, Vec<usize>) {
    let (mut joined, mut starts, mut at) = (String::new(), Vec::new(), 0);
    for text in texts {
        starts.push(at);
        joined.push_str(text);
        joined.push_str("\n;\n");
        at += text.chars().count() + 3;
    }
    (joined, starts)
}

/// Which statement an error is about, by its position: a syntax error is found before any statement is run. 0 when the
/// error has no position.
fn locate(error: &sqlx::Error, starts: &[usize]) -> usize {
    let position = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .and_then(PgDatabaseError::position);
    match position {
        Some(PgErrorPosition::Original(position)) => {
            // Positions count from 1.
            starts.partition_point(|start| *start < position).saturating_sub(1)
        }
        Some(PgErrorPosition::Internal { .. }) | None => 0,
    }
}

fn outcomes(total: usize, done: Vec<Done>, failed: Option<Failure>) -> Vec<Outcome> {
    let Some(Failure { at, error }) = failed else { return done.into_iter().map(Outcome::Done).collect() };
    let mut outcomes: Vec<_> = (0..at).map(|_| Outcome::RolledBack).collect();
    outcomes.push(Outcome::Failed(Error::from(error)));
    outcomes.resize_with(total, || Outcome::NotRun);
    outcomes
}

#[cfg(test)]
mod tests {
    use super::{Plan, Statement, Step, join};
    use sqlx::SqlStr;

    fn lengths(joins: &[bool]) -> Vec<(bool, usize)> {
        let statement = |joins: &bool| Statement {
            sql: SqlStr::from_static("SELECT 1"),
            arguments: None,
            persistent: false,
            joins: *joins,
        };
        let plan = Plan::of(joins.iter().map(statement).collect());
        plan.steps.iter().map(|step| (matches!(step, Step::Joined(_)), step.len())).collect()
    }

    #[test]
    fn neighbours_are_joined() {
        assert_eq!(lengths(&[]), []);
        assert_eq!(lengths(&[true, true, true]), [(true, 3)]);
        assert_eq!(lengths(&[false, false]), [(false, 1), (false, 1)]);
        assert_eq!(lengths(&[true, true, false, true]), [(true, 2), (false, 1), (true, 1)]);
    }

    #[test]
    fn starts_are_counted_in_characters() {
        let (text, starts) = join(["SELECT 'ü' -- note", "SELECT 2"].into_iter());
        assert_eq!(text, "SELECT 'ü' -- note\n;\nSELECT 2\n;\n");
        assert_eq!(text.chars().skip(starts[1]).collect::<String>(), "SELECT 2\n;\n");
    }
}
