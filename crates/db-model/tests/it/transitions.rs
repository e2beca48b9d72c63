//! Which status may follow which: every pair, in SQL and in Rust.

use crate::rows;
use db_model::TaskStatus;
use db_model::agent::Agent;
use db_model::decision::Decision;
use db_model::entity::{HasStatus, Status};
use db_model::execution::Execution;
use db_model::mail::{Email, EmailThread};
use db_model::plan::{Plan, PlanStep};
use db_model::pr_validation::PrValidation;
use db_model::research::ResearchQuery;
use db_model::task::Task;
use db_model::user::User;
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
    next: Vec<(&'static str, Vec<&'static str>)>,
}

/// What the program believes.
fn of_type<E: HasStatus>(columns_of: fn(&str) -> String) -> Statuses {
    let all = E::Status::ALL;
    let after = |from: &E::Status| {
        all.iter().filter(|to| from.can_become(**to)).map(|to| to.as_str()).collect::<Vec<_>>()
    };
    let next = all.iter().map(|from| (from.as_str(), after(from))).collect();
    Statuses { table: E::TABLE.name(), columns_of, next }
}

fn statuses() -> Vec<Statuses> {
    vec![
        of_type::<Task>(task_columns),
        of_type::<Execution>(execution_columns),
        of_type::<PrValidation>(no_columns),
        of_type::<User>(no_columns),
        of_type::<EmailThread>(no_columns),
        of_type::<Email>(no_columns),
        of_type::<ResearchQuery>(query_columns),
        of_type::<Agent>(no_columns),
        of_type::<Decision>(decision_columns),
        of_type::<Plan>(plan_columns),
        of_type::<PlanStep>(step_columns),
    ]
}

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
async fn the_server_allows_what_the_program_does() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        for Statuses { table, columns_of, next } in statuses() {
            for (from, legal) in &next {
                for (to, _) in &next {
                    let sql = allows(&mut conn, table, columns_of, (from, to)).await;
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
             WHERE conname = conrelid::regclass || '_status_check' ORDER BY 1, 2",
        )
        .fetch_all(&mut conn)
        .await
        .expect("the catalogue can be read");
        let mut tried: Vec<_> = statuses()
            .iter()
            .flat_map(|of| of.next.iter().map(|(status, _)| (of.table.to_owned(), (*status).to_owned())))
            .collect();
        tried.sort();
        assert_eq!(named, tried);
    })
    .await;
}
