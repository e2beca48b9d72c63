//! Folders that are thrown away, also those that a killed process has left behind.
//!
//! Each holds a file that its owner keeps locked. The lock ends with the process, whatever ended it, so a folder whose
//! lock can be taken has no owner.

use crate::{Error, account::RunAs};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Short, since the path of a unix socket may have about a hundred bytes.
const PREFIX: &str = "cairn-";
const LOCK: &str = "owner";

/// A folder under the system's temporary folder, for as long as this lives.
pub(crate) struct Scratch {
    folder: Option<TempDir>,
    _lock: File,
}

impl Scratch {
    /// Makes one that the given user can enter.
    pub(crate) fn new(run_as: &RunAs) -> Result<Self, Error> {
        let root = root();
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(&root)
            .map_err(|source| Error::File { action: "create a folder in", path: root, source })?;
        let path = folder.path().to_owned();
        let lock =
            claim(&path).map_err(|source| Error::File { action: "lock", path: path.clone(), source })?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(|source| Error::File {
            action: "protect",
            path: path.clone(),
            source,
        })?;
        run_as.give(&path)?;
        Ok(Self { folder: Some(folder), _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }

    /// Leaves the folder where it is, for a person to look at.
    pub(crate) fn keep(mut self) -> PathBuf {
        let path = self.folder.take().map(TempDir::keep).unwrap_or_default();
        // Without its lock file it is no scratch folder any more, so that no later start clears it away.
        let _ = fs::remove_file(path.join(LOCK));
        path
    }
}

/// Scratch folders without an owner, each with what may still run in it.
///
/// Everybody may write to the temporary folder, so only real folders count that belong to us or to the user whom our
/// servers run as, and their lock files are neither made nor followed anywhere.
pub(crate) fn abandoned(run_as: &RunAs) -> Vec<Abandoned> {
    let Ok(entries) = fs::read_dir(root()) else { return Vec::new() };
    let ours = [rustix::process::geteuid().as_raw(), run_as.account().uid];
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .filter(|path| {
            fs::symlink_metadata(path).is_ok_and(|data| data.is_dir() && ours.contains(&data.uid()))
        })
        // A folder that is just being made has no lock file yet.
        .filter_map(|path| Some(Abandoned { _lock: lock_existing(&path.join(LOCK))?, path }))
        .collect()
}

/// A folder that a killed process has left behind; while this lives, no other process clears it away.
pub(crate) struct Abandoned {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Abandoned {
    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "an abandoned folder cannot be removed");
        }
    }
}

/// Locks the folder's file before it has its name, so that nobody finds it unlocked.
fn claim(folder: &Path) -> io::Result<File> {
    let unnamed = folder.join("owner.new");
    let lock = lock(&unnamed)?.ok_or_else(|| io::Error::other("another process was faster"))?;
    fs::rename(unnamed, folder.join(LOCK))?;
    Ok(lock)
}

/// Takes a file's lock without waiting; `None` when another process has it. The lock ends with the file's handle.
pub(crate) fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Takes the lock of a file that is there and is no link.
fn lock_existing(path: &Path) -> Option<File> {
    let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).ok()?;
    let file = OpenOptions::new().read(true).write(true).custom_flags(no_link).open(path).ok()?;
    file.try_lock().ok().map(|()| file)
}

fn root() -> PathBuf {
    // macOS gives each user a folder too deep for a socket's path.
    if cfg!(target_os = "macos") { PathBuf::from("/tmp") } else { std::env::temp_dir() }
}

#[cfg(test)]
mod tests {
    use super::{LOCK, PREFIX, Scratch, abandoned, root};
    use crate::account::RunAs;
    use std::{fs, os::unix::fs::symlink, path::Path};

    fn run_as() -> RunAs {
        RunAs::detect().expect("an account")
    }

    fn is_abandoned(path: &Path) -> bool {
        abandoned(&run_as()).iter().any(|found| found.path == path)
    }

    #[test]
    fn an_owned_folder_is_not_abandoned_and_goes_with_its_owner() {
        let scratch = Scratch::new(&run_as()).expect("a folder");
        let path = scratch.path().to_owned();
        assert!(!is_abandoned(&path));
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_kept_folder_is_nobodys_to_clear() {
        let path = Scratch::new(&run_as()).expect("a folder").keep();
        assert!(path.exists() && !is_abandoned(&path));
        fs::remove_dir_all(&path).expect("removed");
    }

    #[test]
    fn a_folder_without_an_owner_is_found_and_a_planted_one_is_not() {
        let make = |name: &str| {
            let path = root().join(format!("{PREFIX}{name}-{}", std::process::id()));
            fs::create_dir(&path).expect("made");
            path
        };
        let (left, planted) = (make("left"), make("planted"));
        fs::write(left.join(LOCK), "").expect("written");
        let elsewhere = planted.join("elsewhere");
        symlink(&elsewhere, planted.join(LOCK)).expect("linked");
        // Another test process may be faster in clearing it away; then it was found as well.
        assert!(is_abandoned(&left) || !left.exists());
        assert!(!is_abandoned(&planted) && !elsewhere.exists());
        let _ = fs::remove_dir_all(&left);
        fs::remove_dir_all(&planted).expect("removed");
    }
}
