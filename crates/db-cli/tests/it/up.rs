//! Servers for as long as a command runs.

use crate::{Answer, db, folder, run};

#[test]
fn a_command_gets_the_servers_and_gives_its_exit_code() {
    let folder = folder();
    let script = "psql \"$DATABASE_URL\" -Atc 'SELECT 40 + 2' && test \"$DATABASE_URL\" = \"$DB_TEST_POSTGRES_URL\" && exit 7";
    let answer = run(folder.path(), &["up", "--ephemeral", "--no-redis", "--", "sh", "-c", script]);
    assert_eq!((answer.code, answer.stdout.trim()), (Some(7), "42"), "{answer:?}");
    let kept = answer.stderr.split("rm -r ").nth(1).expect("kept after a failure").trim();
    std::fs::remove_dir_all(kept).expect("it is there");
    assert!(!folder.path().join(".db").exists());
}

#[test]
fn redis_is_up_as_well() {
    let folder = folder();
    let answer = run(folder.path(), &["up", "--ephemeral", "--", "sh", "-c", "echo \"$REDIS_URL\""]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let socket = answer.stdout.trim().strip_prefix("redis+unix://").expect("a URL").to_owned();
    assert!(!std::path::Path::new(&socket).exists(), "it is gone with the command");
}

#[test]
fn a_url_is_handed_on() {
    let folder = folder();
    let url = "postgresql://u@h/db";
    let mut command =
        db(folder.path(), ["up", "--no-redis", "--", "sh", "-c", "echo \"$DB_TEST_POSTGRES_URL\""]);
    let answer = Answer::from(command.env("DB_TEST_POSTGRES_URL", url).output().expect("runs"));
    assert_eq!((answer.code, answer.stdout.trim()), (Some(0), url), "{answer:?}");
}

#[test]
fn a_command_that_is_not_there_is_told() {
    let folder = folder();
    let answer = run(folder.path(), &["up", "--ephemeral", "--no-redis", "--", "no-such-command"]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.stderr.contains("no-such-command"));
}
