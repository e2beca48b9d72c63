//! The schema and its rows on a real server.

mod checks;
mod code_analysis;
mod deletion;
mod error_log;
mod execution;
mod rows;
mod schema;
mod search;
mod serving;
mod task;
mod transitions;
mod views;

use db_model::task::{NewTask, Task};
use sqlx::PgConnection;

async fn task(conn: &mut PgConnection, title: &str) -> Task {
    db_model::task::insert(conn, &NewTask::new(title)).await.expect("a task")
}

async fn run(conn: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(conn).await.expect("the test's own SQL works");
}
