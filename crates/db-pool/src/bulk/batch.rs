//! Many statements in few round trips, each with its result or error in its place.

use super::{
    batch_run::{self, Plan},
    sql_shape::shape,
};
use crate::{Error, Lease, Pool};
use sqlx::{
    Arguments, Execute, Postgres, SqlStr,
    postgres::{PgArguments, PgRow},
};
use std::{fmt, num::NonZeroU32};

/// The most statements of a batch, unless it is told otherwise.
const MAX_STATEMENTS: usize = 10_000;
/// What would end the batch's own transaction under it, or turn the connection to another protocol.
const REFUSED: &[&str] = &["begin", "start", "commit", "end", "rollback", "abort", "prepare", "copy"];

/// Many statements that are run together: anything that sqlx can execute.
///
/// Round trips, where a *run* is a stretch of neighbours without arguments (one message, told apart by the server's
/// answers) and each statement with arguments costs one more the first time its text is seen by a connection:
///
/// | | round trips |
/// |---|---|
/// | atomic, a single run | 1 |
/// | atomic, a single statement | 1 |
/// | atomic, anything else | 2 + runs + statements with arguments |
/// | independent, on a lease | statements |
/// | independent, over the pool | statements / lanes |
///
/// Statements without arguments could share a message in an independent batch too, but the server would make one
/// transaction of the message. Thousands of rows for one statement go faster as arrays (`unnest`) or by
/// [`copy_in`](crate::copy_in). All rows of all results are held in memory.
/// ```no_run
/// use db_pool::{Batch, BatchMode, Outcome, Pool};
///
/// # async fn example(pool: &Pool) -> Result<(), db_pool::Error> {
/// let mut batch = Batch::new();
/// batch.push(sqlx::raw_sql("SET LOCAL lock_timeout = '1s'"))?;
/// batch.push(sqlx::query("UPDATE tasks SET priority = $1 WHERE id = $2").bind(5).bind(1_i64))?;
/// batch.push(sqlx::query("DELETE FROM tasks WHERE finished RETURNING id"))?;
/// let mut lease = pool.acquire().await?;
/// // One transaction: all of them, or the first error.
/// let done = batch.run(&mut lease, BatchMode::Atomic).await?.into_done()?;
/// println!("{} changed, {} deleted", done[1].rows_affected, done[2].rows.len());
///
/// let mut batch = Batch::new();
/// for id in 0..100_i64 {
///     batch.push(sqlx::query("SELECT refresh($1)").bind(id))?;
/// }
/// // Each by itself, over up to four connections.
/// for (id, outcome) in batch.spread(pool, 4.try_into().expect("not zero")).await?.outcomes.iter().enumerate() {
///     if let Outcome::Failed(error) = outcome {
///         println!("{id}: {error}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Batch {
    statements: Vec<Statement>,
    max: usize,
}

/// One statement of a batch.
pub(crate) struct Statement {
    pub(crate) sql: SqlStr,
    pub(crate) arguments: Option<PgArguments>,
    pub(crate) persistent: bool,
    /// Whether others may stand beside it in one message.
    pub(crate) joins: bool,
}

/// What a batch is when a statement of it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchMode {
    /// One transaction: the first error undoes the others, and what comes after it is not run.
    Atomic,
    /// Each statement commits by itself, and a failed one does not stop the others.
    Independent,
}

/// What became of each statement, in the batch's order.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchReport {
    /// One for each statement.
    pub outcomes: Vec<Outcome>,
}

impl BatchReport {
    /// The results, when every statement has one.
    ///
    /// # Errors
    /// [`Error::Batch`] with the place of the first that failed, else [`Error::BatchNotRun`].
    pub fn into_done(self) -> Result<Vec<Done>, Error> {
        let (mut done, mut skipped) = (Vec::with_capacity(self.outcomes.len()), None);
        for (index, outcome) in self.outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Done(result) => done.push(result),
                Outcome::Failed(source) => return Err(Error::Batch { index, source: Box::new(source) }),
                Outcome::RolledBack | Outcome::NotRun => skipped = skipped.or(Some(index)),
            }
        }
        skipped.map_or(Ok(done), |index| Err(Error::BatchNotRun { index }))
    }
}

