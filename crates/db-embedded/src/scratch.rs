//! Folders that are thrown away, also those that a killed process has left behind.
//!
//! Each holds a file that its owner keeps locked. The lock ends with the process, whatever ended it, so a folder whose
//! lock can be taken has no owner.

use crate::{Error, account::RunAs, private::no_link};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Short, since the path of a unix socket may have about a hundred bytes.
const PREFIX: &str = "cairn-";
const LOCK: &str = "owner";
/// What follows the root in the longest path of a socket, which must stay under `SOCKET_PATH_BYTES`.
const LONGEST_SOCKET: &str = "/cairn-XXXXXX/.s.PGSQL.65535";
/// macOS's limit, with the zero at the end; Linux has four more.
const SOCKET_PATH_BYTES: usize = 104;
/// Where everybody can go, by a short path.
const FALLBACK: &str = "/tmp";

/// A folder under the system's temporary folder, for as long as this lives.
pub(crate) struct Scratch {
    folder: Option<TempDir>,
    _lock: File,
}

impl Scratch {
    /// Makes one that the given user can enter.
    pub(crate) fn new(run_as: &RunAs) -> Result<Self, Error> {
        let root = root(run_as);
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
    let ours = [rustix::process::geteuid().as_raw(), run_as.account().uid];
    // A killed process may have had another TMPDIR, so its fallback is looked into as well.
    let mut roots = vec![root(run_as), PathBuf::from(FALLBACK)];
    roots.dedup();
    roots
        .into_iter()
        .filter_map(|root| fs::read_dir(root).ok())
        .flat_map(Iterator::flatten)
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
    let mut options = OpenOptions::new();
    let file = no_link(options.create(true).truncate(false).read(true).write(true)).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Takes the lock of a file that is there and is no link.
fn lock_existing(path: &Path) -> Option<File> {
    let file = no_link(OpenOptions::new().read(true).write(true)).open(path).ok()?;
    file.try_lock().ok().map(|()| file)
}

fn root(run_as: &RunAs) -> PathBuf {
    root_of(&std::env::temp_dir(), |folder| run_as.can_enter(folder))
}

/// The temporary folder, where a socket in it has a path that is short enough and the server's user can enter it.
/// macOS gives each user one too deep for that.
fn root_of(temporary: &Path, can_enter: impl Fn(&Path) -> bool) -> PathBuf {
    let fits = temporary.as_os_str().as_bytes().len() + LONGEST_SOCKET.len() < SOCKET_PATH_BYTES;
    let usable = temporary.is_absolute() && fits && can_enter(temporary);
    if usable { temporary.to_owned() } else { PathBuf::from(FALLBACK) }
}

#[cfg(test)]
mod tests {
    use super::{LOCK, PREFIX, Scratch, abandoned, lock, root, root_of};
    use crate::account::RunAs;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        path::Path,
    };

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
    fn a_root_that_no_socket_works_in_is_left_for_another() {
        let long = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
        let (fits, too_long) = (long(75), long(76));
        for (temporary, can_enter, expected) in [
            ("/var/tmp", true, "/var/tmp"),
            ("/var/tmp", false, "/tmp"),
            ("tmp", true, "/tmp"),
            (&fits, true, &fits),
            (&too_long, true, "/tmp"),
        ] {
            let found = root_of(Path::new(temporary), |_| can_enter);
            assert_eq!(found, Path::new(expected), "{temporary}");
        }
    }

    #[test]
    fn only_other_users_are_kept_out_by_a_private_folder() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let other = RunAs::Other(crate::account::Account { name: "x".to_owned(), uid: u32::MAX - 1, gid: 0 });
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("chmod");
        assert!(!other.can_enter(folder.path()));
        assert!(RunAs::Ourselves(other.account().clone()).can_enter(folder.path()));
    }

    #[test]
    fn a_lock_file_that_is_a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("lock"));
        symlink(&target, &link).expect("linked");
        assert!(lock(&link).is_err());
        assert!(!target.exists());
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
            let path = root(&run_as()).join(format!("{PREFIX}{name}-{}", std::process::id()));
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
