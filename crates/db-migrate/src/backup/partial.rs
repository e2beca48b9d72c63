//! A backup that is being made: in a folder of another name, which goes unless the backup is finished.

use super::BackupError;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What its folder's name ends with until it is finished.
const SUFFIX: &str = ".partial";
/// Locked by the process that makes the backup for as long as it does.
pub(super) const LOCK: &str = "in-progress";
/// What that is called before it is locked.
const UNLOCKED: &str = "in-progress.new";
/// A folder without a lock is about to get one, or its name, within milliseconds; after this long nobody is at it.
const BETWEEN_STEPS: Duration = Duration::from_secs(600);
/// A killed worker may be in the middle of making a file when its folder is removed.
const REMOVALS: usize = 5;

/// The folder; removed when this is dropped before it is finished.
#[derive(Debug)]
pub(super) struct Partial {
    folder: PathBuf,
    finished: PathBuf,
    lock: Option<File>,
}

impl Partial {
    pub(super) fn create(dir: &Path, name: &str) -> Result<Self, BackupError> {
        let (folder, finished) = (dir.join(format!("{name}{SUFFIX}")), dir.join(name));
        if finished.exists() {
            return Err(BackupError::Exists { name: finished.display().to_string() });
        }
        fs::create_dir_all(dir).map_err(BackupError::file("create", dir))?;
        fs::create_dir(&folder).map_err(BackupError::file("create", &folder))?;
        let mut partial = Self { folder, finished, lock: None };
        // Nobody is to see it before it is locked.
        let path = partial.folder.join(UNLOCKED);
        let lock = File::create(&path).map_err(BackupError::file("create", &path))?;
        lock.lock().map_err(BackupError::file("lock", &path))?;
        fs::rename(&path, partial.folder.join(LOCK)).map_err(BackupError::file("rename", path))?;
        partial.lock = Some(lock);
        Ok(partial)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the lock away, which is no part of the backup, and gives it its name: the last of all, since a prune removes
    /// what nobody has locked.
    pub(super) fn finish(mut self) -> Result<PathBuf, BackupError> {
        let finished = self.finished.clone();
        let path = self.folder.join(LOCK);
        fs::remove_file(&path).map_err(BackupError::file("remove", path))?;
        fs::rename(&self.folder, &finished).map_err(BackupError::file("rename", &self.folder))?;
        self.folder.clone_from(&finished);
        self.lock = None;
        sync(&finished)?;
        sync(finished.parent().unwrap_or(&finished))?;
        std::mem::take(&mut self.folder);
        Ok(finished)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.folder.as_os_str().is_empty() {
            return;
        }
        for _ in 0..REMOVALS {
            // What cannot be removed now is found by the next prune.
            if fs::remove_dir_all(&self.folder).is_ok() {
                return;
            }
        }
    }
}

/// The name of the backup that this folder would have become, if it is one that is being made.
pub(super) fn backup_of(folder_name: &str) -> Option<&str> {
    folder_name.strip_suffix(SUFFIX)
}

/// The folder in which this backup was made, or is removed.
pub(super) fn folder_of(backup: &Path) -> PathBuf {
    let name = backup.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(SUFFIX) { backup.to_owned() } else { backup.with_file_name(format!("{name}{SUFFIX}")) }
}

/// Whether nobody is making it any more.
pub(super) fn is_abandoned(folder: &Path, now: SystemTime) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        // It was just begun, or is about to get its name; or it is old, and was being removed.
        Err(_) => is_old(folder, now).unwrap_or(false),
    }
}

/// Whether nothing was made or removed in it for long.
fn is_old(folder: &Path, now: SystemTime) -> io::Result<bool> {
    let changed = fs::metadata(folder)?.modified()?;
    Ok(now.duration_since(changed).is_ok_and(|age| age > BETWEEN_STEPS))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupError::file("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::{BETWEEN_STEPS, LOCK, Partial, is_abandoned};
    use std::fs;
    use std::time::{Duration, SystemTime};

    #[test]
    fn without_a_lock_only_what_is_old_is_abandoned() {
        let dir = tempfile::tempdir().expect("a folder");
        let partial = Partial::create(dir.path(), "x").expect("made");
        let (now, long) = (SystemTime::now(), BETWEEN_STEPS + Duration::from_secs(60));
        assert!(!is_abandoned(partial.folder(), now + long), "it is locked");
        fs::remove_file(partial.folder().join(LOCK)).expect("removed");
        assert!(!is_abandoned(partial.folder(), now), "it is about to get its name");
        assert!(is_abandoned(partial.folder(), now + long));
    }

    #[test]
    fn a_lock_that_nobody_holds_tells_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(LOCK), "").expect("written");
        assert!(is_abandoned(dir.path(), SystemTime::now()));
    }
}
