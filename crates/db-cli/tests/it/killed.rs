//! `db migrate up` is killed at 200 points of its run: `recover` and then `up` always reach the full schema, and each row
//! that a migration writes is there once.

use crate::{Answer, db, folder, migrate, write};
use db_migrate::schema::{Snapshot, SnapshotOptions, snapshot};
use db_testkit::{FreshDb, empty_db};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// Points of each test; the tests run side by side.
const POINTS: u32 = 25;
const TESTS: u32 = 8;

/// What runs in a transaction, what cannot, and files with both; statements whose second run would be seen.
const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_rows",
        "CREATE TABLE rows AS SELECT n AS id, n % 97 AS part, n::text AS name FROM generate_series(1, 20000) AS n; \
         CREATE TABLE log (step text NOT NULL);",
    ),
    (
        "0002_mixed",
        "INSERT INTO log VALUES ('two');\nCREATE INDEX CONCURRENTLY rows_part_idx ON rows (part);\n\
         INSERT INTO log VALUES ('two and a half');\nCREATE UNIQUE INDEX CONCURRENTLY rows_id_idx ON rows (id);\n\
         ALTER TABLE rows ADD CONSTRAINT rows_pkey PRIMARY KEY USING INDEX rows_id_idx;",
    ),
    (
        "0003_unnamed",
        "CREATE INDEX CONCURRENTLY ON rows (name, part);\nCREATE INDEX CONCURRENTLY ON rows (name);",
    ),
    ("0004_rows", "UPDATE rows SET part = part + 1; INSERT INTO log VALUES ('four');"),
    (
        "0005_another",
        "DROP INDEX CONCURRENTLY rows_part_idx;\nCREATE INDEX CONCURRENTLY rows_part_name_idx ON rows (part, name);\n\
         REINDEX INDEX CONCURRENTLY rows_part_name_idx;\nVACUUM (ANALYZE) rows;\nINSERT INTO log VALUES ('five');",
    ),
];

#[tokio::test]
async fn killed_in_the_first_eighth() {
    killed_in(0).await;
}

#[tokio::test]
async fn killed_in_the_second_eighth() {
    killed_in(1).await;
}

#[tokio::test]
async fn killed_in_the_third_eighth() {
    killed_in(2).await;
}

#[tokio::test]
async fn killed_in_the_fourth_eighth() {
    killed_in(3).await;
}

#[tokio::test]
async fn killed_in_the_fifth_eighth() {
    killed_in(4).await;
}

#[tokio::test]
async fn killed_in_the_sixth_eighth() {
    killed_in(5).await;
}

#[tokio::test]
async fn killed_in_the_seventh_eighth() {
    killed_in(6).await;
}

#[tokio::test]
async fn killed_in_the_last_eighth() {
    killed_in(7).await;
}

/// The points are spread over the time that a whole run takes here, from its start on.
async fn killed_in(test: u32) {
    let folder = folder();
    for (name, sql) in MIGRATIONS {
        write(folder.path(), &format!("m/{name}/up.sql"), sql);
    }
    let folder = folder.path();
    let (mut whole, mut full) = (Duration::ZERO, None);
    empty_db(|db| {
        let (whole, full) = (&mut whole, &mut full);
        async move {
            let began = Instant::now();
            done(&migrate(db.url(), folder, "m", &["up"]));
            *whole = began.elapsed();
            *full = Some(schema(&db).await);
        }
    })
    .await;
    let full = full.expect("it was migrated");
    for point in 0..POINTS {
        let after = whole * (test * POINTS + point) / (TESTS * POINTS);
        let full = &full;
        empty_db(|db| async move {
            kill_after(folder, &db, after);
            done(&migrate(db.url(), folder, "m", &["recover"]));
            done(&migrate(db.url(), folder, "m", &["up"]));
            assert_eq!(schema(&db).await.to_string(), full.to_string(), "killed after {after:?}");
            let mut conn = db.connect().await;
            let (steps, parts, invalid): (i64, i64, i64) = sqlx::query_as(
                "SELECT (SELECT count(*) FROM log), (SELECT sum(part) FROM rows)::bigint, \
                 (SELECT count(*) FROM pg_index WHERE NOT indisvalid)",
            )
            .fetch_one(&mut conn)
            .await
            .expect("counted");
            let expected: i64 = (1..=20_000).map(|n| n % 97 + 1).sum();
            assert_eq!((steps, parts, invalid), (4, expected, 0), "killed after {after:?}");
        })
        .await;
    }
}

fn command(folder: &Path, fresh: &FreshDb, action: &str) -> std::process::Command {
    let mut command = db(folder, ["migrate", action, "--dir", "m"]);
    command.env("DATABASE_URL", fresh.url()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Kills the process, as a machine that is out of memory does: nothing of it runs any more.
fn kill_after(folder: &Path, db: &FreshDb, after: Duration) {
    let began = Instant::now();
    let mut child = command(folder, db, "up").spawn().expect("the binary runs");
    while began.elapsed() < after && child.try_wait().expect("asked").is_none() {
        thread::yield_now();
    }
    child.kill().expect("killed, or at its end");
    child.wait().expect("it ended");
}

fn done(answer: &Answer) {
    assert_eq!(answer.code, Some(0), "{answer:?}");
}

async fn schema(db: &FreshDb) -> Snapshot {
    snapshot(&mut db.connect().await, &SnapshotOptions::default()).await.expect("a snapshot")
}
