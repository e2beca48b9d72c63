//! `db up`: servers for as long as they are wanted.

use crate::{
    Exit, Failed,
    args::UpArgs,
    database,
    output::{self, Format},
    stop::{Asked, Stop},
};
use db_core::Secret;
use db_embedded::{Mode, Postgres, Redis};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::{env, os::unix::process::ExitStatusExt, process::ExitStatus};
use tokio::process::Command;

pub(crate) async fn run(args: &UpArgs, format: Format) -> Result<Exit, Failed> {
    let stop = Stop::listen()?;
    let starting = start(args);
    let servers = tokio::select! {
        servers = starting => servers?,
        () = stop.requested() => return Ok(Exit::Interrupted),
    };
    if args.command.is_empty() {
        servers.show(format);
        stop.requested().await;
        servers.stop().await;
        return Ok(Exit::Done);
    }
    let exit = command(args, &servers, &stop).await;
    servers.finish(args, &exit).await;
    exit
}

struct Servers {
    postgres: Postgres,
    redis: Option<Redis>,
}

async fn start(args: &UpArgs) -> Result<Servers, Failed> {
    let mode = if args.ephemeral { Mode::Ephemeral } else { Mode::Persistent(args.database.data.clone()) };
    let mut options = database::options(&args.database, mode);
    options = match (args.port, args.ephemeral) {
        (Some(port), _) => options.port(port),
        (None, false) => options.any_port(),
        (None, true) => options,
    };
    if let Some(url) = given(args) {
        options = options.url(url);
    }
    let postgres = Postgres::start(options).await?;
    let redis = if args.no_redis { None } else { redis(args).await };
    Ok(Servers { postgres, redis })
}

/// The server that is named for the command; without a command nobody is there to use it.
fn given(args: &UpArgs) -> Option<Secret> {
    if args.command.is_empty() {
        return None;
    }
    args.url.clone().or_else(|| env::var("DB_TEST_POSTGRES_URL").ok().map(Secret::new))
}

/// Redis where it can be had; what needs it says so itself.
async fn redis(args: &UpArgs) -> Option<Redis> {
    match Redis::start(database::options(&args.database, Mode::Ephemeral)).await {
        Ok(redis) => Some(redis),
        Err(error) => {
            output::tell(&format!("going on without Redis: {error}"));
            None
        }
    }
}

impl Servers {
    fn show(&self, format: Format) {
        // The port's URL holds the password that this folder's server was made with: it is what the caller asked for.
        let url = self.postgres.tcp_url().unwrap_or_else(|| self.postgres.url()).expose();
        let redis = self.redis.as_ref().map(|redis| redis.url().expose());
        let object = json!({
            "database_url": url,
            "socket_url": self.postgres.url().expose(),
            "redis_url": redis,
            "origin": self.postgres.origin().to_string(),
            "pid": self.postgres.pid(),
        });
        output::print(format, &object, || {
            let redis = redis.map(|url| format!("export REDIS_URL='{url}'\n")).unwrap_or_default();
            let origin = self.postgres.origin();
            format!("# {origin}; Ctrl-C stops it\nexport DATABASE_URL='{url}'\n{redis}")
        });
    }

    async fn stop(self) {
        self.postgres.stop().await;
        if let Some(redis) = self.redis {
            // Stopping blocks until the server has ended.
            let _ = tokio::task::spawn_blocking(move || drop(redis)).await;
        }
    }

    /// Keeps the data of a failed test run, where there are any to keep.
    async fn finish(self, args: &UpArgs, exit: &Result<Exit, Failed>) {
        let failed = matches!(exit, Ok(Exit::Of(code)) if *code != 0);
        if !failed || !args.ephemeral {
            return self.stop().await;
        }
        let Self { postgres, redis } = self;
        let kept = tokio::task::spawn_blocking(move || {
            drop(redis);
            postgres.stop_and_keep()
        });
        if let Ok(Some(folder)) = kept.await {
            let folder = folder.display();
            output::tell(&format!(
                "the command failed; its databases are kept in {folder}; remove them with: rm -r {folder}"
            ));
        }
    }
}

/// Runs the command with the servers' URLs in its environment. Ctrl-C reaches it by itself, as it shares our terminal.
async fn command(args: &UpArgs, servers: &Servers, stop: &Stop) -> Result<Exit, Failed> {
    let [program, arguments @ ..] = args.command.as_slice() else {
        return Err(Failed::usage("a command is missing after --"));
    };
    let url = servers.postgres.url().expose();
    let mut command = Command::new(program);
    command.args(arguments).env("DATABASE_URL", url).env("DB_TEST_POSTGRES_URL", url).kill_on_drop(true);
    if let Some(redis) = &servers.redis {
        command.env("REDIS_URL", redis.url().expose()).env("DB_TEST_REDIS_URL", redis.url().expose());
    }
    let mut child = command
        .spawn()
        .map_err(|error| Failed::usage(format!("cannot run {}: {error}", program.to_string_lossy())))?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    stop.take_along(pid);
    let status = tokio::select! {
        status = child.wait() => status,
        by = stop.asked() => {
            if let (Asked::Terminate, Some(pid)) = (by, pid) {
                let _ = kill_process(pid, Signal::TERM);
            }
            child.wait().await
        }
    };
    stop.take_along(None);
    status
        .map(|status| Exit::Of(code(status)))
        .map_err(|error| Failed::new(format!("cannot wait for it: {error}")))
}

/// As a shell tells it: the exit code, or 128 and the signal.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
