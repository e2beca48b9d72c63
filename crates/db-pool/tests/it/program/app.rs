//! A program as people write it for `sqlx::PgPool`: macros, typed rows, a stream, transactions, a savepoint, a prepared
//! statement, a function that is generic over the executor. `mod.rs` compiles this file twice, unchanged.

use super::PgPool;
use futures_util::TryStreamExt;
use sqlx::{Acquire, Executor, PgExecutor, Row};

#[derive(Debug, sqlx::FromRow)]
struct Titled {
    title: String,
    priority: i16,
}

/// Takes any executor: a pool, a connection, a transaction.
async fn count<'e>(executor: impl PgExecutor<'e>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM tasks"#).fetch_one(executor).await
}

pub(crate) async fn run(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    let mut said = Vec::new();

    let title = "first";
    let made = sqlx::query!("INSERT INTO tasks (title) VALUES ($1) RETURNING title, priority", title);
    let made = made.fetch_one(pool).await?;
    let done = sqlx::query("INSERT INTO tasks (title) SELECT 'more ' || n FROM generate_series(1, 3) n")
        .execute(pool)
        .await?;
    said.push(format!("{} more", done.rows_affected()));

    let first = sqlx::query_as!(Titled, "SELECT title, priority FROM tasks WHERE title = $1", made.title);
    let first = first.fetch_one(pool).await?;
    said.push(format!("{} {}", first.priority == made.priority, first.title));
    let none: Option<Titled> = sqlx::query_as("SELECT title, priority FROM tasks WHERE title = $1")
        .bind("-")
        .fetch_optional(pool)
        .await?;
    said.push(format!("{none:?}"));

    let mut rows =
        sqlx::query_as::<_, Titled>("SELECT title, priority FROM tasks ORDER BY title").fetch(pool);
    while let Some(row) = rows.try_next().await? {
        said.push(row.title);
    }
    drop(rows);

    // A transaction that is committed, with a savepoint that is not.
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO tasks (title) VALUES ('kept')").execute(&mut *tx).await?;
    let mut inner = tx.begin().await?;
    sqlx::query("DELETE FROM tasks").execute(&mut *inner).await?;
    said.push(format!("{} inside", count(&mut *inner).await?));
    inner.rollback().await?;
    tx.commit().await?;
    // And one that is dropped.
    let mut tx = pool.begin().await?;
    sqlx::query("DELETE FROM tasks").execute(&mut *tx).await?;
    drop(tx);
    said.push(format!("{} left", count(pool).await?));

    let mut conn = pool.acquire().await?;
    let titles = sqlx::query("SELECT title FROM tasks WHERE title LIKE $1 ORDER BY 1")
        .bind("more%")
        .fetch_all(&mut *conn)
        .await?;
    said.push(titles.iter().map(|row| row.get::<String, _>("title")).collect::<Vec<_>>().join(","));
    drop(conn);

    let several = pool.execute("SELECT 1; SELECT 2").await?;
    said.push(format!("{} rows", several.rows_affected()));
    let statement = pool.prepare(sqlx::SqlSafeStr::into_sql_str("SELECT $1::int4 + 1")).await?;
    let two: i32 = sqlx::Statement::query_scalar(&statement).bind(1).fetch_one(pool).await?;
    said.push(two.to_string());

    let refused = sqlx::query("INSERT INTO tasks (title) VALUES ($1)").bind("").execute(pool).await;
    let code = refused.as_ref().err().and_then(|error| error.as_database_error()?.code());
    said.push(format!("{code:?}"));
    let missing = sqlx::query("SELECT 1 WHERE false").fetch_one(pool).await;
    said.push(format!("{}", matches!(missing, Err(sqlx::Error::RowNotFound))));

    said.push(format!("{} {}", pool.size() >= 1, pool.is_closed()));
    pool.close().await;
    let closed = sqlx::query("SELECT 1").execute(pool).await;
    said.push(format!("{} {}", matches!(closed, Err(sqlx::Error::PoolClosed)), pool.is_closed()));
    Ok(said)
}
