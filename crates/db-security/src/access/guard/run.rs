//! A statement of a subject, let by the rules and about to be run.

use super::{GuardError, Guarded};
use db_pool::{Priority, Run};
use futures_util::{StreamExt, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, Decode, Execute, FromRow, Postgres, SqlSafeStr, SqlStr, Type,
    error::BoxDynError,
    postgres::{PgArguments, PgRow, PgStatement},
};
use std::time::Duration;

/// A statement about to be run, from [`Guarded::run`] and its like; as [`db_pool::Run`], whose rows and limits it has. Whether it
/// may run was decided when it was made: what is refused fails at once, and nothing was sent.
///
/// # Cancel safety
/// A dropped future or stream stops the statement on the server, in the background, and gives the connection back, whose
/// session is nobody's again before it is lent on.
#[must_use = "nothing runs before `all`, `one`, `optional`, `scalar`, `none` or `stream` is called"]
#[derive(Debug)]
pub struct GuardedRun<'a> {
    pub(super) run: Result<Run<'a>, GuardError>,
    pub(super) guarded: Guarded,
}

impl<'a> GuardedRun<'a> {
    /// How long the server may take to answer; see [`Run::timeout`].
    pub fn timeout(self, limit: Duration) -> Self {
        Self { run: self.run.map(|run| run.timeout(limit)), ..self }
    }

    /// How urgent the statement is among those that wait for a connection.
    pub fn priority(self, priority: Priority) -> Self {
        Self { run: self.run.map(|run| run.priority(priority)), ..self }
    }

    /// How long to wait for a connection, instead of the pool's acquire timeout.
    pub fn acquire_timeout(self, timeout: Duration) -> Self {
        Self { run: self.run.map(|run| run.acquire_timeout(timeout)), ..self }
    }

    /// All rows.
    ///
    /// # Errors
    /// Those of [`GuardError`].
    pub async fn all<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<Vec<T>, GuardError> {
        let Self { run, guarded } = self;
        run?.all().await.map_err(|error| guarded.judge(error))
    }

    /// The first row.
    ///
    /// # Errors
    /// Those of [`GuardError`]; [`GuardError::Pool`] with sqlx's `RowNotFound` when there is none.
    pub async fn one<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<T, GuardError> {
        let Self { run, guarded } = self;
        run?.one().await.map_err(|error| guarded.judge(error))
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// Those of [`GuardError`].
    pub async fn optional<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<Option<T>, GuardError> {
        let Self { run, guarded } = self;
        run?.optional().await.map_err(|error| guarded.judge(error))
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// Those of [`one`](Self::one).
    pub async fn scalar<T>(self) -> Result<T, GuardError>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
    {
        let Self { run, guarded } = self;
        run?.scalar().await.map_err(|error| guarded.judge(error))
    }

    /// No rows; how many were affected.
    ///
    /// # Errors
    /// Those of [`GuardError`].
    pub async fn none(self) -> Result<u64, GuardError> {
        let Self { run, guarded } = self;
        run?.none().await.map_err(|error| guarded.judge(error))
    }

    /// The rows one by one, as the server sends them.
    ///
    /// # Errors
    /// Each item's error is one of [`GuardError`]; it is the last item.
    pub fn stream<T>(self) -> BoxStream<'a, Result<T, GuardError>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + 'a,
    {
        let Self { run, guarded } = self;
        match run {
            Ok(run) => run.stream().map(move |row| row.map_err(|error| guarded.judge(error))).boxed(),
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
        }
    }
}

/// A text of SQL that the rules have let, with its values.
pub(super) struct Text {
    pub(super) sql: String,
    pub(super) arguments: Option<PgArguments>,
}

impl Execute<'_, Postgres> for Text {
    fn sql(self) -> SqlStr {
        // Whoever hands in a text has written it; what it does was read, and is let by the rules.
        AssertSqlSafe(self.sql).into_sql_str()
    }

    fn statement(&self) -> Option<&PgStatement> {
        None
    }

    /// Some even where there are none: the protocol that takes values takes one statement only.
    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        Ok(Some(self.arguments.take().unwrap_or_default()))
    }

    /// Texts of people are rarely the same twice, and would crowd the prepared statements out.
    fn persistent(&self) -> bool {
        false
    }
}
