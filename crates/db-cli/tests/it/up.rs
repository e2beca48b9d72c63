//! Servers for as long as a command runs.

use crate::{Answer, db, folder, is_running, run, signal};
use rustix::process::Signal;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

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
    assert!(!Path::new(&socket).exists(), "it is gone with the command");
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

/// Waits for what the command writes when it has begun, and answers with it.
fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    line.trim().to_owned()
}

fn start(folder: &Path, script: &str) -> Child {
    let mut command = db(folder, ["up", "--ephemeral", "--no-redis", "--", "sh", "-c", script]);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs")
}

#[test]
fn a_terminated_run_takes_its_command_along() {
    let folder = folder();
    // Answers to TERM with a code of its own.
    let mut child = start(folder.path(), "trap 'kill $!; exit 9' TERM; sleep 1000 & echo $$; wait");
    let command: u32 = first_line(&mut child).parse().expect("a process id");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(9));
    assert!(!is_running(command));
}

#[test]
fn a_command_that_does_not_listen_goes_at_the_second_signal() {
    let folder = folder();
    let mut child = start(folder.path(), "trap '' TERM; echo $$; while :; do read _ </dev/zero; done");
    let command: u32 = first_line(&mut child).parse().expect("a process id");
    while is_running(command) {
        signal(&child, Signal::TERM);
        if child.try_wait().expect("asked").is_some() {
            break;
        }
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_running(command) {
        assert!(Instant::now() < deadline, "the command goes on without its server");
    }
}

#[test]
fn a_named_server_is_for_commands_only() {
    let folder = folder();
    let mut command = db(folder.path(), ["up", "--ephemeral", "--no-redis", "--json"]);
    command.env("DB_TEST_POSTGRES_URL", "postgresql://ann:hunter2-secret@h/d").stdout(Stdio::piped());
    let mut child = command.spawn().expect("runs");
    let line = first_line(&mut child);
    assert!(line.contains("PostgreSQL") && !line.contains("hunter2"), "{line}");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
