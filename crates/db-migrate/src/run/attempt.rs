//! One attempt of a transaction: its statements, or its code, and what the history says of them.

use super::Direction;
use super::pooled::Pooled;
use super::send::send;
use crate::history::{Begun, Ended};
use crate::migration::{Body, Script};
use crate::{Error, HistoryTable, Left, Migration};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::ops::Range;
use std::time::Instant;

/// What is tried; nothing of it changes from one attempt to the next.
pub(super) struct Attempt<'a> {
    pub(super) history: &'a HistoryTable,
    pub(super) migration: &'a Migration,
    pub(super) direction: Direction,
    pub(super) script: &'a Script,
    pub(super) range: Range<usize>,
    /// What begins the transaction.
    pub(super) begin: &'a str,
    /// What else is done at either end of it.
    pub(super) pooled: Option<Pooled<'a>>,
    pub(super) record: Record,
}

/// How a part of a migration is recorded, in the same transaction where it has one.
#[derive(Clone, Copy)]
pub(super) enum Record {
    /// All of it, begun and done at once.
    Whole(Instant),
    /// So many statements.
    Part(usize),
    /// The last part.
    Last(Instant),
    /// Not at all: it is rolled back.
    Nothing,
}

impl Attempt<'_> {
    /// Does it all, or nothing.
    pub(super) async fn run(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let label = &self.migration.label;
        // Not with the statements in one message: the driver would not know of the transaction when it is dropped then.
        let mut tx = conn
            .begin_with(AssertSqlSafe(self.begin.to_owned()))
            .await
            .map_err(Error::during(format!("begin a transaction for {label}")))?;
        let _entered = match &self.pooled {
            Some(pooled) => Some(pooled.enter(&mut tx, self.script, self.range.start).await?),
            None => None,
        };
        let worked = self.work(&mut tx).await;
        if let (Some(pooled), Body::Code(_)) = (&self.pooled, &self.script.body) {
            pooled.forget_prepared(&mut tx).await?;
        }
        worked?;
        if let Record::Nothing = self.record {
            return tx.rollback().await.map_err(Error::during(format!("roll back as {label} does")));
        }
        let Self { history, migration, direction, script, record, .. } = *self;
        Box::pin(write_as_ourselves(&mut tx, history, migration, direction, script, record)).await?;
        if let Some(pooled) = &self.pooled {
            pooled.leave(&mut tx, script, label).await?;
        }
        tx.commit().await.map_err(|source| {
            let refused = matches!(source, sqlx::Error::Database(_));
            let left = if refused { Left::Nothing } else { Left::Unknown };
            Error::Commit { label: label.clone(), left, source }
        })
    }

    async fn work(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let label = &self.migration.label;
        match &self.script.body {
            Body::Sql(_) => {
                send(conn, self.script, self.range.clone(), Left::Nothing, label, &mut |_| {}).await
            }
            Body::Code(code) => {
                let done = match self.direction {
                    Direction::Up => code.up(conn).await,
                    Direction::Down => code.down(conn).await,
                };
                done.map_err(|source| Error::Code { label: label.clone(), source })
            }
        }
    }
}

/// Whether a statement is `SET ROLE`, `SET LOCAL ROLE`, `SET SESSION AUTHORIZATION` or the like.
fn sets_identity(statement: &str) -> bool {
    let words: Vec<&str> = statement.split_ascii_whitespace().take(4).collect();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|found| found.eq_ignore_ascii_case(word));
    is(0, "SET") && (1..4).any(|at| is(at, "ROLE") || is(at, "AUTHORIZATION"))
}

/// Writes to the history. A file may have set a role that may not; what comes after goes on as that.
pub(super) async fn write_as_ourselves(
    conn: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
    direction: Direction,
    script: &Script,
    record: Record,
) -> Result<(), Error> {
    if !script.statements().iter().any(|statement| sets_identity(&statement.text)) {
        return write(conn, history, migration, direction, record).await;
    }
    let during = || Error::during(format!("record {} as the role that migrates", migration.label));
    let (user, role): (String, String) =
        sqlx::query_as("SELECT current_setting('session_authorization'), current_setting('role')")
            .persistent(false)
            .fetch_one(&mut *conn)
            .await
            .map_err(during())?;
    sqlx::raw_sql("RESET SESSION AUTHORIZATION; RESET ROLE").execute(&mut *conn).await.map_err(during())?;
    write(conn, history, migration, direction, record).await?;
    if let Record::Part(_) = record {
        sqlx::query("SELECT set_config('session_authorization', $1, false), set_config('role', $2, false)")
            .persistent(false)
            .bind(user)
            .bind(role)
            .execute(conn)
            .await
            .map_err(during())?;
    }
    Ok(())
}

async fn write(
    conn: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
    direction: Direction,
    record: Record,
) -> Result<(), Error> {
    match (direction, record) {
        (Direction::Up, Record::Whole(start)) => {
            history.insert(conn, migration, Begun::Applied(start.elapsed()), None).await
        }
        (_, Record::Part(done)) => history.progress(conn, &migration.id, done, None).await,
        (Direction::Up, Record::Last(start)) => history.finish(conn, migration, start.elapsed()).await,
        (Direction::Down, Record::Whole(_) | Record::Last(_)) => {
            history.end(conn, &migration.id, Ended::Reverted).await
        }
        (_, Record::Nothing) => Ok(()),
    }
}
