//! Sends the statements of a segment, and makes an error of what the server says to one.

use super::Event;
use super::watch::Tell;
use crate::migration::Script;
use crate::script::{Class, Statement};
use crate::{Error, Left, StatementError};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Either, PgConnection};
use std::ops::Range;

/// A larger text goes in several messages, so that neither side holds all of it.
const BATCH_BYTES: usize = 1 << 20;

/// Sends statements of a script in as few messages as can be; the text is the deployer's own, so nothing is injected.
pub(super) async fn send(
    conn: &mut PgConnection,
    script: &Script,
    range: Range<usize>,
    left: Left,
    label: &str,
    tell: Tell<'_>,
) -> Result<(), Error> {
    let statements = script.statements();
    let mut batch = Batch::default();
    for at in range {
        let statement = &statements[at];
        match statement.class {
            Class::Begin | Class::Commit | Class::Meta => continue,
            Class::CopyIn => {
                batch.send(conn, script, left, label, tell).await?;
                copy_in(conn, script, at, left).await?;
                tell(&Event::Statement { label, number: at + 1, total: statements.len() });
                continue;
            }
            _ => batch.push(at, statement),
        }
        if batch.text.len() >= BATCH_BYTES || changes_lexing(statement) {
            batch.send(conn, script, left, label, tell).await?;
        }
    }
    batch.send(conn, script, left, label, tell).await
}

/// Sends one statement by itself, and tells how many rows it touched.
pub(super) async fn send_one(
    conn: &mut PgConnection,
    script: &Script,
    at: usize,
    left: Left,
) -> Result<u64, Error> {
    let statement = &script.statements()[at];
    if statement.class == Class::CopyIn {
        return copy_in(conn, script, at, left).await;
    }
    match sqlx::raw_sql(AssertSqlSafe(statement.text.to_string())).execute(conn).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(sqlx::Error::Database(error)) => {
            let error = error.downcast_ref::<PgDatabaseError>();
            let position = match error.position() {
                Some(PgErrorPosition::Original(position)) => Some(position),
                _ => None,
            };
            Err(explain(error, script, at, position, left))
        }
        Err(error) => Err(failed_to_send(error, script, at)),
    }
}

/// The server reads all of a message by the rules that hold when it comes.
fn changes_lexing(statement: &Statement) -> bool {
    statement.class == Class::Session
        && statement.text.to_ascii_lowercase().contains("standard_conforming_strings")
}

/// Statements that share a message.
#[derive(Default)]
struct Batch {
    text: String,
    /// The index of each, and where it starts in characters.
    statements: Vec<(usize, usize)>,
    chars: usize,
}

impl Batch {
    fn push(&mut self, at: usize, statement: &Statement) {
        self.statements.push((at, self.chars));
        self.text.push_str(&statement.text);
        // On a line of its own, as a comment may end the statement.
        self.text.push_str("\n;\n");
        self.chars += statement.text.chars().count() + 3;
    }

    async fn send(
        &mut self,
        conn: &mut PgConnection,
        script: &Script,
        left: Left,
        label: &str,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let batch = std::mem::take(self);
        if batch.statements.is_empty() {
            return Ok(());
        }
        let mut done = 0;
        let mut results = sqlx::raw_sql(AssertSqlSafe(batch.text.clone())).fetch_many(conn);
        let outcome = loop {
            match results.try_next().await {
                Ok(Some(Either::Left(_))) => {
                    let number = batch.statements.get(done).map_or(script.len(), |(at, _)| at + 1);
                    done += 1;
                    tell(&Event::Statement { label, number, total: script.len() });
                }
                Ok(Some(Either::Right(_))) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        outcome.map_err(|error| batch.explain(error, done, script, left))
    }

    fn explain(&self, error: sqlx::Error, done: usize, script: &Script, left: Left) -> Error {
        let done = done.min(self.statements.len() - 1);
        let sqlx::Error::Database(database) = &error else {
            return failed_to_send(error, script, self.statements[done].0);
        };
        let error = database.downcast_ref::<PgDatabaseError>();
        // A message that cannot be parsed is refused as a whole: only the position tells which statement it is.
        match error.position() {
            Some(PgErrorPosition::Original(position)) => {
                let within = self.statements.partition_point(|(_, start)| *start < position).max(1) - 1;
                let (at, start) = self.statements[within];
                explain(error, script, at, Some(position - start), left)
            }
            _ => explain(error, script, self.statements[done].0, None, left),
        }
    }
}

async fn copy_in(conn: &mut PgConnection, script: &Script, at: usize, left: Left) -> Result<u64, Error> {
    let statement = &script.statements()[at];
    let sent = async {
        let mut copy = conn.copy_in_raw(&statement.text).await?;
        copy.send(statement.data.as_deref().unwrap_or_default().as_bytes()).await?;
        copy.finish().await
    };
    match sent.await {
        Ok(rows) => Ok(rows),
        Err(sqlx::Error::Database(error)) => Err(explain(error.downcast_ref(), script, at, None, left)),
        Err(error) => Err(failed_to_send(error, script, at)),
    }
}

fn failed_to_send(source: sqlx::Error, script: &Script, at: usize) -> Error {
    let line = script.statements()[at].line;
    Error::Database { action: format!("send statement {} of {}, line {line}", at + 1, script.file), source }
}

fn explain(
    error: &PgDatabaseError,
    script: &Script,
    at: usize,
    position: Option<usize>,
    left: Left,
) -> Error {
    let statement = &script.statements()[at];
    let ours = match error.code() {
        "55P03" => {
            Some("another session held the lock until the deadline; end it, or run again at a quieter time")
        }
        "55P04" => {
            Some("a new value of an enum can be used once it is committed: add it in a migration of its own")
        }
        "42501" => Some("the role may not do this: run as the owner, or have the privilege granted"),
        _ => None,
    };
    Box::new(StatementError {
        file: script.file.clone(),
        line: position.map_or(statement.line, |position| statement.line_at(position)),
        column: position.map(|position| statement.column_at(position)),
        statement: at + 1,
        summary: statement.summary(),
        sqlstate: error.code().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail().map(str::to_owned),
        hint: ours.or(error.hint()).map(str::to_owned),
        blockers: Vec::new(),
        left,
    })
    .into()
}
