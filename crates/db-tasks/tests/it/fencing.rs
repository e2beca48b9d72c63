//! A worker that lost its lease cannot write any more.

use crate::{completed, end, named, put, status, take};
use db_model::{ExecutionStatus, TaskStatus, execution, task::NewTask};
use db_tasks::{Edge, Reclaim, Reclaimed, extend, reclaim};
use db_testkit::fresh_db;
use std::time::Duration;

#[tokio::test]
async fn an_older_token_writes_nothing() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = named("taken over");
        put(&mut conn, std::slice::from_ref(&new), vec![]).await;
        let late = take(&mut conn, 1).await.remove(0);
        assert_eq!(
            reclaim(&mut conn, "default", Reclaim::Expired).await.expect("looked"),
            Reclaimed::default()
        );
        let back = reclaim(&mut conn, "default", Reclaim::All).await.expect("taken back");
        assert_eq!(back, Reclaimed { requeued: 1, failed: 0 });
        let fresh = take(&mut conn, 1).await.remove(0);

        let settled = end(&mut conn, &late, completed()).await;
        assert_eq!((settled.written.len(), settled.lost.as_slice()), (0, [new.id].as_slice()));
        assert_eq!(status(&mut conn, new.id).await, TaskStatus::InProgress);
        let kept =
            extend(&mut conn, &[(late.id, late.lease_token)], Duration::from_secs(60)).await.expect("asked");
        assert!(kept.is_empty());

        assert_eq!(end(&mut conn, &fresh, completed()).await.written.len(), 1);
        let runs = execution::list_for_task(&mut conn, new.id, 9).await.expect("read");
        let statuses: Vec<_> = runs.iter().map(|run| run.status).collect();
        assert_eq!(
            statuses,
            [ExecutionStatus::Failed, ExecutionStatus::Completed],
            "the lost attempt is on record"
        );
    })
    .await;
}

#[tokio::test]
async fn an_expired_lease_is_taken_back_until_no_attempt_is_left() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = named("abandoned");
        put(&mut conn, std::slice::from_ref(&new), vec![]).await;
        for expected in [Reclaimed { requeued: 1, failed: 0 }, Reclaimed { requeued: 0, failed: 1 }] {
            let claimed = take(&mut conn, 1).await.remove(0);
            let held = [(claimed.id, claimed.lease_token)];
            assert_eq!(extend(&mut conn, &held, Duration::ZERO).await.expect("extended"), [new.id]);
            assert_eq!(reclaim(&mut conn, "default", Reclaim::Expired).await.expect("taken back"), expected);
        }
        assert_eq!(status(&mut conn, new.id).await, TaskStatus::Failed);
    })
    .await;
}

#[tokio::test]
async fn what_depends_on_a_lost_task_is_told() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let (lost, after) = (NewTask::new("lost"), NewTask::new("after"));
        put(&mut conn, &[lost.clone(), after.clone()], vec![Edge::block(after.id, lost.id)]).await;
        assert_eq!(take(&mut conn, 10).await.len(), 1);
        let back = reclaim(&mut conn, "default", Reclaim::All).await.expect("taken back");
        assert_eq!(back, Reclaimed { requeued: 0, failed: 1 }, "its one attempt is used up");
        assert_eq!(status(&mut conn, after.id).await, TaskStatus::Cancelled);
    })
    .await;
}
