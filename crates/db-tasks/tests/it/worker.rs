//! The worker's loop: order, failures, shutdown.

use crate::{named, put, status, take};
use db_core::BoxError;
use db_model::{
    ErrorType, TaskId, TaskStatus,
    task::{self, NewTask},
};
use db_pool::Pool;
use db_tasks::{Claimed, Done, Edge, Error, Failure, Handler, Reclaim, Worker, reclaim};
use db_testkit::{FreshDb, eventually, fresh_db};
use sqlx::{Connection, PgConnection};
use std::{
    future::{Future, pending},
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

async fn pool(db: &FreshDb) -> Pool {
    Pool::connect_url(db.url()).await.expect("connected")
}

/// Does what a task's title says, and remembers the order.
#[derive(Default)]
struct Scripted {
    order: Mutex<Vec<String>>,
    stored: AtomicU32,
    fail_store: bool,
}

impl Handler for Scripted {
    type Output = String;

    /// Panics before there is a future, where a title says so.
    fn run(&self, task: &Claimed) -> impl Future<Output = Result<String, Failure>> + Send {
        assert!(task.title != "panics at once", "at once");
        async move { self.work(task) }
    }

    async fn store(&self, conn: &mut PgConnection, done: &[Done<String>]) -> Result<(), BoxError> {
        for done in done {
            sqlx::query("INSERT INTO system_config (key, value) VALUES ($1, to_jsonb($2::text))")
                .bind(done.task.to_string())
                .bind(&done.output)
                .execute(&mut *conn)
                .await?;
        }
        self.stored.fetch_add(u32::try_from(done.len())?, Relaxed);
        if self.fail_store { Err("the disk is full".into()) } else { Ok(()) }
    }
}

impl Scripted {
    fn work(&self, task: &Claimed) -> Result<String, Failure> {
        self.order.lock().expect("unpoisoned").push(task.title.clone());
        match task.title.split_whitespace().next().unwrap_or_default() {
            "panics" => panic!("on purpose"),
            "garbles" => Ok("\0".to_owned()),
            "says" => Err(Failure::permanent(ErrorType::Api, "a \0 in it")),
            "fails" => Err(Failure::permanent(ErrorType::Validation, "on purpose")),
            "flaky" if task.attempts == 1 => Err(Failure::transient(ErrorType::Network, "once")),
            _ => Ok(task.title.clone()),
        }
    }
}

async fn stored(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM system_config").fetch_one(conn).await.expect("counted")
}

#[tokio::test]
async fn a_graph_is_run_in_its_order_and_drained() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks: Vec<NewTask> = (0..40).map(|number| named(&format!("step {number}"))).collect();
        let edges = tasks.windows(2).map(|pair| Edge::block(pair[1].id, pair[0].id)).collect();
        put(&mut conn, &tasks, edges).await;
        let handler = Arc::new(Scripted::default());
        // With an hour between looks, only being told of what was settled gets it through.
        let worker = Worker::new(pool(&db).await, Arc::clone(&handler)).poll(Duration::from_secs(3600));
        let worker = worker.until_drained().run(pending());
        let report = timeout(Duration::from_secs(60), worker).await.expect("told").expect("ran");
        assert_eq!((report.completed, report.failed, report.lost), (40, 0, 0));
        let expected: Vec<String> = (0..40).map(|number| format!("step {number}")).collect();
        assert_eq!(*handler.order.lock().expect("unpoisoned"), expected);
        assert_eq!(stored(&mut conn).await, 40);
    })
    .await;
}

#[tokio::test]
async fn failures_are_of_tasks_and_not_of_the_worker() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks = ["panics", "fails", "flaky", "works", "needs fails"].map(named);
        put(&mut conn, &tasks, vec![Edge::block(tasks[4].id, tasks[1].id)]).await;
        let handler = Arc::new(Scripted::default());
        let report = Worker::new(pool(&db).await, handler).until_drained().run(pending()).await.expect("ran");
        let counts = (report.completed, report.failed, report.retried, report.cancelled);
        assert_eq!(counts, (2, 2, 1, 1), "{report:?}");
        assert_eq!(status(&mut conn, tasks[2].id).await, TaskStatus::Completed);
        let message: String = sqlx::query_scalar("SELECT error_message FROM error_logs WHERE task_id = $1")
            .bind(tasks[0].id)
            .fetch_one(&mut conn)
            .await
            .expect("logged");
        assert_eq!(message, "the handler panicked: on purpose");
    })
    .await;
}

