//! Which backups there are.

use super::files::check_lengths;
use super::manifest::{MANIFEST, MANIFEST_SUM};
use super::verify::{Verified, found_before};
use super::{BackupError, Manifest, partial};
use chrono::{DateTime, NaiveDateTime, Utc};
use db_core::with_causes;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A backup, or what is left of one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Name of its folder.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// When it was made: by its manifest, else by its name.
    pub created_at: Option<DateTime<Utc>>,
    /// What state it is in.
    pub state: State,
    /// That it was restored and found equal, if it was.
    pub verified: Option<Verified>,
}

/// What state a backup is in, as far as can be told without reading all of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// Its files are there with the lengths they should have.
    Intact(Box<Manifest>),
    /// It cannot be restored.
    Damaged {
        /// Why.
        reason: String,
    },
    /// It is being made.
    Unfinished,
    /// Whoever was making it was killed.
    Abandoned,
}

/// The backups in a folder, newest first, damaged ones too; folders that are no backups are left out. A folder that
/// does not exist has none.
///
/// # Errors
/// [`BackupError::File`] when the folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Entry>, BackupError> {
    let entries = match fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        outcome => outcome.map_err(BackupError::file("list", dir))?,
    };
    let folders = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir());
    let mut found: Vec<_> = folders.filter_map(|path| entry(&path)).collect();
    found.sort_by(|one, other| (other.created_at, &other.name).cmp(&(one.created_at, &one.name)));
    Ok(found)
}

impl Entry {
    /// Whether it looks as if it could be restored.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        matches!(self.state, State::Intact(_))
    }
}

/// `None` when it is no backup of ours.
fn entry(path: &Path) -> Option<Entry> {
    let name = path.file_name()?.to_str()?.to_owned();
    if let Some(backup) = partial::backup_of(&name) {
        let created_at = Some(time_in(backup)?);
        let state =
            if partial::is_abandoned(path, SystemTime::now()) { State::Abandoned } else { State::Unfinished };
        return Some(Entry { name, path: path.to_owned(), created_at, state, verified: None });
    }
    let state = match Manifest::read(path) {
        Ok(manifest) => state(path, manifest),
        Err(BackupError::Manifest { problem, .. }) if is_ours(path) => {
            State::Damaged { reason: with_causes(&problem) }
        }
        Err(_) => return None,
    };
    let created_at = match &state {
        State::Intact(manifest) => Some(manifest.created_at),
        _ => time_in(&name),
    };
    let verified = matches!(state, State::Intact(_)).then(|| found_before(path)).flatten();
    Some(Entry { name, path: path.to_owned(), created_at, state, verified })
}

fn state(path: &Path, manifest: Manifest) -> State {
    match check_lengths(path, &manifest) {
        Ok(damages) if damages.is_empty() => State::Intact(Box::new(manifest)),
        Ok(damages) => {
            let damages: Vec<_> = damages.iter().map(ToString::to_string).collect();
            State::Damaged { reason: damages.join(", ") }
        }
        Err(error) => State::Damaged { reason: with_causes(&error) },
    }
}

/// Somebody else's folder may have a `manifest.json` too.
fn is_ours(path: &Path) -> bool {
    let (manifest, sum) = (path.join(MANIFEST).is_file(), path.join(MANIFEST_SUM).is_file());
    let named = || path.file_name().and_then(|name| time_in(name.to_str()?)).is_some();
    manifest && sum || (manifest || sum) && named()
}

/// The time in a name like `cairn_20260102T030405678Z`.
fn time_in(name: &str) -> Option<DateTime<Utc>> {
    let (_, time) = name.rsplit_once('_')?;
    NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%3fZ").ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::time_in;

    #[test]
    fn reads_the_time_of_a_name() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(time_in(name), expected.map(|time| time.parse().expect("a time")), "{name}");
        };
        check("a_b_20260102T030405678Z", Some("2026-01-02T03:04:05.678Z"));
        check("a_20260102T030405Z", None);
        check("notes", None);
    }
}
