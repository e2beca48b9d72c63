//! Does what a plan says; decides nothing.

use crate::access::{Error, Step, actual::policies, desired::comment_sql, diff::sealed, name::quoted};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use std::time::Duration;

/// Does the steps of a plan, in the caller's transaction: commit it, and they hold from then on all at once.
///
/// A statement that waits for a lock longer than `lock_timeout` fails, as everybody else waits behind it; roll back and
/// try again later. The session's `lock_timeout` and `search_path` are as before afterwards.
///
/// # Errors
/// [`Error::NoTransaction`] outside one, before anything is done. [`Error::Server`] when the server refuses a step; roll
/// back.
///
/// # Cancel safety
/// Dropped, it leaves the transaction with some of the steps done: roll it back.
pub async fn apply(conn: &mut PgConnection, steps: &[Step], lock_timeout: Duration) -> Result<(), Error> {
    const DOING: &str = "cannot prepare the session for access rules";
    let before: (String, String) =
        sqlx::query_as("SELECT current_setting('lock_timeout'), current_setting('search_path')")
            .fetch_one(&mut *conn)
            .await
            .map_err(Error::server(DOING))?;
    let wanted = format!("{}ms", lock_timeout.as_millis());
    set(conn, &wanted, "pg_catalog, pg_temp").await?;
    // Outside a transaction a local setting is gone with its statement.
    let path: String = sqlx::query_scalar("SELECT current_setting('search_path')")
        .fetch_one(&mut *conn)
        .await
        .map_err(Error::server(DOING))?;
    if path != "pg_catalog, pg_temp" {
        return Err(Error::NoTransaction);
    }
    for step in steps {
        run(conn, step.sql.clone()).await?;
    }
    if steps.iter().any(|step| step.seal.is_some()) {
        seal(conn, steps).await?;
    }
    set(conn, &before.0, &before.1).await
}

async fn set(conn: &mut PgConnection, lock_timeout: &str, search_path: &str) -> Result<(), Error> {
    sqlx::query("SELECT set_config('lock_timeout', $1, true), set_config('search_path', $2, true)")
        .bind(lock_timeout)
        .bind(search_path)
        .execute(conn)
        .await
        .map(drop)
        .map_err(Error::server("cannot prepare the session for access rules"))
}

/// Notes on each new policy what the server makes of it, so that a change by hand shows.
async fn seal(conn: &mut PgConnection, steps: &[Step]) -> Result<(), Error> {
    let there = policies(conn).await?;
    for (table, name, mark) in steps.iter().filter_map(|step| step.seal.as_ref()) {
        let Some(policy) = there.get(&(table.clone(), name.clone())) else {
            return Err(Error::Vanished { table: table.to_string(), policy: name.clone() });
        };
        let on = format!("POLICY {} ON {}", quoted(name), table.sql());
        run(conn, comment_sql(&on, &sealed(mark, &policy.reads))).await?;
    }
    Ok(())
}

/// The text is this crate's: names are quoted, values are literals of `literal`.
async fn run(conn: &mut PgConnection, sql: String) -> Result<(), Error> {
    let outcome = conn.execute(AssertSqlSafe(sql.clone())).await;
    outcome.map(drop).map_err(Error::server(sql))
}