#[tokio::test]
async fn one_outcome_that_cannot_be_written_fails_alone() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks = ["garbles", "works", "says NUL", "panics at once"].map(named);
        put(&mut conn, &tasks, vec![]).await;
        let handler = Arc::new(Scripted::default());
        let report = Worker::new(pool(&db).await, handler).until_drained().run(pending()).await.expect("ran");
        assert_eq!((report.completed, report.failed), (1, 3), "{report:?}");
        assert_eq!(status(&mut conn, tasks[1].id).await, TaskStatus::Completed);
        let messages: Vec<String> =
            sqlx::query_scalar("SELECT error_message FROM error_logs ORDER BY error_message")
                .fetch_all(&mut conn)
                .await
                .expect("read");
        assert_eq!(messages[0], "a \u{fffd} in it");
        assert!(messages[1].contains("at once") && messages[2].contains("cannot be stored"), "{messages:?}");
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_worker_held_is_taken_back() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = named("abandoned");
        put(&mut conn, std::slice::from_ref(&new), vec![]).await;
        assert_eq!(take(&mut conn, 1).await.len(), 1);
        let end = "UPDATE tasks SET lease_expires_at = now() - interval '1 hour'";
        sqlx::query(end).execute(&mut conn).await.expect("ended");
        let handler = Arc::new(Scripted::default());
        let report = Worker::new(pool(&db).await, handler).until_drained().run(pending()).await.expect("ran");
        assert_eq!((report.reclaimed, report.completed), (1, 1), "{report:?}");
    })
    .await;
}

#[tokio::test]
async fn outputs_and_completion_are_one() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = named("works");
        put(&mut conn, std::slice::from_ref(&new), vec![]).await;
        let handler = Arc::new(Scripted { fail_store: true, ..Scripted::default() });
        let error = Worker::new(pool(&db).await, handler)
            .until_drained()
            .run(pending())
            .await
            .expect_err("not stored");
        assert!(matches!(error, Error::Store { .. }), "{error}");
        assert_eq!(stored(&mut conn).await, 0, "rolled back");
        assert_ne!(status(&mut conn, new.id).await, TaskStatus::Completed);
    })
    .await;
}

/// Runs until it is let through.
struct Gated {
    begun: Arc<AtomicU32>,
    stored: Arc<AtomicU32>,
    gate: Arc<Semaphore>,
}

impl Handler for Gated {
    type Output = ();

    async fn run(&self, _: &Claimed) -> Result<(), Failure> {
        self.begun.fetch_add(1, Relaxed);
        let permit = self.gate.acquire().await;
        permit.map(drop).map_err(|error| Failure::permanent(ErrorType::System, error.to_string()))
    }

    async fn store(&self, _: &mut PgConnection, done: &[Done<()>]) -> Result<(), BoxError> {
        self.stored.fetch_add(u32::try_from(done.len())?, Relaxed);
        Ok(())
    }
}

struct Running {
    worker: tokio::task::JoinHandle<Result<db_tasks::Report, Error>>,
    stop: Arc<Semaphore>,
    begun: Arc<AtomicU32>,
    stored: Arc<AtomicU32>,
    gate: Arc<Semaphore>,
}

async fn running(db: &FreshDb, grace: Duration) -> Running {
    let (begun, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
    let stop = Arc::new(Semaphore::new(0));
    let stored = Arc::new(AtomicU32::new(0));
    let handler = Gated { begun: Arc::clone(&begun), stored: Arc::clone(&stored), gate: Arc::clone(&gate) };
    let worker =
        Worker::new(pool(db).await, handler).concurrency(NonZeroU32::new(2).expect("not zero")).grace(grace);
    let told = Arc::clone(&stop);
    let worker = tokio::spawn(worker.run(async move { told.acquire().await.map(drop).unwrap_or_default() }));
    let looks = Arc::clone(&begun);
    eventually("two run", || async { looks.load(Relaxed) == 2 }).await;
    Running { worker, stop, begun, stored, gate }
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_gives_back_the_rest() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks: Vec<NewTask> = (0..20).map(|number| named(&number.to_string())).collect();
        put(&mut conn, &tasks, vec![]).await;
        let running = running(&db, Duration::from_secs(60)).await;
        running.stop.add_permits(1);
        running.gate.add_permits(2);
        let report = running.worker.await.expect("no panic").expect("stopped");
        assert_eq!((report.completed, running.begun.load(Relaxed)), (2, 2), "{report:?}");
        assert_eq!(report.released, report.claimed - 2);
        assert_eq!(take(&mut conn, 100).await.len(), 18, "the rest is there for others");
    })
    .await;
}

#[tokio::test]
async fn what_does_not_end_in_time_is_dropped_and_given_back() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tasks: Vec<NewTask> = (0..3).map(|number| named(&number.to_string())).collect();
        put(&mut conn, &tasks, vec![]).await;
        let running = running(&db, Duration::from_millis(20)).await;
        running.stop.add_permits(1);
        let report = running.worker.await.expect("no panic").expect("stopped");
        assert_eq!(report.completed, 0);
        let attempts: Vec<i32> = take(&mut conn, 100).await.iter().map(|task| task.attempts).collect();
        assert_eq!(attempts, [1, 1, 1], "all are back, and a dropped run is no attempt");
    })
    .await;
}

