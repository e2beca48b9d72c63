//! Ours and the peers behind one trait: pools of [`SIZE`] connections that are asked for rows by key.
//!
//! Every pool has all of its connections open before it is measured, so that one that lends the oldest first does so.

use crate::Failure;
use bb8::ManageConnection;
use bb8_postgres::PostgresConnectionManager;
use db_pool::{Pool, PoolConfig};
use deadpool_postgres::{Manager, PoolConfig as DeadpoolConfig, QueueMode};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{future::Future, num::NonZeroU32};
use tokio_postgres::{Client, NoTls, Row, Statement};

/// Connections of each pool.
pub(super) const SIZE: u32 = 16;
pub(super) const POINT: &str = "SELECT id, name FROM points WHERE id = $1";

/// A pool that is asked for rows by key.
pub(super) trait Selects: Clone + Send + Sync + 'static {
    /// Asks for one row of `points`, by many tasks at once; prepared, decoded.
    fn select(&self, key: i64) -> impl Future<Output = Result<(i64, String), Failure>> + Send;
}

/// Our configuration: the defaults, and every connection open from the start.
pub(super) fn config(url: &str) -> Result<PoolConfig, Failure> {
    let size = NonZeroU32::new(SIZE).ok_or("the size is not zero")?;
    Ok(PoolConfig::from_url(url)?.max_size(size).min_size(SIZE))
}

pub(super) async fn ours(url: &str) -> Result<Pool, Failure> {
    Ok(Pool::connect(&config(url)?).await?)
}

impl Selects for Pool {
    async fn select(&self, key: i64) -> Result<(i64, String), Failure> {
        Ok(sqlx::query_as(POINT).bind(key).fetch_one(self).await?)
    }
}

/// sqlx's own pool as it is by default.
pub(super) async fn sqlx_default(url: &str) -> Result<PgPool, Failure> {
    let pool = PgPoolOptions::new().max_connections(SIZE).connect(url).await?;
    let mut all = Vec::new();
    for _ in 0..SIZE {
        all.push(pool.acquire().await?);
    }
    Ok(pool)
}

impl Selects for PgPool {
    async fn select(&self, key: i64) -> Result<(i64, String), Failure> {
        Ok(sqlx::query_as(POINT).bind(key).fetch_one(self).await?)
    }
}

/// deadpool-postgres, which lends the oldest first by default.
pub(super) async fn deadpool(url: &str, queue_mode: QueueMode) -> Result<deadpool_postgres::Pool, Failure> {
    let manager = Manager::new(url.parse()?, NoTls);
    let config = DeadpoolConfig { queue_mode, ..DeadpoolConfig::new(SIZE as usize) };
    let pool = deadpool_postgres::Pool::builder(manager).config(config).build()?;
    let mut all = Vec::new();
    for _ in 0..SIZE {
        all.push(pool.get().await?);
    }
    Ok(pool)
}

impl Selects for deadpool_postgres::Pool {
    async fn select(&self, key: i64) -> Result<(i64, String), Failure> {
        let client = self.get().await?;
        let statement = client.prepare_cached(POINT).await?;
        decode(&client.query_one(&statement, &[&key]).await?)
    }
}

/// bb8-postgres as it is by default: it lends the oldest first, and asks each connection for life before it lends it. Since
/// it keeps no statements, its connections come with the one that is needed.
#[derive(Clone)]
pub(super) struct Bb8(bb8::Pool<Preparing>);

pub(super) async fn bb8_default(url: &str) -> Result<Bb8, Failure> {
    let manager = Preparing(PostgresConnectionManager::new(url.parse()?, NoTls));
    let pool = bb8::Pool::builder().max_size(SIZE).build(manager).await?;
    let mut all = Vec::new();
    for _ in 0..SIZE {
        all.push(pool.get().await?);
    }
    drop(all);
    Ok(Bb8(pool))
}

impl Selects for Bb8 {
    async fn select(&self, key: i64) -> Result<(i64, String), Failure> {
        let conn = self.0.get().await?;
        let (client, statement) = &*conn;
        decode(&client.query_one(statement, &[&key]).await?)
    }
}

/// bb8-postgres's manager, and the statement with each connection.
struct Preparing(PostgresConnectionManager<NoTls>);

impl ManageConnection for Preparing {
    type Connection = (Client, Statement);
    type Error = tokio_postgres::Error;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        let client = self.0.connect().await?;
        let statement = client.prepare(POINT).await?;
        Ok((client, statement))
    }

    async fn is_valid(&self, (client, _): &mut Self::Connection) -> Result<(), Self::Error> {
        self.0.is_valid(client).await
    }

    fn has_broken(&self, (client, _): &mut Self::Connection) -> bool {
        self.0.has_broken(client)
    }
}

fn decode(row: &Row) -> Result<(i64, String), Failure> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}
