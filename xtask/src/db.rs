//! `demo` and `migrate`: db-cli's commands of those names, with the same arguments.

use crate::{
    cargo,
    exit::{Exit, Failed},
    machine,
};
use std::{ffi::OsString, path::Path, process::Command};

/// Becomes `db NAME ARGS…`, in the folder where we were called.
pub(crate) fn run(name: &str, args: Vec<OsString>) -> Result<Exit, Failed> {
    announce("db", "about 3 minutes")?;
    let mut command = released("db-cli", "db");
    Err(machine::become_program(command.arg(name).args(args)))
}

/// `cargo run` of a program's release build.
pub(crate) fn released(package: &str, program: &str) -> Command {
    let mut command = Command::new(cargo::program());
    let manifest = cargo::root().join("Cargo.toml");
    command.args(["run", "--release", "--quiet", "--manifest-path"]).arg(manifest);
    command.args(["--package", package, "--bin", program, "--"]);
    command
}

/// Says why nothing is seen for a while, where the program is not built yet.
pub(crate) fn announce(program: &str, time: &str) -> Result<(), Failed> {
    let target = cargo::metadata()?.target_directory;
    if !is_built(&target, program) {
        eprintln!("building {program} (once, {time})…");
    }
    Ok(())
}

fn is_built(target: &Path, program: &str) -> bool {
    target.join("release").join(program).exists()
}
