//! What waits for what, and what a failure does.

use crate::{completed, end, failed, named, put, status, take, titles};
use db_model::{
    TaskId, TaskStatus,
    task::{self, NewTask, StatusChange},
};
use db_tasks::{Edge, Error, Plan, enqueue};
use db_testkit::{eventually, fresh_db};
use sqlx::{Connection, PgConnection};

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

/// Waits until somebody waits for a lock in this test's database.
async fn until_blocked(watcher: &mut PgConnection) {
    const BLOCKED: &str = "SELECT count(*) FROM pg_stat_activity \
                           WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let looks = tokio::sync::Mutex::new(watcher);
    eventually("somebody is blocked", || async {
        sqlx::query_scalar::<_, i64>(BLOCKED).fetch_one(&mut **looks.lock().await).await.expect("asked") == 1
    })
    .await;
}

#[tokio::test]
async fn a_task_does_not_settle_while_others_are_being_made_to_wait_for_it() {
    fresh_db(|db| async move {
        let (mut one, mut two, mut watcher) = (db.connect().await, db.connect().await, db.connect().await);
        let open = named("open");
        put(&mut one, std::slice::from_ref(&open), vec![]).await;
        let claimed = take(&mut one, 1).await.remove(0);
        let later = named("later");
        let plan = Plan::new(vec![later.clone()], vec![Edge::block(later.id, open.id)]).expect("no circle");
        let mut tx = one.begin().await.expect("begun");
        enqueue(&mut tx, &plan).await.expect("enqueued");
        let settling = tokio::spawn(async move { end(&mut two, &claimed, completed()).await });
        until_blocked(&mut watcher).await;
        tx.commit().await.expect("committed");
        settling.await.expect("settled");
        assert_eq!(titles(&take(&mut one, 10).await), ["later"], "it was told");
    })
    .await;
}

#[tokio::test]
async fn a_cancellation_reaches_what_was_enqueued_while_it_went_on() {
    fresh_db(|db| async move {
        let (mut one, mut two, mut watcher) = (db.connect().await, db.connect().await, db.connect().await);
        let (bad, middle, last) = (named("bad"), named("middle"), named("last"));
        put(&mut one, &[bad.clone(), middle.clone()], vec![Edge::block(middle.id, bad.id)]).await;
        let claimed = take(&mut one, 1).await.remove(0);
        let plan = Plan::new(vec![last.clone()], vec![Edge::block(last.id, middle.id)]).expect("no circle");
        let mut tx = one.begin().await.expect("begun");
        enqueue(&mut tx, &plan).await.expect("enqueued");
        let settling = tokio::spawn(async move { end(&mut two, &claimed, failed()).await });
        until_blocked(&mut watcher).await;
        tx.commit().await.expect("committed");
        assert_eq!(settling.await.expect("settled").cancelled, 2);
        assert_eq!(status(&mut one, last.id).await, TaskStatus::Cancelled);
    })
    .await;
}

#[tokio::test]
async fn what_has_failed_before_counts_as_if_it_failed_now() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let bad = named("bad");
        put(&mut conn, std::slice::from_ref(&bad), vec![]).await;
        let claimed = take(&mut conn, 1).await.remove(0);
        end(&mut conn, &claimed, failed()).await;
        let (needs, proceeds) = (named("needs it"), named("does not mind"));
        let edges = vec![Edge::block(needs.id, bad.id), Edge::proceed(proceeds.id, bad.id)];
        put(&mut conn, &[needs.clone(), proceeds], edges).await;
        assert_eq!(status(&mut conn, needs.id).await, TaskStatus::Cancelled);
        assert_eq!(titles(&take(&mut conn, 10).await), ["does not mind"]);
    })
    .await;
}

#[tokio::test]
async fn a_task_that_is_queued_again_tells_nobody_twice() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let (flaky, other, last) = (named("flaky"), named("other"), named("last"));
        let edges = vec![Edge::proceed(last.id, flaky.id), Edge::block(last.id, other.id)];
        put(&mut conn, &[flaky.clone(), other, last], edges).await;
        let claimed = take(&mut conn, 1).await.remove(0);
        end(&mut conn, &claimed, failed()).await;
        task::set_status(&mut conn, flaky.id, &StatusChange::Requeue).await.expect("queued again");
        let both = take(&mut conn, 10).await;
        assert_eq!(titles(&both), ["flaky", "other"]);
        end(&mut conn, &both[0], completed()).await;
        assert!(take(&mut conn, 10).await.is_empty(), "the other is still running");
        end(&mut conn, &both[1], completed()).await;
        assert_eq!(titles(&take(&mut conn, 10).await), ["last"]);
    })
    .await;
}
