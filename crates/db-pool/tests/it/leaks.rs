//! Leases that are held for too long, and tasks that wait for themselves.

use crate::{captured::Captured, config, pool};
use db_pool::{AcquireOptions, Error, Lease, Pool, Priority, Reset};
use db_testkit::{Recorded, eventually, fresh_db};
use futures_util::future::join3;
use std::{panic::Location, sync::Arc, time::Duration};
use tokio::sync::Notify;
use tracing::{Level, level_filters::LevelFilter};

const HELD: &str = "held for longer than the leak threshold";
const BACK: &str = "has come back";

/// File and line of the call.
#[track_caller]
fn here() -> String {
    let here = Location::caller();
    format!("{}:{}:", here.file(), here.line())
}

/// A pool whose one connection is in a transaction of its last user's, whose statement holds a secret. So the session's
/// state is the same however soon the keeper looks at the next lease.
async fn pool_in_transaction(config: db_pool::PoolConfig) -> Pool {
    let pool = Pool::connect(&config.reset(Reset::Never)).await.expect("connected");
    let mut lease = pool.acquire().await.expect("a lease");
    let left_open = sqlx::raw_sql("BEGIN; SELECT 'hunter2', 4711");
    left_open.execute(lease.vouched()).await.expect("left open");
    drop(lease);
    pool
}

#[tokio::test]
async fn a_lease_is_told_once_and_again_when_it_comes_back() {
    fresh_db(|db| async move {
        let (captured, _guard) = Captured::start(LevelFilter::INFO);
        let recorded = Arc::new(Recorded::default());
        let config = config(&db, 2).leak_threshold(Duration::from_millis(50)).recorder(recorded.clone());
        let pool = pool_in_transaction(config).await;
        let taken_at = |line: &str| {
            let told = captured.about(HELD);
            told.into_iter().filter(|told| told.field("taken_at").starts_with(line)).collect::<Vec<_>>()
        };

        let (lease, line) = (pool.acquire().await.expect("a lease"), here());
        eventually("it is told", || async { !taken_at(&line).is_empty() }).await;
        let told = taken_at(&line).remove(0);
        assert_eq!(told.level, Level::WARN);
        assert_eq!(told.field("session"), "idle in transaction", "{told:?}");
        assert!(told.field("transaction_age").starts_with("Some("), "{told:?}");
        assert!(told.field("last_statement").ends_with("SELECT ?, ?"), "{told:?}");
        assert!(!told.all().contains("hunter2") && !told.all().contains("4711"), "{told:?}");

        // Once another is told, the keeper has looked again.
        let (other, other_line) = (pool.acquire().await.expect("another"), here());
        eventually("the other is told", || async { !taken_at(&other_line).is_empty() }).await;
        assert_eq!((taken_at(&line).len(), taken_at(&other_line).len()), (1, 1));
        let leaks = usize::try_from(pool.stats().leaks).expect("few");
        assert_eq!(recorded.times("cairn.db.client.connection.leaks"), leaks);

        let back = captured.about(BACK).len();
        drop(lease);
        assert_eq!(captured.about(BACK).len(), back + 1);
        drop(other);
        assert_eq!(captured.about(BACK).len(), back + 2);
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_comes_back_in_time_is_not_told() {
    fresh_db(|db| async move {
        let (captured, _guard) = Captured::start(LevelFilter::INFO);
        let config = config(&db, 1).leak_threshold(Duration::from_secs(600));
        let pool = Pool::connect(&config).await.expect("connected");
        drop(pool.acquire().await.expect("a lease"));
        assert_eq!((captured.about(HELD).len(), captured.about(BACK).len(), pool.stats().leaks), (0, 0, 0));
    })
    .await;
}

/// How long the requests wait that get nothing.
fn soon() -> AcquireOptions {
    AcquireOptions::new().timeout(Duration::from_millis(100))
}

#[tokio::test]
async fn a_task_that_waits_for_itself_is_told_both_places() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let task = tokio::spawn(async move {
            let (lease, held) = (pool.acquire().await.expect("the only one"), here());
            let (error, wanted) = (pool.acquire_with(soon()).await.expect_err("there is no other"), here());
            drop(lease);
            (error, held, wanted, pool.acquire().await.is_ok())
        });
        let (error, held, wanted, usable) = task.await.expect("no panic");
        let Error::SelfDeadlock { wanted_at, held_at, .. } = &error else { panic!("{error:?}") };
        assert!(held_at.to_string().starts_with(&held), "{held_at} is not {held}");
        assert!(wanted_at.to_string().starts_with(&wanted), "{wanted_at} is not {wanted}");
        assert!(usable, "the pool goes on");
    })
    .await;
}

#[tokio::test]
async fn a_task_that_waits_for_another_is_not_accused() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let _lease: Lease = pool.acquire().await.expect("the only one");
        let waiting = pool.clone();
        let task = tokio::spawn(async move { waiting.acquire_with(soon()).await.expect_err("it is lent") });
        let error = task.await.expect("no panic");
        assert!(matches!(error, Error::Exhausted { in_use: 1, .. }), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn futures_of_one_task_that_get_on_are_not_accused() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let task = tokio::spawn(async move {
            let first = pool.acquire().await.expect("the only one");
            let done = Notify::new();
            // All three are polled in this order before anything waits.
            let patient = async {
                let error = pool.acquire_with(soon()).await.expect_err("the urgent one has it");
                done.notify_one();
                error
            };
            let urgent = async {
                let lease = pool.acquire_with(AcquireOptions::new().priority(Priority::High)).await;
                done.notified().await;
                drop(lease);
            };
            let holder = async { drop(first) };
            join3(patient, urgent, holder).await.0
        });
        let error = task.await.expect("no panic");
        assert!(matches!(error, Error::Exhausted { in_use: 1, .. }), "{error:?}");
    })
    .await;
}
