//! Executions.

use crate::task;
use chrono::{DateTime, TimeDelta};
use db_model::execution::{NewExecution, Outcome, finish, insert_many, list_for_task, start};
use db_model::{Error, ExecutionId, ExecutionStatus};
use db_testkit::fresh_db;
use serde_json::json;

#[tokio::test]
async fn executions_are_inserted_started_finished_and_listed() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let id = task(&mut conn, "t").await.id;
        let at = |seconds| Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds));
        let first = NewExecution {
            status: ExecutionStatus::Failed,
            agent_config: json!({"model": "m"}),
            logs: json!([{"level": "info"}]),
            error_details: Some(json!({"code": 7})),
            worker: Some("w0".into()),
            queued_at: at(1),
            started_at: at(2),
            completed_at: at(5),
            ..NewExecution::new(id, "claude-code")
        };
        let second = NewExecution { attempt: 2, ..NewExecution::new(id, "codegen") };
        assert_eq!(insert_many(&mut conn, &[second.clone(), first.clone()]).await.expect("inserted"), 2);
        assert_eq!(insert_many(&mut conn, &[]).await.expect("nothing to insert"), 0);

        let running = start(&mut conn, second.id, "w1").await.expect("started");
        assert_eq!((running.status, running.worker.as_deref()), (ExecutionStatus::Running, Some("w1")));
        let details = json!({"message": "no"});
        let failed =
            finish(&mut conn, second.id, Outcome::Failed { details: &details }).await.expect("finished");
        assert_eq!((failed.status, failed.error_details.as_ref()), (ExecutionStatus::Failed, Some(&details)));
        assert!(failed.completed_at.is_some());

        let [found, last] = &list_for_task(&mut conn, id, 9).await.expect("a list")[..] else {
            panic!("two")
        };
        assert_eq!(last, &failed);
        assert_eq!((found.id, &found.agent_type, found.attempt), (first.id, &first.agent_type, 1));
        assert_eq!((&found.agent_config, &found.logs), (&first.agent_config, &first.logs));
        assert_eq!((&found.error_details, &found.worker), (&first.error_details, &first.worker));
        assert_eq!(
            (found.queued_at, found.started_at, found.completed_at),
            (first.queued_at, first.started_at, first.completed_at)
        );
    })
    .await;
}

#[tokio::test]
async fn what_may_not_follow_is_named() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = NewExecution::new(task(&mut conn, "t").await.id, "codegen");
        insert_many(&mut conn, std::slice::from_ref(&new)).await.expect("inserted");
        let error = finish(&mut conn, new.id, Outcome::Completed).await.expect_err("not started");
        assert!(matches!(error, Error::Transition { from: "pending", to: "completed", .. }), "{error}");
        finish(&mut conn, new.id, Outcome::Cancelled).await.expect("cancelled");
        let error = start(&mut conn, new.id, "w").await.expect_err("cancelled");
        assert!(matches!(error, Error::Transition { from: "cancelled", to: "running", .. }), "{error}");
        let error = start(&mut conn, ExecutionId::generate(), "w").await.expect_err("no such execution");
        assert!(matches!(error, Error::NotFound { table: "task_executions", .. }), "{error}");
    })
    .await;
}
