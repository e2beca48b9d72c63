//! The five views answer what they promise.

use crate::run;
use db_model::views::{
    active_tasks, error_summary, execution_summary, pr_validation_summary, recent_activity,
};
use db_model::{ErrorType, ExecutionStatus, PrValidationStatus, Seconds, TaskStatus};
use db_testkit::fresh_db;

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
        let [open] = &active_tasks(&mut conn, "default", 10).await.expect("tasks")[..] else { panic!("one") };
        assert_eq!((open.title.as_str(), open.status), ("open", TaskStatus::Pending));
        assert!(active_tasks(&mut conn, "other", 10).await.expect("tasks").is_empty());

        let [runs] = &execution_summary(&mut conn).await.expect("a summary")[..] else { panic!("one") };
        assert_eq!((runs.agent_type.as_str(), runs.status), ("codegen", ExecutionStatus::Completed));
        assert_eq!((runs.executions, runs.tasks), (2, 2));
        assert_eq!((runs.average_wait, runs.average_run), (Some(Seconds(3.0)), Some(Seconds(6.0))));
        assert_eq!(runs.longest_run, Some(Seconds(6.0)));

        let [checks] = &pr_validation_summary(&mut conn).await.expect("a summary")[..] else { panic!("one") };
        assert_eq!((checks.repository.as_str(), checks.status), ("a/b", PrValidationStatus::Passed));
        assert_eq!((checks.validations, checks.pull_requests), (2, 1));

        let errors = error_summary(&mut conn).await.expect("a summary");
        let told: Vec<_> = errors
            .iter()
            .map(|row| (row.error_type, row.resolved, row.errors, row.tasks, row.recovery_attempts))
            .collect();
        assert_eq!(told, [(ErrorType::Api, false, 1, 0, 3), (ErrorType::Api, true, 1, 0, 2)]);

        let mut entries: Vec<_> = recent_activity(&mut conn, 10)
            .await
            .expect("entries")
            .into_iter()
            .map(|entry| (entry.entity_id, entry.task_title, entry.task_status))
            .collect();
        entries.sort();
        let task = "00000000-0000-0000-0000-000000000001".to_owned();
        let expected = [
            (task, Some("open".to_owned()), Some(TaskStatus::Pending)),
            ("no uuid".to_owned(), None, None),
            ("pool.size".to_owned(), None, None),
        ];
        assert_eq!(entries, expected, "the last seven days");
    })
    .await;
}
