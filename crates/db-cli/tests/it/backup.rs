//! `db backup` as an operator uses it.

use crate::{expect, folder, on, run, write};
use db_testkit::empty_db;
use sqlx::{AssertSqlSafe, PgConnection};
use std::fs;

async fn execute(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.expect("the test's own SQL works");
}

#[tokio::test]
async fn is_made_shown_proved_restored_and_pruned() {
    empty_db(|fresh| async move {
        let folder = folder();
        let backup = |arguments: &[&str]| on(fresh.url(), folder.path(), &[&["backup"], arguments].concat());
        expect(&backup(&["list"]), 3, "no backups in backups");
        expect(&backup(&["verify"]), 1, "db backup create");
        let mut conn = fresh.connect().await;
        execute(&mut conn, "CREATE TABLE a AS SELECT generate_series(1, 100) AS x").await;

        expect(&backup(&["create", "--verify"]), 0, "restored and found equal");
        let listed = backup(&["list", "--json"]).json();
        assert_eq!(listed["backups"][0]["state"], "intact", "{listed}");
        assert_eq!(listed["backups"][0]["manifest"]["rows"], 100, "{listed}");
        assert_eq!(listed["backups"][0]["verified"]["rows"], 100, "{listed}");
        expect(&backup(&["list"]), 0, "proved ");
        expect(&backup(&["verify", "--files-only"]), 0, "nothing was restored");
        expect(&backup(&["verify"]), 0, "100 rows compared");

        execute(&mut conn, "DELETE FROM a WHERE x > 7").await;
        let copy = format!("copy_{}", &fresh.name()[fresh.name().len() - 16..]);
        expect(&backup(&["restore", "latest", "--into", &"x".repeat(64)]), 1, "a name has 1 to 63 bytes");
        expect(&backup(&["restore", "latest", "--into", &copy]), 0, "100 rows compared");
        expect(&backup(&["restore", "latest", "--into", &copy]), 1, "exists already");
        execute(&mut conn, &format!("DROP DATABASE \"{copy}\"")).await;

        expect(&backup(&["restore", "latest"]), 2, "--replace");
        expect(&backup(&["restore", "latest", "--replace"]), 2, "say --yes");
        expect(&backup(&["restore", "latest", "--replace", "--yes"]), 1, "is in use by pid");
        sqlx::Connection::close(conn).await.expect("closed");
        let restored = backup(&["restore", "latest", "--replace", "--yes", "--end-sessions", "--json"]);
        assert_eq!(restored.code, Some(0), "{restored:?}");
        let kept = restored.json()["kept"].as_str().expect("the old one is kept").to_owned();
        let mut conn = fresh.connect().await;
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM a").fetch_one(&mut conn).await.expect("counted");
        assert_eq!(rows, 100);
        execute(&mut conn, &format!("DROP DATABASE \"{kept}\"")).await;

        expect(&backup(&["create"]), 0, "100 rows of 1 tables");
        let prune = ["prune", "--keep-last", "1", "--keep-days", "0"];
        expect(&backup(&prune), 0, "nothing to remove");
        expect(&backup(&["verify"]), 0, "restored and found equal");
        expect(&backup(&[&prune[..], &["--dry-run"]].concat()), 0, "to remove  ");
        expect(&backup(&prune), 0, "older than the policy keeps");
        assert_eq!(backup(&["list", "--json"]).json()["backups"].as_array().map(Vec::len), Some(1));
    })
    .await;
}

#[tokio::test]
async fn one_flipped_byte_is_the_answer_no() {
    empty_db(|fresh| async move {
        let folder = folder();
        let backup = |arguments: &[&str]| on(fresh.url(), folder.path(), &[&["backup"], arguments].concat());
        execute(&mut fresh.connect().await, "CREATE TABLE a AS SELECT 1 AS x").await;
        let made = backup(&["create", "--json"]).json();
        let file = folder.path().join(made["backup"].as_str().expect("a path")).join("dump/toc.dat");
        let mut bytes = fs::read(&file).expect("the table of contents");
        bytes[100] ^= 1;
        fs::write(&file, bytes).expect("written");
        expect(&backup(&["verify"]), 3, "dump/toc.dat has another SHA-256");
        expect(&backup(&["verify", "--files-only"]), 3, "dump/toc.dat has another SHA-256");
        expect(&backup(&["restore", "latest", "--into", "nowhere"]), 1, "dump/toc.dat");
        expect(&backup(&["verify", "elsewhere"]), 3, "manifest.json cannot be read");
    })
    .await;
}

#[test]
fn without_a_database_there_is_nothing_to_back_up() {
    let folder = folder();
    let answer = run(folder.path(), &["backup", "create"]);
    expect(&answer, 1, "no database");
}

#[tokio::test]
async fn what_loses_rows_without_naming_them_is_risky() {
    for risky in [
        "DROP SCHEMA app CASCADE;",
        "DROP OWNED BY CURRENT_USER;",
        "DO $$ BEGIN EXECUTE 'DROP TABLE app.t'; END $$;",
    ] {
        empty_db(|fresh| async move {
            let folder = folder();
            let mut conn = fresh.connect().await;
            execute(&mut conn, "CREATE SCHEMA app; CREATE TABLE app.t AS SELECT 1 AS x; ANALYZE app.t").await;
            write(folder.path(), "m/0001_a/up.sql", risky);
            let nowhere = folder.path().join("nowhere");
            fs::create_dir(&nowhere).expect("a folder");
            let tools = nowhere.to_str().expect("a path");
            let arguments = ["migrate", "up", "--dir", "m", "--before-risky", "--tools", tools];
            expect(&on(fresh.url(), folder.path(), &arguments), 1, "install postgresql-client-15");
            execute(&mut conn, "SELECT * FROM app.t").await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_backup_comes_before_what_is_risky() {
    empty_db(|fresh| async move {
        let folder = folder();
        let migrate = |arguments: &[&str]| {
            on(
                fresh.url(),
                folder.path(),
                &[&["migrate", "up", "--dir", "m", "--before-risky"], arguments].concat(),
            )
        };
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a AS SELECT 1 AS x;");
        expect(&migrate(&[]), 0, "1 migration applied");
        let alone = ["migrate", "up", "--dir", "m", "--jobs", "2"];
        expect(&on(fresh.url(), folder.path(), &alone), 2, "--before-risky");
        assert!(!folder.path().join("backups").exists(), "nothing was risky");

        write(folder.path(), "m/0002_b/up.sql", "DROP TABLE a;");
        write(folder.path(), "m/0002_b/meta.toml", "risk = \"high\"\n");
        let nowhere = folder.path().join("nowhere");
        fs::create_dir(&nowhere).expect("a folder");
        let tools = nowhere.to_str().expect("a path");
        expect(&migrate(&["--tools", tools]), 1, "install postgresql-client-15");
        let mut conn = fresh.connect().await;
        execute(&mut conn, "SELECT * FROM a").await;

        expect(&migrate(&["--backup-dir", "kept"]), 0, "backed up and proved: kept/");
        let listed = on(fresh.url(), folder.path(), &["backup", "list", "--dir", "kept", "--json"]).json();
        assert_eq!(listed["backups"][0]["verified"]["rows"], 2, "the table and the history: {listed}");
    })
    .await;
}
