//! Running what `db-query` built, with our errors.

use crate::Error;
use db_query::{BuildError, Statement};
use sqlx::{Executor, FromRow, PgConnection, postgres::PgRow};

/// Runs a statement and reads its rows.
pub(crate) async fn rows<T>(
    conn: &mut PgConnection,
    action: &'static str,
    statement: Result<Statement, BuildError>,
) -> Result<Vec<T>, Error>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    let statement = statement.map_err(|source| Error::Build { action, source })?;
    let rows = conn.fetch_all(statement).await.map_err(Error::during(action))?;
    rows.iter().map(T::from_row).collect::<Result<_, _>>().map_err(Error::during(action))
}

/// Runs a statement of one column and reads its values.
pub(crate) async fn scalars<T>(
    conn: &mut PgConnection,
    action: &'static str,
    statement: Result<Statement, BuildError>,
) -> Result<Vec<T>, Error>
where
    (T,): for<'r> FromRow<'r, PgRow>,
{
    let rows: Vec<(T,)> = rows(conn, action, statement).await?;
    Ok(rows.into_iter().map(|(value,)| value).collect())
}

/// Runs a statement and counts the rows that it changed.
pub(crate) async fn changed(
    conn: &mut PgConnection,
    action: &'static str,
    statement: Result<Statement, BuildError>,
) -> Result<u64, Error> {
    let statement = statement.map_err(|source| Error::Build { action, source })?;
    Ok(conn.execute(statement).await.map_err(Error::during(action))?.rows_affected())
}
