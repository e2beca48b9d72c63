//! Eight processes deploy at once, with indexes that are built concurrently: no deadlock, and each migration once.

use crate::{Answer, db, folder, write};
use db_testkit::{FreshDb, TransactionPooler, empty_db};
use std::process::Stdio;

const PROCESSES: usize = 8;
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_rows", "CREATE TABLE rows AS SELECT n AS id FROM generate_series(1, 5000) AS n;"),
    ("0002_first", "CREATE INDEX CONCURRENTLY rows_first_idx ON rows (id);"),
    ("0003_log", "CREATE TABLE log (step text NOT NULL); INSERT INTO log VALUES ('three');"),
    ("0004_second", "CREATE UNIQUE INDEX CONCURRENTLY rows_second_idx ON rows (id);"),
    ("0005_log", "INSERT INTO log VALUES ('five');"),
];

#[tokio::test]
async fn twenty_times_under_a_lock_of_the_session() {
    for _ in 0..20 {
        empty_db(async |fresh| deploy(&fresh, fresh.url(), &[]).await).await;
    }
}

#[tokio::test]
async fn five_times_under_a_lock_of_a_transaction() {
    for _ in 0..5 {
        empty_db(async |fresh| deploy(&fresh, fresh.url(), &["--pooler"]).await).await;
    }
}

#[tokio::test]
async fn five_times_behind_a_pooler() {
    for _ in 0..5 {
        empty_db(async |fresh| {
            let pooler = TransactionPooler::start(&fresh, 2).await;
            deploy(&fresh, &pooler.url(&fresh), &["--pooler"]).await;
            // All of the eight came this way, and whoever waited for the lock twice.
            assert!(pooler.clients() > 8, "{}", pooler.clients());
        })
        .await;
    }
}

async fn deploy(fresh: &FreshDb, url: &str, arguments: &[&str]) {
    let folder = folder();
    for (name, sql) in MIGRATIONS {
        write(folder.path(), &format!("m/{name}/up.sql"), sql);
    }
    let start = |url: &str| {
        let mut command = db(folder.path(), ["migrate", "up", "--dir", "m", "--json"]);
        command.args(arguments).env("DATABASE_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary runs")
    };
    let started: Vec<_> = (0..PROCESSES).map(|_| start(url)).collect();
    let mut applied = Vec::new();
    for child in started {
        // On a thread of its own, since a pooler may be at work on this one.
        let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic");
        let answer = Answer::from(output.expect("it ends"));
        assert_eq!(answer.code, Some(0), "{answer:?}");
        applied.extend(answer.json()["applied"].as_array().expect("a list").clone());
    }
    let mut labels: Vec<_> = applied.iter().filter_map(|done| done["migration"].as_str()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["0001_rows", "0002_first", "0003_log", "0004_second", "0005_log"]);
    let counted: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM log), \
             (SELECT count(*) FROM pg_index WHERE indrelid = 'rows'::regclass AND indisvalid)",
    )
    .fetch_one(&mut fresh.connect().await)
    .await
    .expect("counted");
    assert_eq!(counted, (2, 2));
}
