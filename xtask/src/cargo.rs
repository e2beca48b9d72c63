//! Runs cargo: the one that runs us.

use crate::{exit::Failed, metadata::Metadata};
use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, Output, Stdio},
};

/// The root of the workspace, whichever folder we are called from.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// The program that `$CARGO` names.
pub(crate) fn program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A cargo command at the root of the workspace.
pub(crate) fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program());
    command.args(args).current_dir(root());
    command
}

/// Runs a command to its end and keeps what it says.
pub(crate) fn output(command: &mut Command) -> Result<Output, Failed> {
    let run = command.stdin(Stdio::null()).output();
    run.map_err(Failed::at(format!("cannot run {}", command.get_program().to_string_lossy())))
}

/// Whether cargo has this command: `cargo nextest`, `cargo deny`.
pub(crate) fn has(name: &str) -> bool {
    output(&mut command([name, "--version"])).is_ok_and(|output| output.status.success())
}

/// What cargo knows of the workspace and, with all features, of everything below it.
pub(crate) fn metadata() -> Result<Metadata, Failed> {
    let output = output(&mut command(["metadata", "--format-version", "1", "--all-features"]))?;
    if !output.status.success() {
        return Err(Failed::new(String::from_utf8_lossy(&output.stderr).trim()));
    }
    Metadata::parse(&output.stdout)
}
