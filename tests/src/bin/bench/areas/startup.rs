//! Start-up: from nothing to the first answer of an ephemeral PostgreSQL, and its end.
//!
//! The peer is what a person would type, with the same settings: `initdb`, `pg_ctl start`, `psql`, `pg_ctl stop`.

use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_embedded::{Mode, Options, Origin, Postgres};
use db_pool::Pool;
use std::{
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const PAIRS: usize = 7;
const BY_HAND: Option<&str> = Some("initdb, pg_ctl, psql by hand");
const FIRST_ANSWER: Work = Work {
    area: "startup",
    work: "ephemeral PostgreSQL: start to first answer (to be under 3000)",
    peer: BY_HAND,
    unit: "ms",
    better: Better::Lower,
    goal: Some(1.0),
};
const WHOLE_LIFE: Work = Work { work: "ephemeral PostgreSQL: start, first answer, stop", ..FIRST_ANSWER };

/// The settings that ours has too: nothing is kept, nobody connects from outside.
const SETTINGS: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal \
    -c max_wal_senders=0 -c shared_buffers=128MB -c max_connections=200 -c listen_addresses=";

pub(crate) async fn run() -> Result<Vec<Row>, Failure> {
    let binaries = binaries().await?;
    in_turns([FIRST_ANSWER, WHOLE_LIFE], PAIRS, ours, async || by_hand(&binaries)).await
}

async fn ours() -> Result<[f64; 2], Failure> {
    let started = Instant::now();
    let postgres = Postgres::start(Options::new(Mode::Ephemeral)).await?;
    let pool = Pool::connect_url(postgres.url().expose()).await?;
    let mut lease = pool.acquire().await?;
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *lease).await?;
    assert_eq!(one, 1, "the server counts");
    let answered = started.elapsed();
    drop(lease);
    pool.close_within(Duration::from_secs(1)).await;
    postgres.stop().await;
    Ok([answered, started.elapsed()].map(milliseconds))
}

fn by_hand(binaries: &Path) -> Result<[f64; 2], Failure> {
    let folder = tempfile::Builder::new().prefix("bench").tempdir()?;
    give_away(folder.path())?;
    let data = folder.path().join("data");
    let settings = format!("{SETTINGS} -c unix_socket_directories={}", folder.path().display());

    let started = Instant::now();
    let initdb = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"];
    step(binaries, "initdb", |initdb_| initdb_.args(initdb).arg("-D").arg(&data))?;
    step(binaries, "pg_ctl", |pg_ctl| {
        pg_ctl.args(["-w", "-s", "-l"]).arg(folder.path().join("log")).arg("-D").arg(&data);
        pg_ctl.args(["-o", &settings, "start"])
    })?;
    let running = Running { binaries, data: &data };
    step(binaries, "psql", |psql| {
        psql.args(["-X", "-U", "postgres", "-d", "postgres", "-c", "SELECT 1", "-h"]).arg(folder.path())
    })?;
    let answered = started.elapsed();
    drop(running);
    folder.close()?;
    Ok([answered, started.elapsed()].map(milliseconds))
}

/// A server that `pg_ctl` has started, which also goes when a step fails.
struct Running<'a> {
    binaries: &'a Path,
    data: &'a Path,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let stopped = step(self.binaries, "pg_ctl", |pg_ctl| {
            pg_ctl.args(["-w", "-s", "-m", "immediate", "stop", "-D"]).arg(self.data)
        });
        if let Err(error) = stopped {
            eprintln!("the peer's server in {} is still running: {error}", self.data.display());
        }
    }
}

/// Runs one of PostgreSQL's programs, which refuse root: as root, it becomes an unprivileged user.
fn step(
    binaries: &Path,
    program: &str,
    arguments: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<(), Failure> {
    // Some keep the client elsewhere than the server.
    let path = Some(binaries.join(program)).filter(|path| path.exists()).unwrap_or_else(|| program.into());
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups", "--"]);
        command.arg(path);
        command
    } else {
        Command::new(path)
    };
    // A server started by pg_ctl would hold pipes open.
    let command = arguments(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/");
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}").into()) }
}

/// `nobody` on every Linux.
const USER: u32 = 65_534;

fn give_away(folder: &Path) -> Result<(), Failure> {
    if is_root() {
        chown(folder, Some(USER), Some(USER))?;
    }
    Ok(())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where ours finds its programs, so that both run the same server.
async fn binaries() -> Result<PathBuf, Failure> {
    let postgres = Postgres::start(Options::new(Mode::Ephemeral)).await?;
    let origin = postgres.origin().clone();
    postgres.stop().await;
    match origin {
        Origin::Native { folder, .. } => Ok(folder),
        other => Err(format!("the peer needs native binaries, and there is {other}").into()),
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
