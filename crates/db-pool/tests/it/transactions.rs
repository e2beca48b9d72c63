//! Transactions: what is kept, what is undone, and what is run again.

use crate::{backend, pool};
use db_core::{Classify, Retry};
use db_pool::{Access, Error, Isolation, Pool, TransactionOptions, savepoint};
use db_testkit::{FreshDb, eventually, fresh_db};
use futures_util::FutureExt;
use sqlx::{Connection, PgConnection};
use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::Barrier;

const PLAIN: TransactionOptions = TransactionOptions::new();

async fn add(conn: &mut PgConnection, title: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO tasks (title) VALUES ($1)").bind(title).execute(conn).await?;
    Ok(())
}

/// What others see.
async fn titles(db: &FreshDb) -> Vec<String> {
    let titles = sqlx::query_scalar("SELECT title FROM tasks ORDER BY title");
    titles.fetch_all(&mut db.connect().await).await.expect("read")
}

/// Nothing is lent, no connection was lost, and the next user is in no transaction.
async fn in_order(pool: &Pool) {
    eventually("all is back", || async { pool.stats().in_use == 0 }).await;
    let idle: bool = pool.run("SELECT now() = statement_timestamp()").scalar().await.expect("answers");
    let stats = pool.stats();
    assert_eq!((idle, stats.opens, stats.discards), (true, 1, 0), "{stats:?}");
}

#[tokio::test]
async fn a_commit_keeps_and_a_rollback_undoes() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut tx = pool.begin().await.expect("begun");
        add(&mut tx, "kept").await.expect("added");
        assert_eq!(titles(&db).await, [""; 0], "nobody sees it yet");
        tx.commit().await.expect("committed");
        let mut tx = pool.begin().await.expect("begun");
        add(&mut tx, "undone").await.expect("added");
        tx.rollback().await.expect("rolled back");
        assert_eq!(titles(&db).await, ["kept"]);
        in_order(&pool).await;
    })
    .await;
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut tx = pool.begin().await.expect("begun");
        add(&mut tx, "undone").await.expect("added");
        drop(tx);
        in_order(&pool).await;
        assert_eq!(titles(&db).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_begin_that_is_cut_leaves_no_transaction() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        drop(pool.acquire().await.expect("one is open"));
        // It needs a round trip; a server that is quick enough answers within the first poll, and is asked again.
        while let Some(begun) = pool.begin().now_or_never() {
            drop(begun);
            in_order(&pool).await;
        }
        pool.run("INSERT INTO tasks (title) VALUES ('kept')").none().await.expect("added");
        assert_eq!(titles(&db).await, ["kept"], "the next user is in no transaction of another");
        eventually("all is back", || async { pool.stats().in_use == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn a_closure_s_result_decides() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let kept = pool.transaction(&PLAIN, async |tx| {
            add(tx, "kept").await?;
            Ok::<_, Error>(7)
        });
        assert_eq!(kept.await.expect("committed"), 7);
        let undone = pool.transaction(&PLAIN, async |tx| {
            add(tx, "undone").await?;
            Err::<(), _>(Error::LoaderPanic)
        });
        assert!(matches!(undone.await, Err(Error::LoaderPanic)));
        assert_eq!(titles(&db).await, ["kept"]);
        in_order(&pool).await;
    })
    .await;
}

#[tokio::test]
async fn a_closure_that_is_cut_is_rolled_back() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let added = AtomicU32::new(0);
        let work = pool.transaction(&PLAIN, async |tx| {
            add(tx, "undone").await?;
            added.fetch_add(1, Relaxed);
            std::future::pending::<Result<(), Error>>().await
        });
        let seen = eventually("it is in the middle", || async { added.load(Relaxed) == 1 });
        tokio::select! {
            _ = work => panic!("it never ends"),
            () = seen => {}
        }
        in_order(&pool).await;
        assert_eq!(titles(&db).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_closure_that_panics_is_rolled_back() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let working = pool.clone();
        let task = tokio::spawn(async move {
            working
                .transaction(&PLAIN, async |tx| {
                    add(tx, "undone").await?;
                    if true {
                        panic!("in the middle");
                    }
                    Ok::<_, Error>(())
                })
                .await
        });
        assert!(task.await.expect_err("it panics").is_panic());
        in_order(&pool).await;
        assert_eq!(titles(&db).await, [""; 0]);
    })
    .await;
}

/// What is asked for, and what the server makes of it.
const KINDS: [(Option<Isolation>, Option<Access>, &str, &str); 6] = [
    (None, None, "read committed", "off"),
    (Some(Isolation::ReadCommitted), Some(Access::ReadWrite), "read committed", "off"),
    (Some(Isolation::RepeatableRead), None, "repeatable read", "off"),
    (Some(Isolation::Serializable), None, "serializable", "off"),
    (None, Some(Access::ReadOnly), "read committed", "on"),
    (None, Some(Access::ReadOnlyDeferrable), "serializable", "on"),
];

