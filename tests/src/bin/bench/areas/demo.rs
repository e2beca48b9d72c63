//! The demonstration on real sources: tasks a second once started, and the memory beside the server.
//!
//! Each run is a process of its own, this program under another role, so that memory is that run's alone. The peer does
//! the same work on the same schema in the usual way: sqlx's own pool, and one transaction a task.

use crate::{
    Failure,
    measure::in_turns,
    roles::{Role, Run},
    row::{Better, Row, Work},
};
use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const PAIRS: usize = 5;
/// Files of the tree that is analysed.
const FILES: usize = 5_000;
const ONE_BY_ONE: Option<&str> = Some("sqlx's pool, one transaction a task");
const RATE: Work = Work {
    area: "demo",
    work: "tasks on registry sources (to be over 1000)",
    peer: ONE_BY_ONE,
    unit: "tasks/s",
    better: Better::Higher,
    goal: Some(1.0),
};
const MEMORY: Work = Work {
    work: "peak memory beside the server (to be under 300)",
    unit: "MiB",
    better: Better::Lower,
    goal: None,
    ..RATE
};
const START: Work = Work {
    work: "from the command to the first claim, a fresh cluster",
    unit: "s",
    better: Better::Lower,
    goal: None,
    ..RATE
};

pub(crate) async fn run() -> Result<Vec<Row>, Failure> {
    let scratch = tempfile::Builder::new().prefix("bench").tempdir_in(sources_home()?)?;
    let files = sample(scratch.path(), FILES)?;
    eprintln!("{files} files of the cargo registry's sources");
    let tree = scratch.path();
    in_turns(
        [RATE, MEMORY, START],
        PAIRS,
        async || measure(Role::Ours, tree),
        async || measure(Role::OneByOne, tree),
    )
    .await
}

/// Runs a role in a process of its own, over a cluster of its own.
fn measure(role: Role, tree: &Path) -> Result<[f64; 3], Failure> {
    let state = tempfile::Builder::new().prefix("bench-state").tempdir()?;
    let output = Command::new(env::current_exe()?)
        .args(role.arguments(tree, state.path()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(format!("{role:?} ended with {}", output.status).into());
    }
    let run: Run = serde_json::from_slice(&output.stdout)?;
    Ok([run.tasks_per_second, run.peak_memory_mib, run.startup_seconds])
}

/// Links packages of the cargo registry into a folder until there are enough files; answers with how many.
fn sample(folder: &Path, wanted: usize) -> Result<usize, Failure> {
    let mut packages: Vec<PathBuf> = Vec::new();
    for index in fs::read_dir(registry()?)?.flatten() {
        packages.extend(fs::read_dir(index.path())?.flatten().map(|package| package.path()));
    }
    packages.sort();
    let mut files = 0;
    for package in packages.iter().filter(|package| package.is_dir()) {
        files += link(package, &folder.join(package.file_name().unwrap_or_default()))?;
        if files >= wanted {
            return Ok(files);
        }
    }
    Err(format!("the cargo registry has {files} files, and {wanted} are wanted; build the workspace first")
        .into())
}

/// The folder with the sources of crates that cargo has fetched.
fn registry() -> Result<PathBuf, Failure> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    Ok(home.ok_or("neither CARGO_HOME nor HOME is set")?.join("registry/src"))
}

/// Links need one file system.
fn sources_home() -> Result<PathBuf, Failure> {
    Ok(registry()?.parent().map(Path::to_owned).unwrap_or_default())
}

fn link(from: &Path, to: &Path) -> Result<usize, Failure> {
    fs::create_dir_all(to)?;
    let mut files = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            files += link(&entry.path(), &target)?;
        } else if kind.is_file() {
            match fs::hard_link(entry.path(), &target) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                _ => files += 1,
            }
        }
    }
    Ok(files)
}
