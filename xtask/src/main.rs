//! `cargo xtask`: the checks that guard this workspace, and the commands that run it.
//!
//! It depends on no crate of the workspace, so it builds in seconds and works while they do not compile.

mod bench;
mod cargo;
mod check;
mod ci;
mod db;
mod deny;
mod exit;
mod help;
mod layers;
mod machine;
mod metadata;
mod test;
mod tidy;

use exit::{Exit, Failed};
use lexopt::{Arg, Parser};
use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    match run(Parser::from_env()) {
        Ok(exit) => exit.into(),
        Err(failed) => {
            eprintln!("error: {failed}");
            failed.exit().into()
        }
    }
}

fn run(mut args: Parser) -> Result<Exit, Failed> {
    let name = match args.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => return Ok(help::show(help::OVERVIEW)),
        Some(Arg::Value(name)) => name,
        Some(other) => return Err(other.unexpected().into()),
    };
    match name.to_string_lossy().as_ref() {
        "ci" => ci::main(args),
        "layers" => check::main(args, help::LAYERS, layers::check),
        "tidy" => tidy::main(args),
        "deny" => check::main(args, help::DENY, deny::check),
        "test" => test::main(args),
        // What follows is for the program that is run: it has its own help.
        "demo" => db::run("demo", rest(args)?),
        "migrate" => db::run("migrate", rest(args)?),
        "bench" => bench::run(rest(args)?),
        "help" => Ok(help::show(help::OVERVIEW)),
        other => Err(Failed::usage(format!("there is no command {other}; `cargo xtask --help` lists them"))),
    }
}

fn rest(mut args: Parser) -> Result<Vec<OsString>, Failed> {
    Ok(args.raw_args()?.collect())
}
