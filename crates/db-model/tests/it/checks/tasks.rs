//! Tasks, their executions, dependencies and errors, validations, settings, the audit trail, measures of files.

use super::Refused;

pub(super) const REFUSED: Refused = &[
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
        "audit_inbox_entity_type_check",
        "INSERT INTO audit_logs (entity_type, entity_id, action) VALUES ('', '1', 'a')",
    ),
    (
        "audit_inbox_action_check",
        "INSERT INTO audit_logs (entity_type, entity_id, action) VALUES ('t', '1', '')",
    ),
    ("code_analysis_method_check", "UPDATE code_analysis SET method = 'guess'"),
    ("code_analysis_lines_check", "UPDATE code_analysis SET lines = -1"),
    ("code_analysis_size_bytes_check", "UPDATE code_analysis SET size_bytes = -1"),
    ("code_analysis_file_path_check", "UPDATE code_analysis SET file_path = ''"),
    ("code_analysis_code_check", "UPDATE code_analysis SET code = -1"),
    ("code_analysis_comments_check", "UPDATE code_analysis SET comments = -1"),
    ("code_analysis_blanks_check", "UPDATE code_analysis SET blanks = -1"),
    ("code_analysis_functions_check", "UPDATE code_analysis SET functions = -1"),
    ("code_analysis_max_nesting_check", "UPDATE code_analysis SET max_nesting = -1"),
    ("code_analysis_complexity_check", "UPDATE code_analysis SET complexity = -1"),
    ("code_analysis_max_complexity_check", "UPDATE code_analysis SET max_complexity = -1"),
    ("code_analysis_root_check", "UPDATE code_analysis SET root = ''"),
    ("pr_validations_version_check", "UPDATE pr_validations SET version = 0"),
    ("system_config_version_check", "UPDATE system_config SET version = 0"),
    (
        "code_analysis_file_key",
        "INSERT INTO code_analysis (root, file_path, package, size_bytes, modified_ns, lines, code, comments, blanks,
             functions, max_nesting, complexity, max_complexity, method)
         SELECT root, file_path, 'q', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'text' FROM code_analysis",
    ),
    (
        "tasks_unique_key_idx",
        "INSERT INTO tasks (title, unique_key) VALUES ('a', 'k'), ('b', 'k')",
    ),
];
