//! What the tables refuse: one row a constraint.

use crate::run;
use db_testkit::fresh_db;
use sqlx::Connection;

/// Statements that are refused by the constraint before them, on a pending task, a pending execution and a file.
const REFUSED: &[(&str, &str)] = &[
    ("tasks_title_check", "INSERT INTO tasks (title) VALUES ('')"),
    ("tasks_status_check", "UPDATE tasks SET status = 'paused'"),
    ("tasks_priority_check", "UPDATE tasks SET priority = 11"),
    ("tasks_priority_check", "UPDATE tasks SET priority = -1"),
    ("tasks_parent_check", "UPDATE tasks SET parent_task_id = id"),
    (
        "tasks_started_check",
        "UPDATE tasks SET status = 'in_progress', claimed_by = 'w', lease_expires_at = now()",
    ),
    ("tasks_completed_check", "UPDATE tasks SET status = 'cancelled'"),
    ("tasks_completed_check", "UPDATE tasks SET completed_at = now()"),
    ("tasks_queue_check", "UPDATE tasks SET queue = ''"),
    ("tasks_kind_check", "UPDATE tasks SET kind = ''"),
    ("tasks_attempts_check", "UPDATE tasks SET attempts = -1"),
    ("tasks_max_attempts_check", "UPDATE tasks SET max_attempts = 0"),
    ("tasks_waiting_on_check", "UPDATE tasks SET waiting_on = -1"),
    ("tasks_lease_token_check", "UPDATE tasks SET lease_token = -1"),
    ("tasks_claim_check", "UPDATE tasks SET claimed_by = 'w'"),
    ("tasks_claim_check", "UPDATE tasks SET lease_expires_at = now()"),
    (
        "tasks_claim_check",
        "UPDATE tasks SET status = 'in_progress', started_at = now(), lease_expires_at = now()",
    ),
    ("tasks_claim_check", "UPDATE tasks SET status = 'in_progress', started_at = now(), claimed_by = 'w'"),
    ("task_dependencies_self_check", "INSERT INTO task_dependencies SELECT id, id FROM tasks"),
    (
        "task_dependencies_on_failure_check",
        "INSERT INTO task_dependencies SELECT id, gen_random_uuid(), 'ignore' FROM tasks",
    ),
    (
        "task_dependencies_depends_on_fkey",
        "INSERT INTO task_dependencies SELECT id, gen_random_uuid() FROM tasks",
    ),
    ("task_executions_agent_type_check", "UPDATE task_executions SET agent_type = ''"),
    ("task_executions_status_check", "UPDATE task_executions SET status = 'paused', started_at = now()"),
    ("task_executions_logs_check", "UPDATE task_executions SET logs = '{}'"),
    ("task_executions_attempt_check", "UPDATE task_executions SET attempt = 0"),
    ("task_executions_started_check", "UPDATE task_executions SET status = 'running'"),
    ("task_executions_started_check", "UPDATE task_executions SET started_at = now()"),
    ("task_executions_completed_check", "UPDATE task_executions SET status = 'cancelled'"),
    (
        "pr_validations_pr_number_check",
        "INSERT INTO pr_validations (pr_number, repository) VALUES (0, 'a/b')",
    ),
    ("pr_validations_repository_check", "INSERT INTO pr_validations (pr_number, repository) VALUES (1, '')"),
    (
        "pr_validations_status_check",
        "INSERT INTO pr_validations (pr_number, repository, status) VALUES (1, 'a/b', 'x')",
    ),
    ("error_logs_error_type_check", "INSERT INTO error_logs (error_type) VALUES ('cosmic')"),
    (
        "error_logs_recovery_attempts_check",
        "INSERT INTO error_logs (error_type, recovery_attempts) VALUES ('api', -1)",
    ),
    ("system_config_key_check", "INSERT INTO system_config (key, value) VALUES ('', '1')"),
    (
        "audit_logs_entity_type_check",
        "INSERT INTO audit_logs (entity_type, entity_id, action) VALUES ('', '1', 'a')",
    ),
    (
        "audit_logs_action_check",
        "INSERT INTO audit_logs (entity_type, entity_id, action) VALUES ('t', '1', '')",
    ),
    ("code_analysis_method_check", "UPDATE code_analysis SET method = 'guess'"),
    ("code_analysis_lines_check", "UPDATE code_analysis SET lines = -1"),
    ("code_analysis_size_bytes_check", "UPDATE code_analysis SET size_bytes = -1"),
    ("code_analysis_file_path_check", "UPDATE code_analysis SET file_path = ''"),
];

#[tokio::test]
async fn the_tables_refuse_what_cannot_be() {
    fresh_db(|db| async move {
let mut conn = db.connect().await;
    run(
        &mut conn,
        "INSERT INTO tasks (title) VALUES ('t');
         INSERT INTO task_executions (task_id, agent_type) SELECT id, 'codegen' FROM tasks;
         INSERT INTO code_analysis (root, file_path, package, size_bytes, modified_ns, lines, code, comments, blanks,
             functions, max_nesting, complexity, max_complexity, method)
         VALUES ('/r', 'f', 'p', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'text');",
    )
    .await;
    for (constraint, sql) in REFUSED {
        let mut tx = conn.begin().await.expect("a transaction");
        // Which status may follow which is asked elsewhere; here the checks have the word.
        sqlx::raw_sql("ALTER TABLE tasks DISABLE TRIGGER tasks_status_change")
            .execute(&mut *tx)
            .await
            .expect("off");
        sqlx::raw_sql("ALTER TABLE task_executions DISABLE TRIGGER task_executions_status_change")
            .execute(&mut *tx)
            .await
            .expect("off");
        let error = match sqlx::raw_sql(*sql).execute(&mut *tx).await {
            Ok(_) => panic!("{constraint} lets this pass: {sql}"),
            Err(error) => error,
        };
        let found = error.as_database_error().and_then(|error| error.constraint());
        assert_eq!(found, Some(*constraint), "{sql}: {error}");
        tx.rollback().await.expect("undone");
    }
    })
.await;
}
