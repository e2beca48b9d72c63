//! Sends statements one by one, and makes an error of what the server says to one.

use crate::script::Statement;
use crate::{Error, Left, StatementError};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;

/// Sends one statement; `number` counts from 1. The text is the deployer's own, so nothing is injected.
pub(super) async fn send(
    conn: &mut PgConnection,
    file: &str,
    number: usize,
    statement: &Statement,
    left: Left,
) -> Result<(), Error> {
    match sqlx::raw_sql(AssertSqlSafe(statement.text.as_str())).execute(conn).await {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) => {
            Err(explain(error.downcast_ref::<PgDatabaseError>(), file, number, statement, left))
        }
        Err(source) => {
            let action = format!("send statement {number} of {file}, line {}", statement.line);
            Err(Error::Database { action, source })
        }
    }
}

/// For how long statements wait for locks, until the end of the transaction.
pub(super) async fn limit_locks_locally(conn: &mut PgConnection, timeout: Duration) -> Result<(), Error> {
    set_lock_timeout(conn, &in_milliseconds(timeout), "SELECT set_config('lock_timeout', $1, true)").await
}

/// For how long statements wait for locks, from now on.
pub(super) async fn limit_locks(conn: &mut PgConnection, timeout: LockTimeout<'_>) -> Result<(), Error> {
    let value = match timeout {
        LockTimeout::Bounded(timeout) => in_milliseconds(timeout),
        LockTimeout::Unbounded => "0".to_owned(),
        LockTimeout::AsBefore(value) => value.to_owned(),
    };
    set_lock_timeout(conn, &value, "SELECT set_config('lock_timeout', $1, false)").await
}

/// What a session's `lock_timeout` is set to.
#[derive(Clone, Copy, Debug)]
pub(super) enum LockTimeout<'a> {
    Bounded(Duration),
    Unbounded,
    AsBefore(&'a str),
}

/// What the session's `lock_timeout` is.
pub(super) async fn lock_timeout(conn: &mut PgConnection) -> Result<String, Error> {
    sqlx::query_scalar("SELECT current_setting('lock_timeout')")
        .fetch_one(conn)
        .await
        .map_err(Error::during("read lock_timeout"))
}

async fn set_lock_timeout(conn: &mut PgConnection, value: &str, sql: &'static str) -> Result<(), Error> {
    sqlx::query(sql).bind(value).execute(conn).await.map_err(Error::during("set lock_timeout"))?;
    Ok(())
}

/// The server counts whole milliseconds in 31 bits, and takes 0 for no limit, which nobody asks for here.
fn in_milliseconds(timeout: Duration) -> String {
    timeout.as_millis().clamp(1, i32::MAX.unsigned_abs().into()).to_string()
}

fn explain(error: &PgDatabaseError, file: &str, number: usize, statement: &Statement, left: Left) -> Error {
    let line = match error.position() {
        Some(PgErrorPosition::Original(position)) => statement.line_at(position),
        _ => statement.line,
    };
    let ours = match error.code() {
        "25001" if left == Left::Nothing => Some("this needs transaction = false in meta.toml"),
        "55P03" => {
            Some("another session held the lock for longer than lock_timeout; run again at a quieter time")
        }
        _ => None,
    };
    Box::new(StatementError {
        file: file.to_owned(),
        line,
        statement: number,
        sqlstate: error.code().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail().map(str::to_owned),
        hint: ours.or(error.hint()).map(str::to_owned),
        left,
    })
    .into()
}

#[cfg(test)]
mod tests {
    use super::in_milliseconds;
    use std::time::Duration;

    #[test]
    fn no_timeout_means_no_limit() {
        assert_eq!(in_milliseconds(Duration::ZERO), "1");
        assert_eq!(in_milliseconds(Duration::from_micros(900)), "1");
        assert_eq!(in_milliseconds(Duration::from_secs(5)), "5000");
        assert_eq!(in_milliseconds(Duration::MAX), "2147483647");
    }
}
