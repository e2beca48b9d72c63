//! A dry run that is dropped midway: nothing remains.

use crate::rehearse::{everything, server};
use crate::{NOTES, apply, item, outside, run, set, until};
use db_migrate::{Course, Event, On, Options, Scratch, rehearse};
use db_testkit::empty_db;

#[tokio::test]
async fn on_the_database_it_is_rolled_back_and_lets_go_of_the_lock() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES]).await.expect("applied");
        let before = everything(&mut conn).await;
        let slow = item("0002_slow", "UPDATE notes SET id = 9; SELECT pg_sleep(600);", "SELECT 1");
        let (all, server, options) = (set(&[NOTES, slow]), server(&db), Options::default());
        let mut ignore = |_: &Event<'_>| {};
        tokio::select! {
            _ = rehearse(&server, &all, &Course::Up, On::Here, &options, &mut ignore) => panic!("it sleeps"),
            () = until(&mut conn, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                                   AND wait_event = 'PgSleep')") => {}
        }
        until(&mut conn, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                          AND pid <> pg_backend_pid() AND backend_type = 'client backend')")
        .await;
        assert_eq!(everything(&mut conn).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_copy_is_dropped_whenever_it_is_cancelled() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let server = server(&db);
        let index = outside("0002_index", "CREATE INDEX CONCURRENTLY notes_id ON notes (id);");
        let all = set(&[item("0001_notes", "CREATE TABLE notes (id int);", "SELECT 1"), index]);
        run(&mut conn, "SELECT 1").await;
        // While it is made, and while it is used.
        for stop_at in ["copying", "0001_notes"] {
            let taking = db_migrate::schema::SnapshotOptions::default();
            let options = Options::default();
            let (tell, mut told) = tokio::sync::mpsc::channel(1024);
            let mut progress = |event: &Event<'_>| {
                let _ = tell.try_send(event.to_string());
            };
            if stop_at == "copying" {
                let work = Box::pin(rehearse(&server, &all, &Course::Up, On::Copy, &options, &mut progress));
                stop(work, &mut told, stop_at).await;
            } else {
                let work = Box::pin(db_migrate::verify(&server, &all, &taking, &options, &mut progress));
                stop(work, &mut told, stop_at).await;
            }
            Scratch::settled().await;
            let left: Vec<String> =
                sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
                    .bind(format!("cairn_scratch_{}_%", std::process::id()))
                    .fetch_all(&mut conn)
                    .await
                    .expect("the server lists its databases");
            assert_eq!(left, Vec::<String>::new(), "stopped at {stop_at}");
        }
    })
    .await;
}

/// Drops the work once it says this.
async fn stop<T>(work: impl Future<Output = T>, told: &mut tokio::sync::mpsc::Receiver<String>, word: &str) {
    let heard = async {
        while let Some(line) = told.recv().await {
            if line.contains(word) {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        () = heard => {}
        _ = work => panic!("it was to be stopped at {word}"),
    }
}
