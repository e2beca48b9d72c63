//! The `db` command: servers, migrations, health, configuration, and a demonstration on a source tree.
//!
//! The binary is a thin shell around this library, which the benches use as well.
//!
//! ```no_run
//! use clap::Parser;
//! use db_cli::{Cli, run};
//!
//! # #[tokio::main] async fn main() {
//! // As if `db demo ~/src/project --json` had been typed.
//! let code = run(Cli::parse_from(["db", "demo", "/home/ann/src/project", "--json"])).await;
//! std::process::exit(i32::from(code.number()));
//! # }
//! ```
//!
//! Every command prints its result on standard output, as tables or, with `--json`, as one JSON object; progress and
//! errors go to standard error. The exit codes are those of [`Exit`].

mod access;
mod args;
mod audit;
mod backup;
mod cache;
mod config;
mod confirm;
pub mod database;
pub mod demo;
mod exit;
mod failed;
mod health;
mod migrate;
mod output;
mod stop;
mod up;

pub use args::Cli;
pub use exit::Exit;
pub use failed::Failed;

use args::Command;
use std::time::Instant;

/// Runs one command and prints what it has to say.
pub async fn run(cli: Cli) -> Exit {
    let began = Instant::now();
    let format = cli.format();
    let result = match cli.command {
        Command::Up(args) => up::run(&args, format).await,
        Command::Demo(args) => demo_command(&args, format, began).await,
        Command::Migrate(args) => migrate::run(&args, format).await,
        Command::Backup(args) => backup::run(&args, format).await,
        Command::Cache(args) => cache::run(&args, format).await,
        Command::Access(args) => access::run(&args, format).await,
        Command::Audit(args) => audit::run(&args, format).await,
        Command::Health(args) => health::run(&args, format).await,
        Command::Config(args) => config::run(&args, format),
    };
    result.unwrap_or_else(|failed| {
        output::print_error(&failed, format);
        failed.exit()
    })
}

async fn demo_command(args: &args::DemoArgs, format: output::Format, began: Instant) -> Result<Exit, Failed> {
    let options = args.options();
    // What is wrong with the tree is told before a server is started for it.
    demo::tree::root(&options.path)?;
    if args.fresh {
        database::wipe(&args.database).await?;
    }
    let (missing, builder) = (database::Missing::Create, db_facade::Database::builder());
    let target =
        database::Target::open_with(&args.database, missing, Some(args.connections()), builder).await?;
    let signal = stop::Stop::listen()?;
    let report = demo::run(&target, &options, began, signal.requested()).await?;
    target.close().await;
    output::print(format, &report, || demo::report::render(&report));
    if !report.interrupted {
        return Ok(Exit::Done);
    }
    output::tell("stopped before the end; run it again to go on from here");
    Ok(Exit::Interrupted)
}
