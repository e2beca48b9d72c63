//! The five views answer what they promise.

use crate::run;
use db_testkit::fresh_db;
use sqlx::PgConnection;

async fn texts(conn: &mut PgConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(conn).await.expect("the view answers")
}

const ROWS: &str = "
INSERT INTO tasks (id, title) VALUES
    ('00000000-0000-0000-0000-000000000001', 'open'), ('00000000-0000-0000-0000-000000000002', 'done');
UPDATE tasks SET status = 'cancelled', completed_at = now() WHERE title = 'done';
INSERT INTO task_executions (task_id, agent_type, status, queued_at, started_at, completed_at)
SELECT id, 'codegen', 'completed', now() - interval '9 s', now() - interval '6 s', now() FROM tasks;
INSERT INTO pr_validations (pr_number, repository, status) VALUES (1, 'a/b', 'passed'), (1, 'a/b', 'passed');
INSERT INTO error_logs (error_type, resolved, recovery_attempts) VALUES ('api', true, 2), ('api', false, 3);
INSERT INTO audit_logs (entity_type, entity_id, action, created_at) VALUES
    ('tasks', '00000000-0000-0000-0000-000000000001', 'update', now()),
    ('tasks', 'no uuid', 'update', now()),
    ('system_config', 'pool.size', 'update', now()),
    ('tasks', '00000000-0000-0000-0000-000000000001', 'insert', now() - interval '8 days');";

#[tokio::test]
async fn the_views_answer() {
    fresh_db(|db| async move {
let mut conn = db.connect().await;
    run(&mut conn, ROWS).await;
    for (sql, expected) in [
        ("SELECT title FROM active_tasks", &["open"][..]),
        (
            "SELECT concat_ws(' ', agent_type, status, executions, tasks, average_wait, average_run, longest_run) \
             FROM task_execution_summary",
            &["codegen completed 2 2 00:00:03 00:00:06 00:00:06"],
        ),
        (
            "SELECT concat_ws(' ', repository, status, validations, pull_requests) FROM pr_validation_summary",
            &["a/b passed 2 1"],
        ),
        (
            "SELECT concat_ws(' ', error_type, resolved, errors, tasks, recovery_attempts) FROM error_summary \
             ORDER BY resolved",
            &["api f 1 0 3", "api t 1 0 2"],
        ),
        (
            "SELECT concat_ws(' ', entity_id, task_title) FROM recent_activity ORDER BY 1",
            &["00000000-0000-0000-0000-000000000001 open", "no uuid", "pool.size"],
        ),
    ] {
        assert_eq!(texts(&mut conn, sql).await, expected, "{sql}");
    }
    })
.await;
}
