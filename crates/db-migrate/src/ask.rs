//! Asks the server with parameters, whose session we may not have for long.
//!
//! The driver sends such a statement in two messages. A pooler that hands out sessions by the transaction may give the
//! second to another session, which knows nothing of the first; in a transaction it cannot. What has no parameters goes
//! in one message, by `raw_sql`.

use crate::Error;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::{Connection, FromRow, PgConnection, Postgres};

/// The rows of an answer; in the caller's transaction, where there is one.
///
/// # Cancel safety
/// Nothing is changed; the transaction is rolled back.
pub(crate) async fn rows<O>(
    conn: &mut PgConnection,
    question: QueryAs<'_, Postgres, O, PgArguments>,
    action: impl Into<String>,
) -> Result<Vec<O>, Error>
where
    O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let question = question.persistent(false);
    let asked = async {
        if conn.is_in_transaction() {
            return question.fetch_all(conn).await;
        }
        let mut tx = conn.begin().await?;
        let rows = question.fetch_all(&mut *tx).await?;
        tx.commit().await?;
        Ok(rows)
    };
    asked.await.map_err(Error::during(action))
}

/// The only row of an answer.
///
/// # Cancel safety
/// That of [`rows`].
pub(crate) async fn row<O>(
    conn: &mut PgConnection,
    question: QueryAs<'_, Postgres, O, PgArguments>,
    action: impl Into<String> + Clone,
) -> Result<O, Error>
where
    O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let row = rows(conn, question, action.clone()).await?.into_iter().next();
    row.ok_or_else(|| Error::during(action)(sqlx::Error::RowNotFound))
}
