DROP TABLE audit_logs, system_config, error_logs, pr_validations, task_executions, tasks;
DROP FUNCTION touch_updated_at();
DROP FUNCTION refuse_status_change();
