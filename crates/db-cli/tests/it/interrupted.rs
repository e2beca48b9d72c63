//! What is left when a run is stopped or killed: no server, and a state that the next run takes up.

use crate::{Answer, db, folder, is_running, run, server_pid, write};
use rustix::process::Signal;
use serde_json::json;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A tree that takes a debug build some seconds.
fn large_tree(folder: &Path, files: usize) {
    let body = "    if a && b || c { for x in y { match x { 1 => {} _ => {} } } }\n".repeat(120);
    for number in 0..files {
        write(folder, &format!("tree/p{}/f{number}.rs", number % 7), format!("fn f() {{\n{body}}}\n"));
    }
}

fn start(folder: &Path) -> Child {
    let mut command = db(folder, ["demo", "tree", "--json", "--workers", "1"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Waits for a state, looking again and again.
fn until(state: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !reached() {
        assert!(Instant::now() < deadline, "not reached: {state}");
        thread::yield_now();
    }
}

/// How many files the running demo has stored, asked over the server's socket with psql.
fn stored(state: &Path) -> Option<u64> {
    let record = std::fs::read_to_string(state.join("server.json")).ok()?;
    let record: serde_json::Value = serde_json::from_str(&record).ok()?;
    let output = Command::new("psql")
        .args([record["url"].as_str()?, "-Atc", "SELECT count(*) FROM code_analysis"])
        .output()
        .expect("psql runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

#[test]
fn a_stopped_run_is_taken_up_where_it_ended() {
    let folder = folder();
    large_tree(folder.path(), 600);
    let state = folder.path().join(".db");
    let child = start(folder.path());
    until("some files are stored", || stored(&state).is_some_and(|files| files > 0));
    let server = server_pid(&state).expect("a server");
    crate::signal(&child, Signal::INT);
    let answer = Answer::from(child.wait_with_output().expect("it ends"));
    assert_eq!(answer.code, Some(130), "{answer:?}");
    let report = answer.json();
    assert_eq!(report["interrupted"], true);
    let done = report["tasks"]["completed"].as_u64().expect("a number");
    assert!(done > 0 && done < 600, "{report}");
    assert_eq!(report["tasks"]["in_progress"], 0, "what ran has ended");
    assert!(!is_running(server), "the server must end");

    let rest = run(folder.path(), &["demo", "tree", "--json"]).json();
    assert_eq!(
        rest["analysed"].as_u64().expect("a number") + rest["unchanged"].as_u64().expect("a number"),
        600
    );
    assert!(rest["unchanged"].as_u64() >= Some(done.saturating_sub(7)), "{rest}");
    let again = run(folder.path(), &["demo", "tree", "--json"]).json();
    assert_eq!((&again["analysed"], &again["unchanged"]), (&json!(0), &json!(600)));
}

#[test]
fn a_killed_run_leaves_no_server_and_the_next_one_works() {
    let folder = folder();
    large_tree(folder.path(), 300);
    let state = folder.path().join(".db");
    let mut child = start(folder.path());
    until("some files are stored", || stored(&state).is_some_and(|files| files > 0));
    let server = server_pid(&state).expect("a server");
    assert!(is_running(server));
    child.kill().expect("killed");
    child.wait().expect("it ended");
    until("the server is gone", || !is_running(server));

    let next = run(folder.path(), &["demo", "tree", "--json"]);
    assert_eq!(next.code, Some(0), "{next:?}");
    let report = next.json();
    assert_eq!(
        report["analysed"].as_u64().unwrap_or(0) + report["unchanged"].as_u64().unwrap_or(0),
        300,
        "{report}"
    );
    assert_eq!((&report["tasks"]["failed"], &report["tasks"]["in_progress"]), (&json!(0), &json!(0)));
}

#[test]
fn two_demos_in_one_folder_do_not_mix() {
    let folder = folder();
    large_tree(folder.path(), 600);
    let state = folder.path().join(".db");
    let first = start(folder.path());
    until("some files are stored", || stored(&state).is_some_and(|files| files > 0));
    let second = run(folder.path(), &["demo", "tree"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("another demo"), "{}", second.stderr);
    let answer = Answer::from(first.wait_with_output().expect("it ends"));
    assert_eq!((answer.code, &answer.json()["analysed"]), (Some(0), &json!(600)), "{}", answer.stderr);
}
