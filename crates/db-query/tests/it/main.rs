//! Built statements before a server: its grammar takes every one of them, and they mean what they say.

mod clauses;
mod excluded;
mod expressions;
mod filters;
mod fuzz;
mod keyset;
mod refused;
mod restrict;
mod shapes;
mod touches;
mod values;

use db_query::{BuildError, Statement};
use sqlx::{Connection, Executor, PgConnection, postgres::PgRow};

/// Compares the text of a statement, and has the server run it in a transaction that is rolled back.
async fn check(
    conn: &mut PgConnection,
    statement: Result<Statement, BuildError>,
    expected: &str,
) -> Vec<PgRow> {
    let statement = statement.expect(expected);
    assert_eq!(statement.sql(), expected);
    run(conn, statement).await
}

/// Has the server run a statement in a transaction that is rolled back.
async fn run(conn: &mut PgConnection, statement: Statement) -> Vec<PgRow> {
    let text = statement.sql().to_owned();
    let mut tx = conn.begin().await.expect("a transaction");
    let rows = tx.fetch_all(statement).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    tx.rollback().await.expect("rolled back");
    rows
}
