//! `--dry-run`: run for real, told in detail, and nothing kept.

use crate::{db, expect, folder, migrate, signal, write};
use db_testkit::empty_db;
use rustix::process::Signal;
use serde_json::json;
use std::process::Stdio;

#[tokio::test]
async fn tells_locks_rows_and_times_and_changes_nothing() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (2);");
        write(folder.path(), "m/0001_a/down.sql", "DROP TABLE a;");
        expect(&at(&["up"]), 0, "1 migration applied");
        write(folder.path(), "m/0002_b/up.sql", "UPDATE a SET id = 3;\nALTER TABLE a ALTER id TYPE bigint;");
        write(folder.path(), "m/0002_b/down.sql", "ALTER TABLE a ALTER id TYPE int;");

        let dry = at(&["up", "--dry-run", "--json"]);
        assert_eq!(dry.code, Some(0), "{dry:?}");
        let report = dry.json();
        assert_eq!((&report["on"], &report["error"]), (&json!("here"), &json!(null)));
        let statements = &report["migrations"][0]["statements"];
        assert_eq!(statements[0]["rows"], 2);
        assert_eq!(statements[0]["locks"][0]["mode"], "RowExclusiveLock");
        assert_eq!(statements[1]["rewritten"][0]["relation"], "public.a");
        assert_eq!(report["strongest_locks"][0]["keeps_out"], "readers and writers");
        expect(&at(&["up", "--dry-run"]), 0, "AccessExclusiveLock on public.a, held ");
        expect(&at(&["to", "2", "--dry-run"]), 0, "1 migration went well; nothing was changed");
        expect(&at(&["to", "0001_a", "--dry-run"]), 0, "nothing to do");
        expect(&at(&["down", "--dry-run", "--all"]), 0, "0001_a/down.sql:1  DROP TABLE a");
        expect(&at(&["status"]), 3, "pending  0002_b");

        write(folder.path(), "m/0002_b/up.sql", "UPDATE a SET id = 3;\nALTER TABLE b ADD c int;");
        expect(&at(&["up", "--dry-run"]), 1, "failed: 0002_b/up.sql:2");
        assert_eq!(at(&["up", "--dry-run", "--json"]).json()["migrations"][0]["statements"][0]["rows"], 2);
        expect(&at(&["up", "--on", "copy"]), 2, "--dry-run");
    })
    .await;
}

#[tokio::test]
async fn what_runs_in_no_transaction_runs_on_a_copy() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        write(folder.path(), "m/0001_a/down.sql", "DROP TABLE a;");
        expect(&at(&["up"]), 0, "1 migration applied");
        write(folder.path(), "m/0002_i/up.sql", "CREATE INDEX CONCURRENTLY i ON a (id);");
        write(folder.path(), "m/0002_i/down.sql", "DROP INDEX i;");
        let conn = fresh.connect().await;
        expect(&at(&["up", "--dry-run"]), 0, "no rows were copied");
        drop(conn);
        expect(&at(&["up", "--dry-run", "--on", "here"]), 1, "rehearse it on a copy (--on copy)");
        let dry = at(&["up", "--dry-run", "--json"]).json();
        let reason = "0002_i/up.sql:1: CREATE INDEX CONCURRENTLY i ON runs in no transaction";
        assert_eq!((&dry["on"], &dry["because"]), (&json!("copy"), &json!(reason)), "{dry}");
        // Nobody is in the database any more, and the command itself is not either.
        assert_eq!(dry["rows_copied"], true, "{dry}");
    })
    .await;
}

#[tokio::test]
async fn a_stopped_dry_run_leaves_no_scratch_database() {
    empty_db(|fresh| async move {
        let folder = folder();
        write(folder.path(), "m/0001_a/up.sql", "SELECT pg_sleep(600);");
        write(folder.path(), "m/0001_a/down.sql", "SELECT 1;");
        let mut command = db(folder.path(), ["migrate", "up", "--dry-run", "--on", "copy", "--dir", "m"]);
        command.env("DATABASE_URL", fresh.url()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut conn = fresh.connect().await;
        let child = command.spawn().expect("the binary runs");
        let own = format!("cairn_scratch_{}_%", child.id());
        let sleeps =
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname LIKE $1 AND wait_event = 'PgSleep')";
        let waited = async {
            while !sqlx::query_scalar::<_, bool>(sleeps).bind(&own).fetch_one(&mut conn).await.expect("asked")
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), waited)
            .await
            .expect("it sleeps in its copy");
        signal(&child, Signal::INT);
        let answer = crate::Answer::from(child.wait_with_output().expect("it ends"));
        expect(&answer, 130, "stopped before the end; nothing was changed");
        let left: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname LIKE $1)")
            .bind(&own)
            .fetch_one(&mut conn)
            .await
            .expect("the server lists its databases");
        assert!(!left, "{answer:?}");
    })
    .await;
}
