//! Input that cannot work: one clear message, the right exit code, nothing half-made.

use crate::{Answer, db, folder, run, write};
use db_testkit::fresh_db;
use std::{fs, net::TcpListener, path::Path};

#[track_caller]
fn check(answer: &Answer, code: i32, words: &[&str]) {
    assert_eq!(answer.code, Some(code), "{answer:?}");
    assert_eq!(answer.stderr.matches("error:").count(), 1, "one message: {}", answer.stderr);
    for word in words {
        assert!(answer.stderr.contains(word), "{word} is missing: {}", answer.stderr);
    }
}

fn is_untouched(folder: &Path) {
    assert!(!folder.join(".db").exists(), "nothing may be made");
}

#[test]
fn no_tree_to_analyse() {
    let folder = folder();
    write(folder.path(), "file", "x");
    for (path, words) in [("missing", ["missing", "db demo PATH"]), ("file", ["no folder", "db demo PATH"])] {
        check(&run(folder.path(), &["demo", path]), 2, &words);
        is_untouched(folder.path());
    }
    fs::create_dir(folder.path().join("empty")).expect("made");
    check(&run(folder.path(), &["demo", "empty"]), 2, &["has no files", "db demo PATH"]);
}

#[test]
fn a_command_line_that_is_none() {
    let folder = folder();
    for arguments in
        [&["demo", "--workers", "0"][..], &["nonsense"], &[], &["migrate"], &["up", "--port", "x"]]
    {
        assert_eq!(run(folder.path(), arguments).code, Some(2), "{arguments:?}");
        is_untouched(folder.path());
    }
    let help = run(folder.path(), &["--help"]);
    assert!(help.stdout.contains("Exit codes"), "{}", help.stdout);
}

#[test]
fn a_taken_port() {
    let folder = folder();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("its address").port().to_string();
    check(&run(folder.path(), &["up", "--no-redis", "--port", &port]), 1, &[&port, "--port"]);
    assert!(!folder.path().join(".db/postgres").exists());
}

#[tokio::test]
async fn a_database_url_that_is_wrong() {
    fresh_db(|fresh| async move {
        let folder = folder();
        let ask = |url: &str| {
            Answer::from(db(folder.path(), ["health"]).env("DATABASE_URL", url).output().expect("runs"))
        };
        check(
            &ask("postgresql://ann:hunter2-secret@nowhere.invalid/app"),
            1,
            &["nowhere.invalid", "db config explain"],
        );
        check(&ask(&fresh.url().replace(fresh.name(), "no_such_db")), 1, &["no_such_db", "createdb"]);
        check(&ask("postgresql://ann:hunter2-secret@localhost:notaport/app"), 2, &["DATABASE_URL"]);
        check(&ask("mysql://ann:hunter2-secret@localhost/app"), 2, &["DATABASE_URL"]);
        for url in [
            "postgresql://ann:hunter2-secret@nowhere.invalid/app",
            "ann:hunter2-secret@x",
            "mysql://a:hunter2-secret@x",
        ] {
            let answer = ask(url);
            assert!(!format!("{answer:?}").contains("hunter2-secret"), "{answer:?}");
        }
        is_untouched(folder.path());
    })
    .await;
}

