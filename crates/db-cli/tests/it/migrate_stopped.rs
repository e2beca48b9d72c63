//! Ctrl-C while a migration command is at work: nothing of it runs on, and what is left is told.

use crate::{Answer, db, folder, is_running, signal, write};
use db_testkit::{FreshDb, empty_db};
use rustix::process::Signal;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Stands for PostgreSQL's programs: tells its process id, and works without end.
const TOOL: &str = "#!/bin/sh\n\
    if [ \"$1\" = --version ]; then echo \"$(basename \"$0\") (PostgreSQL) 99.0\"; exit; fi\n\
    echo $$ > \"$(dirname \"$0\")/pid.new\"; mv \"$(dirname \"$0\")/pid.new\" \"$(dirname \"$0\")/pid\"\n\
    exec sleep 600\n";

fn tools(folder: &Path) {
    for name in ["pg_dump", "pg_restore"] {
        let path = format!("tools/{name}");
        write(folder, &path, TOOL);
        fs::set_permissions(folder.join(path), fs::Permissions::from_mode(0o755)).expect("chmod");
    }
}

fn start(folder: &Path, fresh: &FreshDb, arguments: &[&str]) -> Child {
    let mut command = db(folder, ["migrate"].iter().chain(arguments).copied());
    command.env("DATABASE_URL", fresh.url()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

/// Waits for a state, looking again and again.
fn until<T>(state: &str, reached: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(reached) = reached() {
            return reached;
        }
        assert!(Instant::now() < deadline, "not reached: {state}");
        thread::yield_now();
    }
}

/// Presses Ctrl-C once `pg_dump` is at work; how the command ended, when that is gone as well.
fn stopped_at_the_dump(folder: &Path, child: Child) -> Answer {
    let pid: u32 =
        until("pg_dump works", || fs::read_to_string(folder.join("tools/pid")).ok()?.trim().parse().ok());
    signal(&child, Signal::INT);
    let answer = Answer::from(child.wait_with_output().expect("it ends"));
    until("pg_dump is gone", || (!is_running(pid)).then_some(()));
    answer
}

#[tokio::test]
async fn the_backup_before_what_is_risky_takes_pg_dump_along() {
    empty_db(|fresh| async move {
        let folder = folder();
        tools(folder.path());
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        write(folder.path(), "m/0001_a/meta.toml", "risk = 'high'");
        let arguments = ["up", "--dir", "m", "--before-risky", "--tools", "tools"];
        let answer = stopped_at_the_dump(folder.path(), start(folder.path(), &fresh, &arguments));
        assert_eq!(answer.code, Some(130), "{answer:?}");
        assert!(answer.stderr.contains("stopped before the end; nothing was migrated"), "{answer:?}");
        let left: Vec<_> = fs::read_dir(folder.path().join("backups")).expect("the folder").collect();
        assert!(left.is_empty(), "{left:?}");
        let mut conn = fresh.connect().await;
        let made: bool = sqlx::query_scalar("SELECT to_regclass('a') IS NOT NULL")
            .fetch_one(&mut conn)
            .await
            .expect("an answer");
        assert!(!made, "it is not migrated");
    })
    .await;
}

#[tokio::test]
async fn a_squash_leaves_no_scratch_database() {
    empty_db(|fresh| async move {
        let folder = folder();
        tools(folder.path());
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        write(folder.path(), "m/0002_b/up.sql", "CREATE TABLE b (id int);");
        let child = start(folder.path(), &fresh, &["squash", "all", "--dir", "m", "--tools", "tools"]);
        let own = format!("cairn_scratch_{}_%", child.id());
        let answer = stopped_at_the_dump(folder.path(), child);
        assert_eq!(answer.code, Some(130), "{answer:?}");
        assert!(answer.stderr.contains("stopped before the end; no file was written"), "{answer:?}");
        let left: Vec<String> =
            sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
                .bind(own)
                .fetch_all(&mut fresh.connect().await)
                .await
                .expect("the server lists its databases");
        assert_eq!(left, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn every_command_that_changes_something_listens() {
    for (command, table) in [("down", "down"), ("recover", "up")] {
        empty_db(|fresh| async move {
            let folder = folder();
            let at = |arguments: &[&str]| crate::migrate(fresh.url(), folder.path(), "m", arguments);
            // Half way, only what undoes what was done is run.
            let slow = match table {
                "up" => "DELETE FROM a WHERE pg_sleep(600) IS NOT NULL;",
                _ => "SELECT pg_sleep(600);",
            };
            let half = "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1);\n\
                        CREATE UNIQUE INDEX CONCURRENTLY a_key ON a (id);";
            write(folder.path(), "m/0001_a/up.sql", if table == "up" { half } else { "SELECT 1;" });
            write(folder.path(), "m/0001_a/down.sql", slow);
            at(&["up"]);
            let arguments: &[&str] = match command {
                "down" => &["down", "--yes", "--dir", "m"],
                _ => &["recover", "--undo", "--dir", "m"],
            };
            let mut conn = fresh.connect().await;
            let child = start(folder.path(), &fresh, arguments);
            let sleeping = "SELECT count(*) FROM pg_stat_activity \
                            WHERE datname = current_database() AND wait_event = 'PgSleep'";
            let deadline = Instant::now() + Duration::from_secs(60);
            while sqlx::query_scalar::<_, i64>(sleeping).fetch_one(&mut conn).await.expect("a count") == 0 {
                assert!(Instant::now() < deadline, "{command} never came to its statement");
            }
            signal(&child, Signal::INT);
            let answer = Answer::from(child.wait_with_output().expect("it ends"));
            assert_eq!(answer.code, Some(130), "{command}: {answer:?}");
            assert!(answer.stderr.contains("run it again to go on from here"), "{command}: {answer:?}");
        })
        .await;
    }
}
