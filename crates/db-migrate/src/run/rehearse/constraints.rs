//! Has deferred constraints speak where a real run commits, although the rehearsal's transaction goes on.

use crate::Error;
use crate::scratch::execute;
use sqlx::PgConnection;

/// Checks what is deferred, and defers again what is declared so. Tells whether there was anything to check.
///
/// Without the check, a later migration could not alter a table whose rows are still to be checked; without the
/// deferring, it would be stricter than a real run.
pub(super) async fn check(conn: &mut PgConnection, label: &str) -> Result<bool, Error> {
    let any: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE condeferrable)")
            .persistent(false)
            .fetch_one(&mut *conn)
            .await
            .map_err(Error::during("look for deferrable constraints"))?;
    if any {
        let during = Error::during(format!("check the deferred constraints of {label}, as its commit would"));
        execute(conn, "SET CONSTRAINTS ALL IMMEDIATE".to_owned()).await.map_err(during)?;
        defer_again(conn).await?;
    }
    Ok(any)
}

/// Defers what is declared to be deferred.
pub(super) async fn defer_again(conn: &mut PgConnection) -> Result<(), Error> {
    let during = || Error::during("defer constraints as they are declared");
    // One name may be that of several constraints of a schema: it can be set only where all of them may be deferred.
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', space.nspname, conname) FROM pg_catalog.pg_constraint \
         JOIN pg_catalog.pg_namespace AS space ON space.oid = connamespace \
         GROUP BY space.nspname, conname HAVING bool_and(condeferred)",
    )
    .persistent(false)
    .fetch_all(&mut *conn)
    .await
    .map_err(during())?;
    if names.is_empty() {
        return Ok(());
    }
    execute(conn, format!("SET CONSTRAINTS {} DEFERRED", names.join(", "))).await.map_err(during())
}

/// Whether a statement may make a constraint that is deferred.
pub(super) fn may_declare(statement: &str) -> bool {
    statement.to_ascii_lowercase().contains("deferred")
}
