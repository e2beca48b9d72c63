//! What this program does when it runs itself: one run of the demonstration, ours or the peer's, in a process of its own.

use crate::{Failure, one_by_one};
use clap::Parser;
use db_cli::{Cli, Exit};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Introduces a role on the command line.
const FLAG: &str = "--as";
/// Parsers recurse, as in the `db` command.
const STACK: usize = 256 << 20;

/// Whose way the work is done in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Ours,
    OneByOne,
}

/// What a run answers with, as `db demo --json` prints it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    pub(crate) tasks_per_second: f64,
    pub(crate) peak_memory_mib: f64,
    pub(crate) startup_seconds: f64,
}

impl Role {
    pub(crate) fn arguments(self, tree: &Path, state: &Path) -> [OsString; 4] {
        let name = match self {
            Self::Ours => "ours",
            Self::OneByOne => "one-by-one",
        };
        [FLAG.into(), name.into(), tree.into(), state.into()]
    }

    fn of(arguments: &[OsString]) -> Option<(Self, PathBuf, PathBuf)> {
        let [flag, name, tree, state] = arguments else { return None };
        let role = match name.to_str()? {
            "ours" => Self::Ours,
            "one-by-one" => Self::OneByOne,
            _ => return None,
        };
        (flag == FLAG).then(|| (role, tree.into(), state.into()))
    }
}

/// Plays the role that the command line names; `None` when it names none.
pub(crate) fn play(arguments: &[OsString]) -> Option<ExitCode> {
    let (role, tree, state) = Role::of(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build();
    let played =
        runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(role, &tree, &state)));
    Some(match played {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    })
}

async fn run(role: Role, tree: &Path, state: &Path) -> Result<Exit, Failure> {
    match role {
        Role::Ours => {
            let arguments: [OsString; 6] =
                ["db".into(), "demo".into(), tree.into(), "--json".into(), "--data".into(), state.into()];
            Ok(db_cli::run(Cli::try_parse_from(arguments)?).await)
        }
        Role::OneByOne => {
            let run = one_by_one::run(tree, state).await?;
            println!("{}", serde_json::to_string(&run)?);
            Ok(Exit::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role;
    use std::path::{Path, PathBuf};

    #[test]
    fn a_role_comes_back_from_its_arguments() {
        for role in [Role::Ours, Role::OneByOne] {
            let arguments = role.arguments(Path::new("a"), Path::new("b"));
            assert_eq!(Role::of(&arguments), Some((role, PathBuf::from("a"), PathBuf::from("b"))));
        }
        assert_eq!(Role::of(&["startup".into()]), None);
    }
}
