//! Where PostgreSQL's programs are, and which of several is the right one.

use super::BackupError;
use super::event::{BackupEvent, Progress};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// Folders that hold one folder of programs for each version.
const VERSIONED: [&str; 3] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr"];
/// Asking a program for its version takes milliseconds.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// The folders in which `pg_dump` and `pg_restore` are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSearch {
    folders: Vec<PathBuf>,
}

impl ToolSearch {
    /// In these folders only.
    #[must_use]
    pub fn only(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }
}

impl Default for ToolSearch {
    /// Where distributions keep several versions side by side, then `PATH`. That order, because what Debian has in
    /// `PATH` is a wrapper that chooses a version by itself.
    fn default() -> Self {
        let mut folders: Vec<PathBuf> =
            VERSIONED.iter().flat_map(|folder| versions(Path::new(folder))).collect();
        folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        Self { folders }
    }
}

/// A program that was found.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) version: String,
    pub(super) major: u32,
}

/// The oldest that is new enough: `pg_dump` reads servers that are older, not newer, and an archive of a newer one may
/// not be read by an older `pg_restore`.
pub(crate) async fn find(
    name: &'static str,
    major: u32,
    search: &ToolSearch,
    progress: &mut Progress<'_>,
) -> Result<Tool, BackupError> {
    let mut found = Vec::new();
    for path in search.folders.iter().map(|folder| folder.join(name)).filter(|path| path.is_file()) {
        found.extend(ask(name, path).await);
    }
    let tool = choose(found, major).map_err(|newest| match newest {
        Some(newest) => BackupError::ToolTooOld { path: newest.path, version: newest.version, needed: major },
        None => BackupError::ToolMissing { tool: name, major, searched: search.folders.clone() },
    })?;
    progress(&BackupEvent::Tool { name, version: &tool.version });
    Ok(tool)
}

/// The smallest version that will do, the first of several; else the newest there is.
fn choose(found: Vec<Tool>, major: u32) -> Result<Tool, Option<Tool>> {
    let (enough, old): (Vec<_>, Vec<_>) = found.into_iter().partition(|tool| tool.major >= major);
    enough
        .into_iter()
        .min_by_key(|tool| tool.major)
        .ok_or_else(|| old.into_iter().max_by_key(|tool| tool.major))
}

/// `None` for what is not that program, or does not run.
async fn ask(name: &'static str, path: PathBuf) -> Option<Tool> {
    let mut command = Command::new(&path);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(VERSION_TIMEOUT, command.output()).await.ok()?.ok()?;
    let (version, major) = parse(&String::from_utf8_lossy(&output.stdout))?;
    Some(Tool { name, path, version, major })
}

/// Of `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` the version and its major.
fn parse(text: &str) -> Option<(String, u32)> {
    let version = text.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((version.to_owned(), digits.parse().ok()?))
}

fn versions(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.parse::<u32>().is_ok() || name.starts_with("postgresql") || name.starts_with("pgsql-")
        })
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.is_dir())
        .collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::{Tool, choose, parse};
    use std::path::PathBuf;

    #[test]
    fn reads_versions() {
        let check = |text: &str, expected: Option<(&str, u32)>| {
            assert_eq!(parse(text), expected.map(|(version, major)| (version.to_owned(), major)), "{text}");
        };
        check("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(("15.18", 15)));
        check("pg_restore (PostgreSQL) 9.6.24\n", Some(("9.6.24", 9)));
        check("pg_dump (PostgreSQL) 19beta1\n", Some(("19beta1", 19)));
        check("pg_dump (Something) 15\n", None);
        check("", None);
    }

    #[test]
    fn chooses_the_oldest_that_is_new_enough() {
        let tools = |majors: &[u32]| -> Vec<Tool> {
            let tool =
                |major: &u32| Tool { name: "x", path: PathBuf::new(), version: String::new(), major: *major };
            majors.iter().map(tool).collect()
        };
        let check = |majors: &[u32], needed, expected: Result<u32, Option<u32>>| {
            let chosen = choose(tools(majors), needed).map(|tool| tool.major);
            assert_eq!(chosen.map_err(|newest| newest.map(|tool| tool.major)), expected);
        };
        check(&[17, 15, 13, 16], 15, Ok(15));
        check(&[17, 13], 15, Ok(17));
        check(&[9, 13, 12], 15, Err(Some(13)));
        check(&[], 15, Err(None));
    }
}