#[test]
fn a_password_that_is_wrong() {
    let folder = folder();
    let mut child = db(folder.path(), ["up", "--no-redis", "--json"]);
    let mut child = child.stdout(std::process::Stdio::piped()).spawn().expect("runs");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().expect("piped")), &mut line)
        .expect("a line");
    let servers: serde_json::Value = serde_json::from_str(&line).expect("an object");
    let url = servers["database_url"].as_str().expect("a URL").to_owned();
    let right = Answer::from(db(folder.path(), ["health"]).env("DATABASE_URL", &url).output().expect("runs"));
    assert_eq!(right.code, Some(0), "{right:?}");
    let wrong = url.replacen("cairn:", "cairn:x", 1);
    let wrong =
        Answer::from(db(folder.path(), ["health"]).env("DATABASE_URL", wrong).output().expect("runs"));
    check(&wrong, 1, &["password", "db config explain"]);
    crate::signal(&child, rustix::process::Signal::TERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn migrations_that_cannot_be_applied() {
    let folder = folder();
    let migrate = |dir: &str| run(folder.path(), &["migrate", "up", "--dir", dir]);
    write(folder.path(), "gap/0001_a/up.sql", "SELECT 1;");
    write(folder.path(), "gap/0003_b/up.sql", "SELECT 1;");
    check(&migrate("gap"), 1, &["2"]);
    write(folder.path(), "double/0001_a/up.sql", "SELECT 1;");
    write(folder.path(), "double/0001_b/up.sql", "SELECT 1;");
    check(&migrate("double"), 1, &["0001_a", "0001_b"]);
    check(&migrate("missing"), 1, &["missing"]);
    is_untouched(folder.path());
}

#[tokio::test]
async fn a_migration_that_was_edited() {
    db_testkit::empty_db(|fresh| async move {
        let folder = folder();
        let run = |arguments: &[&str]| {
            Answer::from(
                db(folder.path(), arguments).env("DATABASE_URL", fresh.url()).output().expect("runs"),
            )
        };
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        let pending = run(&["migrate", "status", "--dir", "m"]);
        assert_eq!(pending.code, Some(3), "{pending:?}");
        assert_eq!(run(&["migrate", "up", "--dir", "m"]).code, Some(0));
        assert_eq!(run(&["migrate", "status", "--dir", "m"]).code, Some(0));
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id bigint);");
        check(&run(&["migrate", "up", "--dir", "m"]), 1, &["0001_a"]);
        let status = run(&["migrate", "status", "--dir", "m"]);
        assert_eq!(status.code, Some(3), "{status:?}");
        assert!(status.stdout.contains("problem"), "{}", status.stdout);
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_unhealthy() {
    fresh_db(|fresh| async move {
        let folder = folder();
        let health = || {
            Answer::from(
                db(folder.path(), ["health", "--json"])
                    .env("DATABASE_URL", fresh.url())
                    .output()
                    .expect("runs"),
            )
        };
        assert_eq!(health().code, Some(0));
        let mut conn = fresh.connect().await;
        sqlx::query("UPDATE db_migrations SET checksum = sha256('other') WHERE id = '0001'")
            .execute(&mut conn)
            .await
            .expect("edited");
        let answer = health();
        assert_eq!(
            (answer.code, answer.json()["status"].as_str()),
            (Some(3), Some("unhealthy")),
            "{answer:?}"
        );
    })
    .await;
}

#[test]
fn nothing_to_ask() {
    let folder = folder();
    check(&run(folder.path(), &["health"]), 1, &["DATABASE_URL", "db up"]);
    is_untouched(folder.path());
    fs::create_dir(folder.path().join(".db")).expect("made");
    check(&run(folder.path(), &["health"]), 1, &["DATABASE_URL", "db up"]);
    assert!(!folder.path().join(".db/postgres").exists());
}

#[test]
fn explained_settings_hold_no_secret() {
    let folder = folder();
    let mut command = db(folder.path(), ["config", "explain"]);
    let answer = Answer::from(
        command.env("DATABASE_URL", "postgresql://ann:hunter2-secret@h/app").output().expect("runs"),
    );
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stdout.contains("environment variable DATABASE_URL"), "{}", answer.stdout);
    assert!(!format!("{answer:?}").contains("hunter2-secret"));
}

#[test]
fn a_dotenv_that_lies_there_runs_nothing() {
    let folder = folder();
    let mark = folder.path().join("ran");
    for name in ["DB_PASSWORD_COMMAND", "DB_PASSWORD_FILE"] {
        write(
            folder.path(),
            ".env",
            format!("DB_HOST=localhost\n{name}='/usr/bin/touch {}'\n", mark.display()),
        );
        check(&run(folder.path(), &["health"]), 2, &[".env", "refused"]);
        assert!(!mark.exists());
    }
}

#[test]
fn an_option_that_would_do_nothing_is_refused() {
    let folder = folder();
    for arguments in [
        &["config", "explain", "--data", "x"][..],
        &["up", "--url", "postgresql://u@h/d"],
        &["up", "--url", "postgresql://u@h/d", "--ephemeral", "--", "true"],
    ] {
        assert_eq!(run(folder.path(), arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_stops_no_migration() {
    let folder = folder();
    let mut child = db(folder.path(), ["migrate", "up"]);
    let mut child = child.stderr(std::process::Stdio::piped()).spawn().expect("runs");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(run(folder.path(), &["migrate", "status"]).code, Some(0));
}

#[tokio::test]
async fn the_migrations_of_another_folder_are_judged_by_that_folder() {
    db_testkit::empty_db(|fresh| async move {
        let folder = folder();
        let run = |arguments: &[&str]| {
            Answer::from(
                db(folder.path(), arguments).env("DATABASE_URL", fresh.url()).output().expect("runs"),
            )
        };
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        assert_eq!(run(&["migrate", "up", "--dir", "m"]).code, Some(0));
        let answer = run(&["health", "--dir", "m"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
    })
    .await;
}
