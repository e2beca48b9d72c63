//! More than one deployment at a time.

use crate::{NOTES, SOMEBODY_WAITS, apply, done, item, outside, run, set, until};
use db_core::{Classify, Retry};
use db_migrate::{Embedded, Error, Options};
use db_testkit::{FreshDb, empty_db};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use std::time::Duration;

const ALTER: Embedded = item("0002_alter", "ALTER TABLE notes ADD COLUMN more int;", "SELECT 1");
const INDEX: Embedded = outside("0003_index", "CREATE INDEX CONCURRENTLY notes_idx ON notes (id);");

async fn connect_as(db: &FreshDb, application: &str) -> PgConnection {
    let options: PgConnectOptions = db.url().parse().expect("the kit's URL is one");
    PgConnection::connect_with(&options.application_name(application))
        .await
        .expect("the database takes connections")
}

fn impatient() -> Options {
    Options { deploy_lock_timeout: Duration::ZERO, ..Options::default() }
}

#[tokio::test]
async fn of_two_at_once_one_applies_and_both_finish() {
    empty_db(|db| async move {
        let (mut first, mut second) = (db.connect().await, db.connect().await);
        let all = [NOTES, ALTER, INDEX];
        let (first, second) = tokio::join!(apply(&mut first, &all), apply(&mut second, &all));
        let mut applied = [done(&first.expect("finished")), done(&second.expect("finished"))];
        applied.sort();
        assert_eq!(applied, [vec![], vec![1, 2, 3]]);
    })
    .await;
}

#[tokio::test]
async fn an_impatient_one_is_told_who_holds_the_lock() {
    empty_db(|db| async move {
        let (mut first, mut second, mut third) =
            (connect_as(&db, "deploy-7").await, db.connect().await, db.connect().await);
        apply(&mut first, &[NOTES]).await.expect("applied");
        let pid: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut first).await.expect("a pid");

        run(&mut third, "BEGIN; SELECT * FROM notes").await;
        let blocked = tokio::spawn(async move { apply(&mut first, &[NOTES, ALTER]).await });
        until(&mut second, SOMEBODY_WAITS).await;
        let error = db_migrate::apply(&mut second, &set(&[NOTES, ALTER]), &impatient(), &mut |_| {}).await;
        let error = error.expect_err("the lock is held");
        assert_eq!(error.retry(), Retry::Safe);
        assert!(
            error.to_string().contains(&format!("pid {pid}, application_name \"deploy-7\", role ")),
            "{error}"
        );
        let status = db_migrate::status(&mut second, &set(&[NOTES, ALTER])).await.expect("a status");
        assert_eq!(status.deploying.map(|holder| holder.pid), Some(pid));
        let Error::Locked { holder: Some(holder), .. } = error else { panic!("{error}") };
        assert_eq!((holder.pid, holder.application_name.as_str()), (pid, "deploy-7"));

        run(&mut third, "ROLLBACK").await;
        assert_eq!(done(&blocked.await.expect("no panic").expect("finished")), [2]);
    })
    .await;
}

#[tokio::test]
async fn an_error_lets_go() {
    empty_db(|db| async move {
        let (mut first, mut second) = (db.connect().await, db.connect().await);
        apply(&mut first, &[item("0001_broken", "SELECT nonsense", "SELECT 1")]).await.expect_err("it fails");
        let free = db_migrate::apply(&mut second, &set(&[NOTES]), &impatient(), &mut |_| {}).await;
        assert_eq!(done(&free.expect("the lock is free")), [1]);
    })
    .await;
}

#[tokio::test]
async fn a_dropped_run_lets_go_when_its_connection_is_closed_or_used_again() {
    for reuse in [true, false] {
        empty_db(|db| async move {
            let (mut first, mut second, mut third) =
                (db.connect().await, db.connect().await, db.connect().await);
            apply(&mut first, &[NOTES]).await.expect("applied");
            run(&mut third, "BEGIN; SELECT * FROM notes").await;
            tokio::select! {
                _ = apply(&mut first, &[NOTES, ALTER]) => panic!("the reader is in the way"),
                () = until(&mut second, SOMEBODY_WAITS) => {}
            }
            run(&mut third, "ROLLBACK").await;

            if reuse {
                assert_eq!(done(&apply(&mut first, &[NOTES, ALTER]).await.expect("applied")), [2]);
                let free =
                    db_migrate::apply(&mut second, &set(&[NOTES, ALTER]), &impatient(), &mut |_| {}).await;
                assert!(done(&free.expect("the lock is free")).is_empty());
            } else {
                drop(first);
                assert_eq!(done(&apply(&mut second, &[NOTES, ALTER]).await.expect("applied")), [2]);
            }
        })
        .await;
    }
}
