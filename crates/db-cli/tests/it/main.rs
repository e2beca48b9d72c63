//! The `db` binary as a person or a pipeline runs it.

mod access;
mod audit;
mod backup;
mod backup_environment;
mod bad_input;
mod cache;
mod demo;
mod fleet;
mod interrupted;
mod killed;
mod migrate;
mod migrate_drift;
mod migrate_flyway;
mod migrate_lint;
mod migrate_refused;
mod migrate_rehearse;
mod migrate_server_wide;
mod migrate_stopped;
mod migrate_validate;
mod migrate_verify;
mod up;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

/// What a command answered.
#[derive(Debug)]
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// The binary in a folder, with nothing of the caller's environment that names a database.
fn db<A: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_db"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for name in [
        "DATABASE_URL",
        "DB_TEST_POSTGRES_URL",
        "DB_TEST_REDIS_URL",
        "REDIS_URL",
        "DB_CACHE_STORE",
        "DB_ACCESS_MODE",
        "DB_ACCESS_RULES",
    ] {
        command.env_remove(name);
    }
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Answer {
    db(folder, arguments).output().expect("the binary runs").into()
}

/// The same with this as the configured database.
fn on(url: &str, folder: &Path, arguments: &[&str]) -> Answer {
    db(folder, arguments).env("DATABASE_URL", url).output().expect("the binary runs").into()
}

/// `db migrate` with that, of the migrations in a folder.
fn migrate(url: &str, folder: &Path, dir: &str, arguments: &[&str]) -> Answer {
    on(url, folder, &[&["migrate"], arguments, &["--dir", dir]].concat())
}

/// That a command ended so, and said this among other things.
fn expect(answer: &Answer, code: i32, text: &str) {
    assert_eq!(answer.code, Some(code), "{answer:?}");
    assert!(answer.stdout.contains(text) || answer.stderr.contains(text), "{text} is not in {answer:?}");
}

/// A folder that the server's user can enter, whoever runs the tests.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    folder
}

fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, content).expect("written");
}

/// Whether a process of this id exists and is no zombie.
fn is_running(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state follows the name, which stands in parentheses and may hold some itself.
    !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// The server over a data folder, from the file that PostgreSQL keeps while it runs.
fn server_pid(state: &Path) -> Option<u32> {
    fs::read_to_string(state.join("postgres/postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("sent");
}
