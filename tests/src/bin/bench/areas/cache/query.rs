//! Answers of statements: one that is kept, beside the statement itself on the pool.

use super::PAIRS;
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_embedded::{Mode, Options, Postgres};
use db_facade::{
    Database,
    db_config::Loader,
    db_query::{Select, Statement, asc, col},
};
use sqlx::Connection;
use std::time::{Duration, Instant};

const ASKED: u32 = 2_000;
const TTL: Duration = Duration::from_secs(600);
const ANSWER: [Work; 1] = [Work {
    area: "cache",
    work: "a kept answer of 20 rows: Database::query(..).cached(..)",
    peer: Some("the same statement on our pool"),
    unit: "µs",
    better: Better::Lower,
    goal: None,
}];

type Item = (i64, String);

pub(crate) async fn run() -> Result<Vec<Row>, Failure> {
    let server = Postgres::start(Options::new(Mode::Ephemeral)).await?;
    let url = server.url().expose().to_owned();
    let config = Loader::new().env([("DATABASE_URL", url.as_str())]).load()?;
    let db = Database::builder().config(config).build().await?;
    db.migrate().await?;
    let mut lease = db.pool().acquire().await?;
    let mut tx = lease.begin().await?;
    sqlx::raw_sql(
        "CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL); \
         INSERT INTO items SELECT n, 'item ' || n FROM generate_series(1, 1000) AS n",
    )
    .execute(&mut *tx)
    .await?;
    db.cache().watch_tables(&mut tx, &["items"]).await?;
    tx.commit().await?;
    drop(lease);
    let statement = |from: i64| -> Result<Statement, Failure> {
        let select = Select::from("items").columns(["id", "name"]).filter(col("id").ge(from));
        Ok(select.order_by(asc("id")).limit(20).build()?)
    };
    let cached = async || {
        let began = Instant::now();
        for at in 0..ASKED {
            let rows = db.query(&statement(i64::from(at % 10))?).cached(TTL).all::<Item>().await?;
            check(rows.len())?;
        }
        Ok([each(began)])
    };
    let asked = async || {
        let began = Instant::now();
        for at in 0..ASKED {
            let rows = db.query(&statement(i64::from(at % 10))?).all::<Item>().await?;
            check(rows.len())?;
        }
        Ok([each(began)])
    };
    let rows = in_turns(ANSWER, PAIRS, cached, asked).await?;
    if db.uncached_queries() > 0 {
        return Err("answers were to be kept, and were not".into());
    }
    db.close().await;
    server.stop().await;
    Ok(rows)
}

fn check(rows: usize) -> Result<(), Failure> {
    if rows == 20 { Ok(()) } else { Err(format!("{rows} rows instead of 20").into()) }
}

/// Microseconds of one.
fn each(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6 / f64::from(ASKED)
}
