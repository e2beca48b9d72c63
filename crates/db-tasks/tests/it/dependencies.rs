//! What waits for what, and what a failure does.

use crate::{completed, end, failed, named, put, status, take, titles};
use db_model::{TaskId, TaskStatus, task::NewTask};
use db_tasks::{Edge, Error, Plan, enqueue};
use db_testkit::fresh_db;

#[tokio::test]
async fn a_task_is_ready_when_all_it_depends_on_are_completed() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks = [named("base"), named("left"), named("right"), named("top")];
        let edge = |task: usize, on: usize| Edge::block(tasks[task].id, tasks[on].id);
        put(&mut conn, &tasks, vec![edge(1, 0), edge(2, 0), edge(3, 1), edge(3, 2)]).await;

        let base = take(&mut conn, 10).await;
        assert_eq!(titles(&base), ["base"]);
        end(&mut conn, &base[0], completed()).await;
        let sides = take(&mut conn, 10).await;
        assert_eq!(sides.len(), 2);
        end(&mut conn, &sides[0], completed()).await;
        assert!(take(&mut conn, 10).await.is_empty(), "one side is not enough");
        end(&mut conn, &sides[1], completed()).await;
        assert_eq!(titles(&take(&mut conn, 10).await), ["top"]);
    })
    .await;
}

#[tokio::test]
async fn a_failure_cancels_what_needs_it_and_lets_the_others_go_on() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks = [
            named("bad"),
            named("needs it"),
            named("needs that"),
            named("does not mind"),
            named("minds neither"),
        ];
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        let edges = vec![
            Edge::block(ids[1], ids[0]),
            Edge::block(ids[2], ids[1]),
            Edge::proceed(ids[3], ids[0]),
            Edge::proceed(ids[4], ids[2]),
        ];
        put(&mut conn, &tasks, edges).await;
        let bad = take(&mut conn, 1).await.remove(0);
        let settled = end(&mut conn, &bad, failed()).await;
        assert_eq!(settled.cancelled, 2);
        assert_eq!(status(&mut conn, ids[1]).await, TaskStatus::Cancelled);
        assert_eq!(status(&mut conn, ids[2]).await, TaskStatus::Cancelled);
        assert_eq!(titles(&take(&mut conn, 10).await), ["does not mind", "minds neither"]);
    })
    .await;
}

#[tokio::test]
async fn a_plan_may_wait_for_what_is_in_the_queue_already() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let (open, done) = (named("open"), named("done"));
        put(&mut conn, std::slice::from_ref(&done), vec![]).await;
        let claimed = take(&mut conn, 1).await.remove(0);
        end(&mut conn, &claimed, completed()).await;
        put(&mut conn, std::slice::from_ref(&open), vec![]).await;
        let later = named("later");
        put(
            &mut conn,
            std::slice::from_ref(&later),
            vec![Edge::block(later.id, open.id), Edge::block(later.id, done.id)],
        )
        .await;
        let first = take(&mut conn, 10).await;
        assert_eq!(titles(&first), ["open"]);
        end(&mut conn, &first[0], completed()).await;
        assert_eq!(titles(&take(&mut conn, 10).await), ["later"]);
    })
    .await;
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_waited_for() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let task = named("hopeful");
        let plan =
            Plan::new(vec![task.clone()], vec![Edge::block(task.id, TaskId::generate())]).expect("no circle");
        let error = enqueue(&mut conn, &plan).await.expect_err("nothing to wait for");
        assert!(matches!(error, Error::UnknownDependency { task: told, .. } if told == task.id), "{error}");
    })
    .await;
}

#[tokio::test]
async fn who_waited_for_a_duplicate_does_not_wait_for_ever() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let unique = || NewTask { unique_key: Some("once".to_owned()), ..named("once") };
        put(&mut conn, &[unique()], vec![]).await;
        let (again, after) = (unique(), named("after"));
        let edge = Edge::block(after.id, again.id);
        put(&mut conn, &[again, after], vec![edge]).await;
        assert_eq!(titles(&take(&mut conn, 10).await), ["once", "after"]);
    })
    .await;
}
