//! Servers really started and stopped; they need PostgreSQL's and Redis's native binaries.

mod bad_input;
mod lifecycle;
mod redis;

use db_embedded::{Error, Options, Postgres};
use db_pool::Pool;
use std::{path::PathBuf, process::Command};

/// Starts a server, with what to install when there is none.
async fn start(options: Options) -> Postgres {
    Postgres::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn refused(options: Options) -> Error {
    Postgres::start(options).await.expect_err("must be refused")
}

async fn connect(postgres: &Postgres) -> Pool {
    Pool::connect_url(postgres.url().expose()).await.expect("a started server takes connections")
}

/// A folder that the server's user can enter, whoever runs the tests.
fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a scratch folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    folder
}

/// Whether a process of this id exists and is no zombie.
fn is_running(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().expect("ps runs");
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

/// The folder that a URL's socket stands in.
fn socket_folder(postgres: &Postgres) -> PathBuf {
    let url = postgres.url().expose();
    let host = url.split("host=").nth(1).expect("a socket URL");
    PathBuf::from(host.split('&').next().expect("a folder"))
}
