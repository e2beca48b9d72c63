//! Many ways back that are wrong: each is judged in a database of its own, a copy of one that is kept aside.

use crate::rehearse::server;
use crate::{item, set};
use db_migrate::schema::SnapshotOptions;
use db_migrate::{Error, Event, Format, Migrations, Options, Scratch, Verified, verify};
use db_testkit::{FreshDb, empty_db};
use sqlx::PgConnection;
use std::time::Duration;
use tokio::sync::oneshot;

async fn judged(
    db: &FreshDb,
    all: &Migrations,
    tell: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Verified, Error> {
    Box::pin(verify(&server(db), all, &SnapshotOptions::default(), &Options::default(), tell)).await
}

/// Expects verdicts that say this.
async fn check(db: &FreshDb, all: &Migrations, expected: &[&str]) {
    let found = judged(db, all, &mut |_| {}).await.expect("they can be judged");
    let verdicts: Vec<String> = found.migrations.iter().map(|trip| trip.verdict.to_string()).collect();
    assert_eq!(verdicts.len(), expected.len(), "{verdicts:?}");
    for (verdict, expected) in verdicts.iter().zip(expected) {
        assert!(verdict.contains(expected), "{expected} is not in {verdict}");
    }
    assert_eq!(scratch_databases(db).await, [""; 0]);
}

/// Those of this test, which has a process of its own.
async fn scratch_databases(db: &FreshDb) -> Vec<String> {
    sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
        .bind(format!("cairn_scratch_{}_%", std::process::id()))
        .fetch_all(&mut db.connect().await)
        .await
        .expect("the server lists its databases")
}

/// Three that are wrong in a row, one that is clean, and two more that are wrong.
fn six() -> Migrations {
    set(&[
        item("0001_a", "CREATE TABLE a (id int);", "SELECT 1;"),
        item(
            "0002_b",
            "CREATE TABLE b (id int); INSERT INTO a VALUES (2);",
            "DROP TABLE b CASCADE; DROP TABLE c;",
        ),
        item("0003_c", "CREATE TABLE c (id int); CREATE INDEX a_id ON a (id);", "DROP TABLE c;"),
        item("0004_d", "CREATE TABLE d AS SELECT count(*) FROM a;", "DROP TABLE d;"),
        item("0005_e", "CREATE TABLE e (id int);", "DROP TABLE e; DROP INDEX CONCURRENTLY nothing;"),
        item(
            "0006_f",
            "CREATE SEQUENCE IF NOT EXISTS s; INSERT INTO a VALUES (6);\n\
             DO $$ BEGIN IF (SELECT count(*) FROM a) <> 2 THEN CREATE TABLE more (); END IF; END $$;",
            "DROP SEQUENCE s;",
        ),
    ])
}

const SIX: [&str; 6] = [
    "residue:\n    table public.a is extra",
    "table \"c\" does not exist",
    "residue:\n    index public.a_id is extra",
    "clean",
    "index \"nothing\" does not exist",
    "something else:\n    table public.more is extra",
];

#[tokio::test]
async fn each_is_judged_by_what_those_before_it_make() {
    empty_db(|db| async move { check(&db, &six(), &SIX).await }).await;
}

#[tokio::test]
async fn what_the_session_had_set_goes_along() {
    let files = [
        ("beforeMigrate.sql", "CREATE SCHEMA IF NOT EXISTS app; SET search_path = app;"),
        ("V1__a.sql", "CREATE TABLE a ();"),
        ("U1__a.sql", "SELECT 1;"),
        ("V2__b.sql", "CREATE TABLE b ();"),
        ("U2__b.sql", "SELECT 1;"),
        ("V3__c.sql", "CREATE TABLE c (LIKE b);"),
        ("U3__c.sql", "DROP TABLE c;"),
    ];
    let (all, _) = Migrations::from_files(&files, Some(Format::Flyway), &Default::default()).expect("sound");
    let expected = ["residue:\n    table app.a is extra", "residue:\n    table app.b is extra", "clean"];
    empty_db(|db| async move { check(&db, &all, &expected).await }).await;
}

#[tokio::test]
async fn one_that_somebody_is_in_is_no_failure() {
    empty_db(|db| async move {
        let others = async {
            let (mut held, mut asked): (Vec<PgConnection>, _) = (Vec::new(), db.connect().await);
            loop {
                let found: Vec<String> = sqlx::query_scalar(
                    "SELECT datname::text FROM pg_database WHERE datname LIKE $1 AND NOT EXISTS \
                     (SELECT FROM pg_stat_activity AS one WHERE one.datname = pg_database.datname \
                      AND application_name = 'a worker')",
                )
                .bind(format!("cairn_scratch_{}_%", std::process::id()))
                .fetch_all(&mut asked)
                .await
                .expect("the server lists its databases");
                for name in found {
                    let other = server(&db).in_database(&name).connect().await;
                    let Ok(mut other) = other else { continue };
                    let named = sqlx::raw_sql("SET application_name = 'a worker'").execute(&mut other).await;
                    held.extend(named.is_ok().then_some(other));
                }
                tokio::task::yield_now().await;
            }
        };
        let all = six();
        tokio::select! {
            () = check(&db, &all, &SIX) => {}
            () = others => {}
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_is_cancelled_leaves_none_behind() {
    empty_db(|db| async move {
        let (reached, so_far) = oneshot::channel();
        let mut reached = Some(reached);
        let mut tell = |event: &Event<'_>| {
            if let Event::Started { position: 4, .. } = event {
                let _ = reached.take().map(|reached| reached.send(()));
            }
        };
        let all = six();
        tokio::select! {
            done = judged(&db, &all, &mut tell) => panic!("it was to be cancelled: {done:?}"),
            so_far = so_far => so_far.expect("it comes to the fourth"),
        }
        assert!(scratch_databases(&db).await.len() >= 2, "one to judge in, and one kept aside");
        let settled = tokio::time::timeout(Duration::from_secs(20), Scratch::settled()).await;
        settled.expect("they go");
        assert_eq!(scratch_databases(&db).await, [""; 0]);
    })
    .await;
}