#[tokio::test]
async fn the_kind_arrives_at_the_server() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let asked =
            "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')";
        for (isolation, access, expected, read_only) in KINDS {
            let mut options = PLAIN;
            options = isolation.map_or(options, |isolation| options.isolation(isolation));
            options = access.map_or(options, |access| options.access(access));
            let mut tx = pool.begin_with(&options).await.expect("begun");
            let kind: (String, String) = sqlx::query_as(asked).fetch_one(&mut *tx).await.expect("read");
            assert_eq!((kind.0.as_str(), kind.1.as_str()), (expected, read_only), "{options:?}");
            tx.rollback().await.expect("rolled back");
            let kind = pool.transaction(&options, async |tx| {
                Ok::<(String, String), Error>(sqlx::query_as(asked).fetch_one(tx).await?)
            });
            assert_eq!(kind.await.expect("read"), (expected.to_owned(), read_only.to_owned()));
        }
    })
    .await;
}

async fn count(conn: &mut PgConnection) -> Result<i64, Error> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM tasks").fetch_one(conn).await?)
}

#[tokio::test]
async fn a_serialization_failure_is_run_again() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let options = PLAIN.isolation(Isolation::Serializable);
        let runs = AtomicU32::new(0);
        // Each counts before the other adds, so in no order could both have seen what they saw.
        let work = pool.transaction(&options, async |tx| {
            let before = count(tx).await?;
            if runs.fetch_add(1, Relaxed) == 0 {
                let mut other = db.connect().await;
                let mut other = other.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
                count(&mut other).await?;
                add(&mut other, "other").await?;
                other.commit().await?;
            }
            add(tx, "ours").await?;
            Ok::<_, Error>(before)
        });
        assert_eq!(work.await.expect("the second time"), 1, "it sees the other's work");
        assert_eq!((runs.load(Relaxed), pool.stats().transaction_retries), (2, 1));
        assert_eq!(titles(&db).await, ["other", "ours"]);
    })
    .await;
}

#[tokio::test]
async fn a_deadlock_is_run_again() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        let mut admin = db.connect().await;
        sqlx::raw_sql("CREATE TABLE a (n int); CREATE TABLE b (n int)")
            .execute(&mut admin)
            .await
            .expect("made");
        let both_hold_one = Barrier::new(2);
        let lock_both = async |first: &'static str, second: &'static str| {
            let runs = AtomicU32::new(0);
            pool.transaction(&PLAIN, async |tx| {
                sqlx::raw_sql(first).execute(&mut *tx).await?;
                if runs.fetch_add(1, Relaxed) == 0 {
                    both_hold_one.wait().await;
                }
                sqlx::raw_sql(second).execute(tx).await?;
                Ok::<_, Error>(())
            })
            .await
        };
        let (one, other) = tokio::join!(lock_both("LOCK a", "LOCK b"), lock_both("LOCK b", "LOCK a"));
        one.expect("one got through");
        other.expect("the other got through");
        assert_eq!(pool.stats().transaction_retries, 1);
    })
    .await;
}

/// Runs a closure that always fails with this SQLSTATE, at most three times. How often did it run?
async fn runs_of(pool: &Pool, sqlstate: &str) -> u32 {
    let runs = AtomicU32::new(0);
    let options = PLAIN.attempts(NonZeroU32::new(3).expect("three"));
    let failing = pool.transaction(&options, async |tx| {
        runs.fetch_add(1, Relaxed);
        let raise = format!("DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$");
        sqlx::raw_sql(sqlx::AssertSqlSafe(raise)).execute(tx).await?;
        Ok::<_, Error>(())
    });
    let error = failing.await.expect_err("it fails each time");
    assert!(matches!(&error, Error::Statement { sqlstate: Some(told), .. } if told == sqlstate), "{error:?}");
    runs.load(Relaxed)
}

#[tokio::test]
async fn only_a_conflict_is_run_again_and_not_for_ever() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        for (sqlstate, runs, retries) in [("40001", 3, 2), ("40P01", 3, 2), ("23505", 1, 0), ("55P03", 1, 0)]
        {
            let before = pool.stats().transaction_retries;
            assert_eq!(runs_of(&pool, sqlstate).await, runs, "{sqlstate}");
            assert_eq!(pool.stats().transaction_retries - before, retries, "{sqlstate}");
        }
        in_order(&pool).await;
    })
    .await;
}