/// Takes every task away from whoever has it, and gives them to somebody else.
async fn take_over(conn: &mut PgConnection) -> Vec<Claimed> {
    // In one transaction, or the worker might claim them again in between.
    let mut tx = conn.begin().await.expect("begun");
    reclaim(&mut tx, "default", Reclaim::All).await.expect("taken back");
    let taken = take(&mut tx, 100).await;
    tx.commit().await.expect("committed");
    taken
}

#[tokio::test]
async fn what_was_taken_over_is_neither_stored_nor_written() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        put(&mut conn, &[named("a"), named("b")], vec![]).await;
        let running = running(&db, Duration::from_secs(60)).await;
        let taken = take_over(&mut conn).await;
        assert_eq!(taken.len(), 2);
        running.stop.add_permits(1);
        running.gate.add_permits(2);
        let report = running.worker.await.expect("no panic").expect("stopped");
        assert_eq!((report.completed, report.lost, running.stored.load(Relaxed)), (0, 2, 0), "{report:?}");
        assert_eq!(status(&mut conn, taken[0].id).await, TaskStatus::InProgress);
    })
    .await;
}

#[tokio::test]
async fn what_was_taken_over_is_not_given_back() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        put(&mut conn, &[named("a"), named("b")], vec![]).await;
        let running = running(&db, Duration::from_millis(20)).await;
        let taken = take_over(&mut conn).await;
        running.stop.add_permits(1);
        let report = running.worker.await.expect("no panic").expect("stopped");
        assert_eq!(report.released, 0, "{report:?}");
        for task in taken {
            assert_eq!(status(&mut conn, task.id).await, TaskStatus::InProgress);
        }
    })
    .await;
}

/// Meets a conflict of transactions the first time it stores.
struct Unlucky {
    stores: Arc<AtomicU32>,
}

impl Handler for Unlucky {
    type Output = ();

    async fn run(&self, _: &Claimed) -> Result<(), Failure> {
        Ok(())
    }

    async fn store(&self, conn: &mut PgConnection, _: &[Done<()>]) -> Result<(), BoxError> {
        if self.stores.fetch_add(1, Relaxed) == 0 {
            sqlx::query("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$").execute(conn).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_conflict_of_transactions_is_tried_again() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        put(&mut conn, &[named("a")], vec![]).await;
        let stores = Arc::new(AtomicU32::new(0));
        let handler = Unlucky { stores: Arc::clone(&stores) };
        let report = Worker::new(pool(&db).await, handler).until_drained().run(pending()).await.expect("ran");
        assert_eq!((report.completed, stores.load(Relaxed)), (1, 2), "{report:?}");
    })
    .await;
}

#[tokio::test]
async fn a_dropped_worker_stops_its_handlers() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        put(&mut conn, &[named("a"), named("b")], vec![]).await;
        let running = running(&db, Duration::from_secs(60)).await;
        running.worker.abort();
        assert!(running.worker.await.is_err());
        eventually("nobody holds the gate", || async { Arc::strong_count(&running.gate) == 1 }).await;
    })
    .await;
}

#[tokio::test]
async fn leases_are_kept_while_the_worker_lives() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = named("long");
        put(&mut conn, std::slice::from_ref(&new), vec![]).await;
        let gate = Arc::new(Semaphore::new(0));
        let handler = Gated { begun: Arc::default(), stored: Arc::default(), gate: Arc::clone(&gate) };
        let worker = Worker::new(pool(&db).await, handler).lease(Duration::from_millis(300)).until_drained();
        let worker = tokio::spawn(worker.run(pending()));
        let first = lease_end(&mut conn, new.id).await;
        let conn = tokio::sync::Mutex::new(conn);
        eventually("the lease was extended", || async {
            lease_end(&mut *conn.lock().await, new.id).await > first
        })
        .await;
        gate.add_permits(1);
        assert_eq!(worker.await.expect("no panic").expect("ran").completed, 1);
    })
    .await;
}

/// The end of the lease, once there is one.
async fn lease_end(conn: &mut PgConnection, id: TaskId) -> chrono::DateTime<chrono::Utc> {
    let conn = tokio::sync::Mutex::new(conn);
    let seen = Mutex::new(None);
    eventually("a lease", || async {
        let task = task::get(*conn.lock().await, id).await.expect("read").expect("there");
        *seen.lock().expect("unpoisoned") = task.lease_expires_at;
        task.lease_expires_at.is_some()
    })
    .await;
    seen.into_inner().expect("unpoisoned").expect("a lease")
}
