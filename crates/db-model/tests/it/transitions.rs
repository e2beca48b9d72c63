//! Which status may follow which: every pair, in SQL and in Rust.

use crate::task;
use db_model::{ExecutionStatus, TaskStatus};
use db_testkit::fresh_db;
use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Whether the server lets a row, put into `from` without its triggers, be updated to `to`; undone afterwards.
async fn allows(
    conn: &mut PgConnection,
    table: &str,
    columns_of: fn(&str) -> String,
    pair: (&str, &str),
) -> bool {
    let (from, to) = pair;
    let mut tx = conn.begin().await.expect("a transaction");
    let put = |status: &str| {
        AssertSqlSafe(format!("UPDATE {table} SET status = '{status}', {}", columns_of(status)))
    };
    sqlx::raw_sql("SET LOCAL session_replication_role = replica")
        .execute(&mut *tx)
        .await
        .expect("a superuser");
    sqlx::raw_sql(put(from)).execute(&mut *tx).await.expect("the columns fit the status");
    sqlx::raw_sql("SET LOCAL session_replication_role = origin")
        .execute(&mut *tx)
        .await
        .expect("a superuser");
    let outcome = sqlx::raw_sql(put(to)).execute(&mut *tx).await;
    if let Err(error) = &outcome {
        let error = error.as_database_error().expect("the server answers").downcast_ref::<PgDatabaseError>();
        assert_eq!((error.code(), error.table()), ("23514", Some(table)));
        assert_eq!(error.constraint(), Some(format!("{table}_status_change").as_str()));
        assert!(error.message().ends_with(&format!("cannot go from {from} to {to}")), "{error}");
    }
    tx.rollback().await.expect("undone");
    outcome.is_ok()
}

fn task_columns(status: &str) -> String {
    let claim = match status {
        "in_progress" => "claimed_by = 'w', lease_expires_at = now()",
        _ => "claimed_by = NULL, lease_expires_at = NULL",
    };
    let end = if matches!(status, "pending" | "in_progress") { "NULL" } else { "now()" };
    format!("{claim}, started_at = now(), completed_at = {end}")
}

fn execution_columns(status: &str) -> String {
    let start = if status == "pending" { "NULL" } else { "now()" };
    let end = if matches!(status, "pending" | "running") { "NULL" } else { "now()" };
    format!("started_at = {start}, completed_at = {end}")
}

#[tokio::test]
async fn of_tasks() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        task(&mut conn, "walked").await;
        for (from, to) in
            TaskStatus::ALL.iter().flat_map(|from| TaskStatus::ALL.iter().map(move |to| (*from, *to)))
        {
            let sql = allows(&mut conn, "tasks", task_columns, (from.as_str(), to.as_str())).await;
            assert_eq!(sql, from == to || from.can_become(to), "{from} to {to}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_executions() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let id = task(&mut conn, "walked").await.id;
        let new = db_model::execution::NewExecution::new(id, "codegen");
        db_model::execution::insert_many(&mut conn, &[new]).await.expect("inserted");
        let all = ExecutionStatus::ALL;
        for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to))) {
            let sql =
                allows(&mut conn, "task_executions", execution_columns, (from.as_str(), to.as_str())).await;
            assert_eq!(sql, from == to || from.can_become(to), "{from} to {to}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_task_starts_pending() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        for status in TaskStatus::ALL.iter().filter(|status| **status != TaskStatus::Pending) {
            let error = sqlx::query("INSERT INTO tasks (title, status) VALUES ('t', $1)")
                .bind(status)
                .execute(&mut conn)
                .await
                .expect_err("refused");
            let error = error.as_database_error().expect("the server answers");
            assert_eq!(error.constraint(), Some("tasks_initial_status"));
            assert!(error.message().ends_with(&format!("cannot start as {status}")), "{error}");
        }
    })
    .await;
}
