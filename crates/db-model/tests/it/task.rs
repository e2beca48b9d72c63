//! Tasks.

use crate::{run, task};
use db_model::task::{NewTask, StatusChange, TaskFilter, count_by_status, get, insert, list, set_status};
use db_model::{Error, Priority, TaskId, TaskStatus};
use db_testkit::fresh_db;
use serde_json::json;
use sqlx::Connection;
use std::time::Duration;

const START: StatusChange<'_> = StatusChange::Start { worker: "w1", lease: Duration::from_secs(30) };

#[tokio::test]
async fn a_task_comes_back_as_it_was_inserted() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let parent = task(&mut conn, "parent").await;
        let new = NewTask {
            description: Some("at length".into()),
            requirements: json!({"auth": "oauth2"}),
            metadata: json!({"seen": [1]}),
            priority: Priority::HIGHEST,
            created_by: Some("me".into()),
            assigned_to: Some("you".into()),
            parent_task_id: Some(parent.id),
            queue: "files".into(),
            kind: "measure".into(),
            unique_key: Some("src/lib.rs".into()),
            max_attempts: 3,
            run_after: Some(chrono::DateTime::UNIX_EPOCH),
            ..NewTask::new("child")
        };
        let row = insert(&mut conn, &new).await.expect("inserted");
        assert_eq!(get(&mut conn, row.id).await.expect("read"), Some(row.clone()));
        assert_eq!(get(&mut conn, TaskId::generate()).await.expect("read"), None);

        assert_eq!((row.id, row.title, row.status), (new.id, new.title, TaskStatus::Pending));
        assert_eq!(
            (row.description, row.requirements, row.metadata),
            (new.description, new.requirements, new.metadata)
        );
        assert_eq!(
            (row.priority, row.created_by, row.assigned_to),
            (new.priority, new.created_by, new.assigned_to)
        );
        assert_eq!((row.parent_task_id, row.queue, row.kind), (new.parent_task_id, new.queue, new.kind));
        assert_eq!((row.unique_key, row.max_attempts), (new.unique_key, new.max_attempts));
        assert_eq!(
            (Some(row.run_after), row.attempts, row.waiting_on, row.lease_token),
            (new.run_after, 0, 0, 0)
        );
    })
    .await;
}

#[tokio::test]
async fn a_change_of_status_sets_what_goes_with_it() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let id = task(&mut conn, "t").await.id;

        let started = set_status(&mut conn, id, &START).await.expect("started");
        assert_eq!((started.status, started.claimed_by.as_deref()), (TaskStatus::InProgress, Some("w1")));
        assert_eq!((started.attempts, started.lease_token), (1, 1));
        assert!(started.lease_expires_at > started.started_at && started.completed_at.is_none());

        let failed = set_status(&mut conn, id, &StatusChange::Fail).await.expect("failed");
        assert_eq!((failed.claimed_by.as_deref(), failed.lease_expires_at), (None, None));
        assert!(failed.completed_at.is_some());
        let again = set_status(&mut conn, id, &StatusChange::Requeue).await.expect("queued again");
        assert_eq!((again.status, again.completed_at), (TaskStatus::Pending, None));

        set_status(&mut conn, id, &START).await.expect("started again");
        let result = json!({"lines": 3});
        let complete = StatusChange::Complete { result: Some(&result) };
        let done = set_status(&mut conn, id, &complete).await.expect("completed");
        assert_eq!((done.status, done.attempts, done.lease_token), (TaskStatus::Completed, 2, 2));
        assert_eq!(done.result, Some(result));
    })
    .await;
}

#[tokio::test]
async fn an_illegal_change_leaves_the_transaction_usable() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let id = task(&mut conn, "t").await.id;
        let mut tx = conn.begin().await.expect("a transaction");
        let error = set_status(&mut tx, id, &StatusChange::Fail).await.expect_err("not started");
        assert!(matches!(error, Error::Transition { from: "pending", to: "failed", .. }), "{error}");
        let error = set_status(&mut tx, TaskId::generate(), &START).await.expect_err("no such task");
        assert!(matches!(error, Error::NotFound { table: "tasks", .. }), "{error}");
        set_status(&mut tx, id, &StatusChange::Cancel).await.expect("the transaction goes on");
        tx.commit().await.expect("committed");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_unique_while_its_task_is_active() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new =
            |queue: &str| NewTask { queue: queue.into(), unique_key: Some("k".into()), ..NewTask::new("t") };
        let first = insert(&mut conn, &new("a")).await.expect("the first");
        insert(&mut conn, &new("b")).await.expect("another queue");
        let error = insert(&mut conn, &new("a")).await.expect_err("the key is taken");
        assert_eq!(error.constraint(), Some("tasks_unique_key_idx"));
        set_status(&mut conn, first.id, &StatusChange::Cancel).await.expect("cancelled");
        insert(&mut conn, &new("a")).await.expect("the key is free");
    })
    .await;
}

#[tokio::test]
async fn lists_page_by_page_and_by_filter() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        // In one transaction all are created at the same time, so the key decides.
        let mut tx = conn.begin().await.expect("a transaction");
        let mut ids = Vec::new();
        for number in 0..5 {
            let new = NewTask { queue: format!("q{}", number % 2), ..NewTask::new("t") };
            ids.push(insert(&mut tx, &new).await.expect("inserted").id);
        }
        tx.commit().await.expect("committed");
        ids.sort();
        ids.reverse();

        let (mut seen, mut filter) = (Vec::new(), TaskFilter { limit: 2, ..TaskFilter::default() });
        loop {
            let page = list(&mut conn, &filter).await.expect("a page");
            let Some(last) = page.last() else { break };
            filter.before = Some((last.created_at, last.id));
            seen.extend(page.iter().map(|task| task.id));
        }
        assert_eq!(seen, ids);

        let odd = TaskFilter {
            queue: Some("q1".into()),
            status: Some(TaskStatus::Pending),
            ..TaskFilter::default()
        };
        assert_eq!(list(&mut conn, &odd).await.expect("a list").len(), 2);
        let none = TaskFilter { kind: Some("other".into()), ..TaskFilter::default() };
        assert!(list(&mut conn, &none).await.expect("a list").is_empty());
        set_status(&mut conn, ids[0], &StatusChange::Cancel).await.expect("cancelled");
        let counts = count_by_status(&mut conn).await.expect("counts");
        assert_eq!(counts, [(TaskStatus::Cancelled, 1), (TaskStatus::Pending, 4)]);
    })
    .await;
}

#[tokio::test]
async fn a_status_of_a_newer_program_is_named() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let id = task(&mut conn, "t").await.id;
        run(
            &mut conn,
            "ALTER TABLE tasks DROP CONSTRAINT tasks_status_check; ALTER TABLE tasks DISABLE TRIGGER USER; \
         UPDATE tasks SET status = 'paused'",
        )
        .await;
        let error = get(&mut conn, id).await.expect_err("an unknown status");
        let source = std::error::Error::source(&error).expect("a source").to_string();
        assert!(source.contains(r#""paused" is no TaskStatus"#), "{source}");
    })
    .await;
}

#[tokio::test]
async fn updated_at_moves_even_when_a_statement_forgets_it() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let before = task(&mut conn, "t").await;
        run(&mut conn, "UPDATE tasks SET title = 'u'").await;
        let after = get(&mut conn, before.id).await.expect("read").expect("there");
        assert!(after.updated_at > before.updated_at);
    })
    .await;
}
