//! What the pool asks of a server session: who it is, and to forget what its last user did.

use sqlx::{Executor, PgConnection, Row, raw_sql};

/// A server process. The start is part of it, since process numbers are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    /// When the session began, in microseconds since 1970.
    pub(crate) started_micros: i64,
}

/// What a new session says about itself and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) identity: Identity,
    /// Connections that the server grants to ordinary users.
    pub(crate) server_connections: u32,
}

/// One round trip, once in the life of a connection. The first statement makes the reset's question ready: planning it anew
/// each time would cost more than all the rest of the reset.
///
/// A role that the login is given by `ALTER ROLE .. SET role` may not see its own session's start, so the login asks.
const GREETING: &str = "SET LOCAL ROLE NONE; PREPARE cairn_reset AS SELECT now() = statement_timestamp() AS idle, \
    7316650299842164103 AS mark, pg_advisory_unlock_all(); \
    SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8 AS started, \
    current_setting('max_connections')::int4 - current_setting('superuser_reserved_connections')::int4 AS room \
    FROM pg_stat_get_activity(pg_backend_pid())";

/// Asks a new session who it is. `Ok(None)` where the server does not know the question.
pub(crate) async fn greet(conn: &mut PgConnection) -> Result<Option<Greeting>, sqlx::Error> {
    let row = match conn.fetch_optional(raw_sql(GREETING)).await {
        Ok(row) => row,
        Err(sqlx::Error::Database(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(row) = row else { return Ok(None) };
    let (Ok(pid), Ok(started_micros), Ok(room)) =
        (row.try_get("pid"), row.try_get("started"), row.try_get::<i32, _>("room"))
    else {
        return Ok(None);
    };
    Ok(Some(Greeting {
        identity: Identity { pid, started_micros },
        server_connections: u32::try_from(room).unwrap_or(0),
    }))
}

/// A number that no statement of a user answers with, so that a left-over answer is not taken for this one's.
const MARK: i64 = 7_316_650_299_842_164_103;

/// One message, one round trip. The first answer says whether a transaction is open: `now()` is the time of its first
/// statement. What follows is `DISCARD ALL` but for the prepared statements, which sqlx believes to be there. A session
/// in which somebody has thrown those away refuses the first, and is closed.
const RESET: &str = "EXECUTE cairn_reset; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
    DISCARD TEMP; DISCARD SEQUENCES";

/// What a reset found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No transaction was open.
    Idle,
    /// A transaction that the pool had not seen was open and has been rolled back.
    Transaction,
}

/// Makes a session as it was when it was opened, prepared statements aside.
///
/// # Errors
/// Whatever makes the connection unfit to be lent again, an answer to somebody else's question included.
pub(crate) async fn reset(conn: &mut PgConnection) -> Result<Found, sqlx::Error> {
    match ask_for_reset(conn).await {
        Ok(true) => return Ok(Found::Idle),
        Ok(false) => {}
        // The transaction that is open has failed (25P02): the session answers nothing but its end.
        Err(error) if is_failed_transaction(&error) => drain(conn).await?,
        Err(error) => return Err(error),
    }
    conn.execute(raw_sql("ROLLBACK")).await?;
    if ask_for_reset(conn).await? {
        Ok(Found::Transaction)
    } else {
        Err(sqlx::Error::Protocol("a transaction stays open after its rollback".to_owned()))
    }
}

/// Waits until the server owes nothing, past the errors that end cut statements.
pub(crate) async fn drain(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    use sqlx::Connection;
    loop {
        match conn.flush().await {
            // The error of the statement that was cut; what follows it is still owed.
            Err(sqlx::Error::Database(_)) => {}
            result => return result,
        }
    }
}

async fn ask_for_reset(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let rows = conn.fetch_all(raw_sql(RESET)).await?;
    let foreign = || sqlx::Error::Protocol("the session answers a question that was not asked".to_owned());
    let row = rows.first().ok_or_else(foreign)?;
    let mark: i64 = row.try_get("mark").map_err(|_| foreign())?;
    if mark == MARK { row.try_get("idle") } else { Err(foreign()) }
}

fn is_failed_transaction(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "25P02")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_question_holds_the_mark_that_is_looked_for() {
        assert!(super::GREETING.contains(&format!(" {} AS mark", super::MARK)));
    }
}
