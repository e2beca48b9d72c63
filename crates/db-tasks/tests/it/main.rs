//! The queue and its workers against a server.

mod dependencies;
mod fencing;
mod queue;
mod worker;

use db_model::{
    TaskId, TaskStatus,
    task::{self, NewTask},
};
use db_tasks::{Claim, Claimed, Edge, Ending, Outcome, Plan, Settled, claim, enqueue, settle};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// A task of the default queue.
fn named(title: &str) -> NewTask {
    NewTask { max_attempts: 2, ..NewTask::new(title) }
}

async fn put(conn: &mut PgConnection, tasks: &[NewTask], edges: Vec<Edge>) {
    let plan = Plan::new(tasks.to_vec(), edges).expect("no circle");
    let mut tx = conn.begin().await.expect("begun");
    enqueue(&mut tx, &plan).await.expect("enqueued");
    tx.commit().await.expect("committed");
}

async fn take(conn: &mut PgConnection, limit: u32) -> Vec<Claimed> {
    let wanted = Claim { queue: "default", worker: "w", limit, lease: Duration::from_secs(60) };
    claim(conn, &wanted).await.expect("claimed")
}

/// Ends a claim in a transaction of its own.
async fn end(conn: &mut PgConnection, task: &Claimed, ending: Ending) -> Settled {
    let now = chrono::Utc::now();
    let outcome = Outcome { task: task.clone(), ending, started_at: now, ended_at: now };
    let mut tx = conn.begin().await.expect("begun");
    let settled = settle(&mut tx, "w", &[outcome]).await.expect("settled");
    tx.commit().await.expect("committed");
    settled
}

fn completed() -> Ending {
    Ending::Completed { result: None }
}

fn failed() -> Ending {
    Ending::Failed { error_type: db_model::ErrorType::Validation, message: "no good".to_owned() }
}

fn titles(tasks: &[Claimed]) -> Vec<&str> {
    tasks.iter().map(|task| task.title.as_str()).collect()
}

async fn status(conn: &mut PgConnection, id: TaskId) -> TaskStatus {
    task::get(conn, id).await.expect("read").expect("there").status
}
