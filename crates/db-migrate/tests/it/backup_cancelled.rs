//! A restore, a verification or a squash that is dropped midway: no database of it remains.

use crate::backup::{Place, execute};
use crate::{item, set};
use db_migrate::backup::{self, BackupEvent, Phase, RestoreOptions, Target};
use db_migrate::{Options, Scratch, squash};
use db_testkit::{FreshDb, empty_db};
use tokio::sync::Notify;

async fn databases_like(db: &FreshDb, pattern: &str) -> Vec<String> {
    sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
        .bind(pattern)
        .fetch_all(&mut db.connect().await)
        .await
        .expect("the server lists its databases")
}

/// Drops the work once this was told.
async fn stop<T: std::fmt::Debug>(work: impl Future<Output = T>, reached: &Notify) {
    tokio::select! {
        biased;
        () = reached.notified() => {}
        done = work => panic!("it came to its end: {done:?}"),
    }
    Scratch::settled().await;
}

#[tokio::test]
async fn a_restore_has_its_name_only_once_it_is_proved() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        execute(&mut db.connect().await, "CREATE TABLE t AS SELECT generate_series(1, 9) AS a").await;
        let (path, _) = place.create().await.expect("a backup");
        let name = format!("c{}", &db.name()[db.name().len() - 16..]);
        let options = RestoreOptions::default();
        for at in [Phase::Restore, Phase::Hash, Phase::Analyze] {
            let reached = Notify::new();
            let mut progress = |event: &BackupEvent<'_>| {
                if matches!(event, BackupEvent::Started { phase } if *phase == at) {
                    reached.notify_one();
                }
            };
            let target = Target::Into(&name);
            let work = Box::pin(backup::restore(&place.server, &path, target, &options, &mut progress));
            stop(work, &reached).await;
            assert_eq!(databases_like(&db, &format!("{name}%")).await, Vec::<String>::new(), "at {at}");
        }
        let mut quiet = |_: &BackupEvent<'_>| {};
        let work = backup::restore(&place.server, &path, Target::Into(&name), &options, &mut quiet);
        let restored = Box::pin(work).await;
        assert_eq!(restored.expect("restored").database, name);
        let found = databases_like(&db, &format!("{name}%")).await;
        execute(&mut db.connect().await, &format!("DROP DATABASE {name}")).await;
        assert_eq!(found, [name]);
    })
    .await;
}

#[tokio::test]
async fn a_verification_leaves_no_scratch_database() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        execute(&mut db.connect().await, "CREATE TABLE t AS SELECT generate_series(1, 9) AS a").await;
        let (path, _) = place.create().await.expect("a backup");
        let reached = Notify::new();
        let mut progress = |event: &BackupEvent<'_>| {
            if matches!(event, BackupEvent::Started { phase: Phase::Restore }) {
                reached.notify_one();
            }
        };
        let options = RestoreOptions::default();
        let work = Box::pin(backup::verify(&place.server, &path, &options, &mut progress));
        stop(work, &reached).await;
        let own = format!("cairn_scratch_{}_%", std::process::id());
        assert_eq!(databases_like(&db, &own).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_squash_leaves_no_scratch_database() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let slow = item("0002_slow", "SELECT pg_sleep(600);", "SELECT 1;");
        let (all, options) = (set(&[crate::NOTES, slow]), Options::default());
        let search = backup::ToolSearch::default();
        let work = Box::pin(squash(&place.server, &all, None, &options, &search));
        let own = format!("cairn_scratch_{}_%", std::process::id());
        let mut conn = db.connect().await;
        let sleeping = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname LIKE '{own}' AND wait_event = 'PgSleep')"
        );
        tokio::select! {
            done = work => panic!("it came to its end: {done:?}"),
            () = crate::until(&mut conn, sleeping.leak()) => {}
        }
        Scratch::settled().await;
        assert_eq!(databases_like(&db, &own).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_database_that_a_killed_swap_has_closed_is_told_how_to_open() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let name = format!("c{}", &db.name()[db.name().len() - 16..]);
        let mut conn = db.connect().await;
        execute(&mut conn, &format!("CREATE DATABASE {name} ALLOW_CONNECTIONS false")).await;
        let outcome = place.server.in_database(&name).connect().await.map(drop);
        execute(&mut conn, &format!("DROP DATABASE {name}")).await;
        let error = outcome.expect_err("nobody is let in").to_string();
        assert!(error.contains(&format!("`ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true`")), "{error}");
    })
    .await;
}
