//! Which status may follow which: every pair, in SQL and, where there is a type for it, in Rust.

use crate::{rows, task};
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

/// Every status of a table, with those that may follow it.
struct Statuses {
    table: &'static str,
    columns_of: fn(&str) -> String,
    next: &'static [(&'static str, &'static [&'static str])],
}

const STATUSES: &[Statuses] = &[
    Statuses {
        table: "pr_validations",
        columns_of: no_columns,
        next: &[
            ("pending", &["running", "passed", "failed", "cancelled"]),
            ("running", &["passed", "failed", "cancelled"]),
            ("passed", &[]),
            ("failed", &["pending"]),
            ("cancelled", &["pending"]),
        ],
    },
    Statuses {
        table: "users",
        columns_of: no_columns,
        next: &[
            ("pending", &["active", "closed"]),
            ("active", &["suspended", "closed"]),
            ("suspended", &["active", "closed"]),
            ("closed", &[]),
        ],
    },
    Statuses {
        table: "email_threads",
        columns_of: no_columns,
        next: &[
            ("open", &["closed", "archived"]),
            ("closed", &["open", "archived"]),
            ("archived", &["open"]),
        ],
    },
    Statuses {
        table: "emails",
        columns_of: no_columns,
        next: &[
            ("unread", &["read", "replied", "archived", "spam", "trash"]),
            ("read", &["unread", "replied", "archived", "spam", "trash"]),
            ("replied", &["archived", "spam", "trash"]),
            ("archived", &["unread", "read", "replied", "spam", "trash"]),
            ("spam", &["unread", "read", "trash"]),
            ("trash", &["unread", "read", "replied", "archived"]),
        ],
    },
    Statuses {
        table: "research_queries",
        columns_of: query_columns,
        next: &[
            ("pending", &["in_progress", "cancelled"]),
            ("in_progress", &["completed", "failed", "cancelled", "pending"]),
            ("completed", &[]),
            ("failed", &["pending"]),
            ("cancelled", &["pending"]),
        ],
    },
    Statuses {
        table: "agents",
        columns_of: no_columns,
        next: &[
            ("starting", &["active", "idle", "failed", "stopped"]),
            ("active", &["idle", "paused", "failed", "stopped"]),
            ("idle", &["active", "paused", "failed", "stopped"]),
            ("paused", &["active", "idle", "failed", "stopped"]),
            ("failed", &["starting", "stopped"]),
            ("stopped", &["starting"]),
        ],
    },
    Statuses {
        table: "decisions",
        columns_of: decision_columns,
        next: &[
            ("pending", &["succeeded", "failed", "reverted"]),
            ("succeeded", &["reverted"]),
            ("failed", &["reverted"]),
            ("reverted", &[]),
        ],
    },
    Statuses {
        table: "plans",
        columns_of: plan_columns,
        next: &[
            ("draft", &["active", "abandoned"]),
            ("active", &["completed", "failed", "abandoned"]),
            ("completed", &[]),
            ("failed", &["active"]),
            ("abandoned", &[]),
        ],
    },
    Statuses {
        table: "plan_steps",
        columns_of: step_columns,
        next: &[
            ("pending", &["running", "skipped"]),
            ("running", &["done", "failed", "pending"]),
            ("done", &[]),
            ("failed", &["pending", "skipped"]),
            ("skipped", &["pending"]),
        ],
    },
];

fn time_if(set: bool) -> &'static str {
    if set { "now()" } else { "NULL" }
}

fn no_columns(_: &str) -> String {
    "version = version".to_owned()
}

fn query_columns(status: &str) -> String {
    let end = time_if(!matches!(status, "pending" | "in_progress"));
    format!("started_at = now(), completed_at = {end}")
}

fn decision_columns(status: &str) -> String {
    format!("resolved_at = {}", time_if(status != "pending"))
}

fn plan_columns(status: &str) -> String {
    format!("completed_at = {}", time_if(!matches!(status, "draft" | "active")))
}

fn step_columns(status: &str) -> String {
    let end = time_if(!matches!(status, "pending" | "running"));
    format!("started_at = {}, completed_at = {end}", time_if(status != "pending"))
}

#[tokio::test]
async fn of_every_other_table() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        for Statuses { table, columns_of, next } in STATUSES {
            for (from, legal) in *next {
                for (to, _) in *next {
                    let sql = allows(&mut conn, table, *columns_of, (from, to)).await;
                    assert_eq!(sql, from == to || legal.contains(to), "{table}: {from} to {to}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn no_status_is_left_out() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let named: Vec<(String, String)> = sqlx::query_as(
            "SELECT conrelid::regclass::text, status[1] FROM pg_constraint,
                 regexp_matches(pg_get_constraintdef(oid), $$'([a-z_]+)'::text$$, 'g') AS status
             WHERE conname = conrelid::regclass || '_status_check'
             AND conrelid <> ALL ('{tasks,task_executions}'::regclass[]) ORDER BY 1, 2",
        )
        .fetch_all(&mut conn)
        .await
        .expect("the catalogue can be read");
        let mut tried: Vec<_> = STATUSES
            .iter()
            .flat_map(|of| of.next.iter().map(|(status, _)| (of.table.to_owned(), (*status).to_owned())))
            .collect();
        tried.sort();
        assert_eq!(named, tried);
    })
    .await;
}
