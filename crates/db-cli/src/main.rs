//! The `db` binary: a runtime around the library.

use clap::Parser;
use db_cli::{Cli, Exit, run};
use db_security::mask::{MaskedWriter, Masker};
use std::{
    io::{IsTerminal, Write, stderr},
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;

/// Gives memory back after the largest files, and is quicker with the many small pieces of a syntax tree.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Parsers recurse; only the part of a stack that is used takes memory.
const STACK: usize = 256 << 20;
/// The allocator keeps what each thread has used, so few threads are to do the parsing.
const BLOCKING_THREADS: usize = 8;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,tokei=off"));
    // What others print there, such as drivers, may hold more than it should.
    let masker = Masker::new();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || MaskedWriter::new(stderr(), masker.clone()))
        .with_ansi(stderr().is_terminal())
        .without_time()
        .init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    match runtime.thread_stack_size(STACK).max_blocking_threads(BLOCKING_THREADS).enable_all().build() {
        Ok(runtime) => runtime.block_on(run(cli)).into(),
        Err(error) => {
            let _ = writeln!(stderr(), "error: no threads to run on: {error}");
            Exit::Failed.into()
        }
    }
}
