//! The schema and its rows on a real server.

mod agent;
mod audit_log;
mod bulk;
mod catalogue;
mod checks;
mod code_analysis;
mod deletion;
mod error_log;
mod execution;
mod frame;
mod generic_plan;
mod mail;
mod n_plus_one;
mod page;
mod pr_validation;
mod refused;
mod relation;
mod repository;
mod research;
mod rows;
mod schema;
mod search;
mod security_event;
mod serving;
mod sign_in;
mod stale;
mod status;
mod system_config;
mod task;
mod transitions;
mod user;
mod views;

use db_model::task::{NewTask, Task};
use sqlx::PgConnection;

async fn task(conn: &mut PgConnection, title: &str) -> Task {
    db_model::task::insert(conn, &NewTask::new(title)).await.expect("a task")
}

async fn run(conn: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(conn).await.expect("the test's own SQL works");
}