/// What became of one statement.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It took effect.
    Done(Done),
    /// The server refused it, or it could not be sent. A position in the server's error counts from the beginning of the
    /// message, which may hold the statements before it.
    Failed(Error),
    /// It was run, and undone because another one failed.
    RolledBack,
    /// It was not run because another one had failed, or because no lease was to be had.
    NotRun,
}

/// The result of one statement.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Done {
    /// Rows changed or returned, as the server counts them.
    pub rows_affected: u64,
    /// The rows that it returned.
    pub rows: Vec<PgRow>,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// An empty batch for up to 10,000 statements.
    #[must_use]
    pub fn new() -> Self {
        Self { statements: Vec::new(), max: MAX_STATEMENTS }
    }

    /// An empty batch for up to `max` statements.
    #[must_use]
    pub fn with_max(max: NonZeroU32) -> Self {
        Self { statements: Vec::new(), max: max.get() as usize }
    }

    /// Adds a statement.
    ///
    /// # Errors
    /// [`Error::BatchFull`] at the limit, [`Error::BatchStatement`] for a statement that begins or ends a transaction
    /// and for COPY, [`Error::Statement`] when an argument could not be encoded. The batch is as it was.
    pub fn push<'q>(&mut self, mut statement: impl Execute<'q, Postgres>) -> Result<&mut Self, Error> {
        if self.statements.len() >= self.max {
            return Err(Error::BatchFull { max: self.max });
        }
        let arguments =
            statement.take_arguments().map_err(|source| Error::from(sqlx::Error::Encode(source)))?;
        let persistent = statement.persistent();
        let sql = statement.sql();
        let shape = shape(sql.as_str());
        if let Some(word) = shape.words.iter().find(|word| REFUSED.contains(&word.as_str())) {
            return Err(Error::BatchStatement { word: word.to_uppercase() });
        }
        let joins = shape.is_single && arguments.as_ref().is_none_or(|arguments| arguments.len() == 0);
        self.statements.push(Statement { sql, arguments, persistent, joins });
        Ok(self)
    }

    /// How many statements it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Runs the statements on one connection, in their order.
    ///
    /// # Errors
    /// [`Error::Statement`] when the transaction of an atomic batch cannot begin or commit; nothing took effect then,
    /// unless the connection was lost while it committed. Whatever befalls a statement is in the report.
    ///
    /// # Cancel safety
    /// An atomic batch that is dropped is rolled back, unless it was a single run, which the server may still finish.
    /// Of an independent one, any number of statements may have taken effect.
    pub async fn run(self, lease: &mut Lease, mode: BatchMode) -> Result<BatchReport, Error> {
        if mode == BatchMode::Atomic {
            // A begin that is cut is not counted by sqlx; the reset finds it.
            lease.mark();
        }
        let conn = batch_run::seen(lease, &self.statements).await?;
        let outcomes = match mode {
            BatchMode::Atomic => batch_run::atomic(conn, Plan::of(self.statements)).await?,
            BatchMode::Independent => batch_run::independent(conn, self.statements).await,
        };
        Ok(BatchReport { outcomes })
    }

    /// Runs the statements independently over up to `lanes` leases at once, each statement as soon as a lease is free,
    /// so that they may overtake each other. A lane without a lease leaves its work to the others.
    ///
    /// # Errors
    /// Those of [`Pool::acquire`], when not one lease was to be had; nothing was run then.
    ///
    /// # Cancel safety
    /// Any number of statements may have taken effect; the leases go back.
    pub async fn spread(self, pool: &Pool, lanes: NonZeroU32) -> Result<BatchReport, Error> {
        let outcomes = batch_run::spread(pool, self.statements, lanes).await?;
        Ok(BatchReport { outcomes })
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("statements", &self.len()).field("max", &self.max).finish()
    }
}
