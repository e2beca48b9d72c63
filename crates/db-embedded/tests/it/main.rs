//! Servers really started and stopped; they need PostgreSQL's and Redis's native binaries.

mod bad_input;
mod elsewhere;
mod hostile;
mod lifecycle;
mod redis;

use db_embedded::{Error, Options, Postgres};
use db_pool::Pool;
use std::{fs, path::PathBuf};

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
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    folder
}

/// Whether a process of this id exists and is no zombie.
fn is_running(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state follows the name, which stands in parentheses and may hold some itself.
    !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// The folder that a URL's socket stands in.
fn socket_folder(postgres: &Postgres) -> PathBuf {
    let url = postgres.url().expose();
    let host = url.split("host=").nth(1).expect("a socket URL");
    PathBuf::from(host.split('&').next().expect("a folder"))
}
