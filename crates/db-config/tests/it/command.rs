//! Passwords that a program prints; nothing of it may outlive the question.

use db_config::{CommandPassword, Error, Loader};
use db_core::PasswordProvider;
use std::path::Path;
use std::time::{Duration, Instant};

fn shell(script: &str) -> CommandPassword {
    CommandPassword::new(["/bin/sh", "-c", script]).unwrap()
}

async fn failure(provider: &CommandPassword) -> String {
    let error = provider.password().await.unwrap_err();
    let source = std::error::Error::source(&*error).map(ToString::to_string).unwrap_or_default();
    format!("{error} {error:?} {source}")
}

/// Polls until the process whose number the file holds is gone.
async fn gone(pid_file: &Path) {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = format!("/proc/{}/stat", pid.trim());
    // A zombie has ended; who reaps it is not ours to say for a grandchild.
    while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "process {} is still there", pid.trim());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn appeared(file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::fs::read_to_string(file).map_or(true, |text| !text.ends_with('\n')) {
        assert!(Instant::now() < deadline, "{file:?} was not written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn takes_what_the_program_prints() {
    let config = Loader::new().env([("DB_PASSWORD_COMMAND", "/bin/echo 'p@ss word' $HOME")]).load().unwrap();
    let password = config.postgres.password.password().await.unwrap().unwrap();
    assert_eq!(password.expose(), "p@ss word $HOME");
    let text = format!("{config:?} {}", config.explain());
    assert!(text.contains("/bin/echo (2 arguments hidden)") && !text.contains("p@ss"), "{text}");
}

#[tokio::test]
async fn a_failure_tells_the_status_and_nothing_that_was_printed() {
    for (script, expected) in [
        ("echo hunter2; echo hunter2 >&2; exit 3", "exit status: 3"),
        ("true", "its output is empty"),
        ("printf '\\377hunter2'", "its output is not UTF-8"),
        // Without end: what is read is bounded, not only what is accepted.
        ("while :; do echo hunter2hunter2; done", "its output is longer than 64 KiB"),
    ] {
        let text = failure(&shell(script)).await;
        assert!(text.contains(expected) && !text.contains("hunter2"), "{script}: {text}");
    }
    let text = failure(&CommandPassword::new(["/nowhere/hunter2"]).unwrap()).await;
    assert!(text.contains("cannot be started") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn the_whole_group_is_killed_at_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let asking = shell(&script).deadline(Duration::from_millis(500));
    let error = asking.password().await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Error::PasswordCommandTimeout { .. })), "{error:?}");
    gone(&pid).await;
}

#[tokio::test]
async fn the_whole_group_is_killed_when_the_question_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let asking = tokio::spawn(async move { shell(&script).password().await.is_ok() });
    appeared(&pid).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    gone(&pid).await;
}

#[test]
fn a_command_without_a_program_is_none() {
    assert!(CommandPassword::new(Vec::<String>::new()).is_none());
    assert!(CommandPassword::new([""]).is_none());
}
