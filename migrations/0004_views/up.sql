-- What people and dashboards ask most. A summary reads its whole table: ask it by the minute, not by the request.

CREATE VIEW active_tasks AS
SELECT id, title, description, requirements, metadata, status, priority, queue, kind, created_by, assigned_to,
       parent_task_id, attempts, max_attempts, run_after, waiting_on, claimed_by, lease_expires_at,
       created_at, updated_at, started_at
FROM tasks
WHERE status IN ('pending', 'in_progress');
COMMENT ON VIEW active_tasks IS 'Tasks that are pending or in progress';

CREATE VIEW task_execution_summary AS
SELECT agent_type,
       status,
       count(*)                             AS executions,
       count(DISTINCT task_id)              AS tasks,
       avg(started_at - queued_at)          AS average_wait,
       avg(completed_at - started_at)       AS average_run,
       max(completed_at - started_at)       AS longest_run,
       max(created_at)                      AS latest_at
FROM task_executions
GROUP BY agent_type, status;
COMMENT ON VIEW task_execution_summary IS 'Executions by agent type and status, with waiting and running times';

CREATE VIEW pr_validation_summary AS
SELECT repository,
       status,
       count(*)                                  AS validations,
       count(DISTINCT pr_number)                 AS pull_requests,
       max(created_at)                           AS latest_at
FROM pr_validations
GROUP BY repository, status;
COMMENT ON VIEW pr_validation_summary IS 'Pull request validations by repository and status';

CREATE VIEW error_summary AS
SELECT error_type,
       resolved,
       count(*)                AS errors,
       count(DISTINCT task_id) AS tasks,
       sum(recovery_attempts)  AS recovery_attempts,
       min(created_at)         AS first_at,
       max(created_at)         AS latest_at
FROM error_logs
GROUP BY error_type, resolved;
COMMENT ON VIEW error_summary IS 'Errors by type, open and resolved apart';

-- The cast stands on the side of the trail, so that each entry finds its task by primary key.
CREATE VIEW recent_activity AS
SELECT activity.id,
       activity.entity_type,
       activity.entity_id,
       activity.action,
       activity.old_values,
       activity.new_values,
       activity.user_id,
       activity.created_at,
       task.id     AS task_id,
       task.title  AS task_title,
       task.status AS task_status
FROM audit_logs AS activity
LEFT JOIN tasks AS task ON task.id =
    CASE WHEN activity.entity_type = 'tasks'
          AND activity.entity_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
         THEN activity.entity_id::uuid END
WHERE activity.created_at > now() - interval '7 days';
COMMENT ON VIEW recent_activity IS 'Audit trail of the last seven days, with the task where the entry is about one';