#[tokio::test]
async fn a_savepoint_undoes_the_inner_work_alone() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let work = pool.transaction(&PLAIN, async |tx| {
            add(tx, "outer").await?;
            let undone = savepoint(tx, async |tx| {
                add(tx, "undone").await?;
                sqlx::query("SELECT 1 / 0").execute(tx).await?;
                Ok::<_, Error>(())
            });
            let error = undone.await.expect_err("it fails");
            assert!(
                matches!(&error, Error::Statement { sqlstate: Some(code), .. } if code == "22012"),
                "{error:?}"
            );
            let refused = savepoint(tx, async |tx| {
                add(tx, "undone as well").await?;
                Err::<(), _>(Error::LoaderPanic)
            });
            assert!(matches!(refused.await, Err(Error::LoaderPanic)), "the server saw nothing wrong");
            savepoint(tx, async |tx| add(tx, "inner").await).await?;
            let cut = savepoint(tx, async |tx| {
                add(tx, "cut").await?;
                std::future::pending::<Result<(), Error>>().await
            });
            assert!(tokio::time::timeout(Duration::from_millis(50), cut).await.is_err(), "it never ends");
            add(tx, "outer again").await
        });
        work.await.expect("committed");
        assert_eq!(titles(&db).await, ["inner", "outer", "outer again"]);
        in_order(&pool).await;
    })
    .await;
}

#[tokio::test]
async fn a_savepoint_that_is_cut_while_it_is_made_keeps_the_outer_work() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let work = pool.transaction(&PLAIN, async |tx| {
            add(tx, "outer").await?;
            let cut = savepoint(tx, async |tx| add(tx, "inner").await);
            assert!(cut.now_or_never().is_none(), "it needs a round trip");
            add(tx, "outer again").await
        });
        let committed = work.await.is_ok();
        // All or nothing, and nothing only with an error.
        let expected: &[&str] = if committed { &["outer", "outer again"] } else { &[] };
        assert_eq!(titles(&db).await, expected, "committed: {committed}");
    })
    .await;
}

#[tokio::test]
async fn sqlx_s_begin_on_a_transaction_makes_a_savepoint() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut tx = pool.begin().await.expect("begun");
        add(&mut tx, "outer").await.expect("added");
        let mut inner = tx.begin().await.expect("a savepoint");
        add(&mut inner, "undone").await.expect("added");
        inner.rollback().await.expect("rolled back");
        let mut inner = tx.begin().await.expect("a savepoint");
        add(&mut inner, "inner").await.expect("added");
        inner.commit().await.expect("released");
        tx.commit().await.expect("committed");
        assert_eq!(titles(&db).await, ["inner", "outer"]);
        in_order(&pool).await;
    })
    .await;
}

#[tokio::test]
async fn a_closure_can_run_in_a_task_of_its_own() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let working = pool.clone();
        let title = "kept".to_owned();
        let task = tokio::spawn(async move {
            working
                .transaction(&PLAIN, async move |tx| {
                    add(tx, &title).await?;
                    savepoint(tx, async |tx| add(tx, "inner").await).await
                })
                .await
        });
        task.await.expect("no panic").expect("committed");
        assert_eq!(titles(&db).await, ["inner", "kept"]);
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_is_told() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let table = "CREATE TABLE one (n int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO one VALUES (1)";
        sqlx::raw_sql(table).execute(&mut db.connect().await).await.expect("made");
        let late = pool.transaction(&PLAIN, async |tx| {
            sqlx::query("INSERT INTO one VALUES (1)").execute(tx).await?;
            Ok::<_, Error>(())
        });
        let error = late.await.expect_err("there are two of it");
        assert!(
            matches!(&error, Error::Statement { sqlstate: Some(code), shape, .. } if code == "23505" && shape == "COMMIT"),
            "{error:?}"
        );
        assert_eq!(error.retry(), Retry::Never);
        in_order(&pool).await;
    })
    .await;
}

#[tokio::test]
async fn a_commit_of_a_failed_transaction_is_not_taken_for_one() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let swallowed = pool.transaction(&PLAIN, async |tx| {
            add(tx, "undone").await?;
            let _ = sqlx::query("SELECT 1 / 0").execute(tx).await;
            Ok::<_, Error>(())
        });
        let result = swallowed.await;
        assert_eq!(titles(&db).await, [""; 0], "the server rolls back at such a COMMIT");
        assert!(result.is_err(), "so success must not be reported");
        in_order(&pool).await;
    })
    .await;
}

#[tokio::test]
async fn the_connection_of_a_transaction_is_lent_again() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let first = backend(&mut lease).await;
        drop(lease);
        pool.transaction(&PLAIN, async |tx| add(tx, "kept").await).await.expect("committed");
        assert_eq!(backend(&mut pool.acquire().await.expect("a lease")).await, first);
    })
    .await;
}
