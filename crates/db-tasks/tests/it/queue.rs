//! Order, retries, and what is left behind.

use crate::{completed, end, failed, named, put, status, take, titles};
use db_model::{
    ErrorType, ExecutionStatus, Priority, TaskStatus,
    error_log::{self, ErrorLogFilter},
    execution,
    task::{self, NewTask},
};
use db_tasks::{Ending, Plan, enqueue};
use db_testkit::fresh_db;
use std::time::Duration;

#[tokio::test]
async fn the_most_urgent_first_then_the_oldest() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let urgent = |title: &str, priority| NewTask {
            priority: Priority::new(priority).expect("in range"),
            ..named(title)
        };
        put(&mut conn, &[urgent("old low", 1), urgent("old high", 9)], vec![]).await;
        put(&mut conn, &[urgent("new high", 9), urgent("new low", 1)], vec![]).await;
        assert_eq!(titles(&take(&mut conn, 3).await), ["old high", "new high", "old low"]);
        assert_eq!(titles(&take(&mut conn, 3).await), ["new low"]);
        assert!(take(&mut conn, 3).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn claimers_at_once_share_without_waiting() {
    fresh_db(|db| async move {
        let (mut one, mut two) = (db.connect().await, db.connect().await);
        let tasks: Vec<NewTask> = (0..10).map(|number| named(&number.to_string())).collect();
        put(&mut one, &tasks, vec![]).await;
        let mut first = sqlx::Connection::begin(&mut one).await.expect("begun");
        let held = take(&mut first, 6).await;
        // The first claim is not committed: its rows are passed over, not waited for.
        let rest = take(&mut two, 10).await;
        assert_eq!((held.len(), rest.len()), (6, 4));
        assert!(held.iter().all(|task| rest.iter().all(|other| other.id != task.id)));
    })
    .await;
}

#[tokio::test]
async fn a_retry_comes_back_later_and_the_attempts_are_counted() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = named("flaky");
        put(&mut conn, std::slice::from_ref(&new), vec![]).await;
        let claimed = take(&mut conn, 1).await.remove(0);
        let retry =
            |after| Ending::Retry { error_type: ErrorType::Network, message: "cut off".to_owned(), after };
        end(&mut conn, &claimed, retry(Duration::from_secs(3600))).await;
        assert!(take(&mut conn, 1).await.is_empty(), "it is not due");

        sqlx::query("UPDATE tasks SET run_after = now()").execute(&mut conn).await.expect("moved");
        let claimed = take(&mut conn, 1).await.remove(0);
        assert_eq!((claimed.attempts, claimed.lease_token), (2, 2));
        end(&mut conn, &claimed, failed()).await;
        assert_eq!(status(&mut conn, new.id).await, TaskStatus::Failed);

        let runs = execution::list_for_task(&mut conn, new.id, 9).await.expect("read");
        assert_eq!(
            runs.iter().map(|run| (run.attempt, run.status)).collect::<Vec<_>>(),
            [(1, ExecutionStatus::Failed), (2, ExecutionStatus::Failed)]
        );
        let filter = ErrorLogFilter { task_id: Some(new.id), ..ErrorLogFilter::default() };
        let errors = error_log::list(&mut conn, &filter).await.expect("read");
        let mut messages: Vec<_> = errors.iter().filter_map(|error| error.error_message.as_deref()).collect();
        messages.sort_unstable();
        assert_eq!(messages, ["cut off", "no good"]);
    })
    .await;
}

#[tokio::test]
async fn a_release_is_no_attempt() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = named("untouched");
        put(&mut conn, std::slice::from_ref(&new), vec![]).await;
        let claimed = take(&mut conn, 1).await.remove(0);
        end(&mut conn, &claimed, Ending::Released).await;
        let task = task::get(&mut conn, new.id).await.expect("read").expect("there");
        assert_eq!((task.status, task.attempts), (TaskStatus::Pending, 0));
        assert!(execution::list_for_task(&mut conn, new.id, 9).await.expect("read").is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_unique_key_is_enqueued_once_until_it_is_done() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let unique = || NewTask { unique_key: Some("file".to_owned()), ..named("file") };
        put(&mut conn, &[unique()], vec![]).await;
        let again = Plan::new(vec![unique(), named("other")], vec![]).expect("no circle");
        let enqueued = enqueue(&mut conn, &again).await.expect("enqueued");
        assert_eq!((enqueued.tasks, enqueued.duplicates), (1, 1));
        for task in take(&mut conn, 10).await {
            end(&mut conn, &task, completed()).await;
        }
        let enqueued = enqueue(&mut conn, &Plan::new(vec![unique()], vec![]).expect("no circle"))
            .await
            .expect("enqueued");
        assert_eq!((enqueued.tasks, enqueued.duplicates), (1, 0));
    })
    .await;
}
