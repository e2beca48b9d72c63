//! The statements that the crate builds, not copies of them, are served by their indexes also under generic plans.

use crate::run;
use db_model::mail::{self, EmailSearch, EmailStatus};
use db_model::n_plus_one::watch;
use db_model::task::{self, TaskFilter};
use db_model::{TaskStatus, UserId};
use db_testkit::fresh_db;
use sqlx::{AssertSqlSafe, PgConnection};

/// The only statement that a question sends.
async fn sent<T>(asked: impl Future<Output = Result<T, db_model::Error>>) -> String {
    let (answer, report) = watch(0, asked).await;
    assert!(answer.is_ok());
    let [one] = report.repeated() else { panic!("{report}") };
    one.sql.clone()
}

async fn plan(conn: &mut PgConnection, sql: &str) -> String {
    let count = (1..).take_while(|number| sql.contains(&format!("${number}"))).count();
    let nulls = vec!["NULL"; count].join(", ");
    let nulls = if count == 0 { String::new() } else { format!("({nulls})") };
    let prepare = AssertSqlSafe(format!("DEALLOCATE ALL; PREPARE asked AS {sql}"));
    sqlx::raw_sql(prepare).execute(&mut *conn).await.expect("prepared");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN EXECUTE asked{nulls}")))
        .persistent(false)
        .fetch_all(conn)
        .await
        .expect("a plan");
    lines.join("\n")
}

#[tokio::test]
async fn a_status_is_seen_by_the_planner() {
    fresh_db(|db| async move {
        // One to explain, as DEALLOCATE would take away what the other has prepared.
        let (mut conn, mut explain) = (db.connect().await, db.connect().await);
        run(&mut explain, "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off").await;
        let user = UserId::generate();
        let unread = EmailSearch { status: Some(EmailStatus::Unread), ..EmailSearch::default() };
        let failed = TaskFilter { status: Some(TaskStatus::Failed), ..TaskFilter::default() };
        for (index, sql) in [
            ("emails_unread_idx", sent(mail::search(&mut conn, user, unread, 9)).await),
            ("emails_unread_idx", sent(mail::unread(&mut conn, user, 9)).await),
            ("tasks_failed_idx", sent(task::list(&mut conn, &failed)).await),
        ] {
            let plan = plan(&mut explain, &sql).await;
            assert!(plan.contains(index), "{sql}\n{plan}");
        }
    })
    .await;
}
