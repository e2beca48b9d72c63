//! The `db` binary: a runtime around the library.

use clap::Parser;
use db_cli::{Cli, Exit, run};
use std::{io::stderr, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// Parsers recurse; only the part of a stack that is used takes memory.
const STACK: usize = 256 << 20;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("DB_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).without_time().init();
    match tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build() {
        Ok(runtime) => runtime.block_on(run(cli)).into(),
        Err(error) => {
            eprintln!("error: no threads to run on: {error}");
            Exit::Failed.into()
        }
    }
}
