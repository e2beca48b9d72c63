DROP VIEW recent_activity, error_summary, pr_validation_summary, task_execution_summary, active_tasks;
