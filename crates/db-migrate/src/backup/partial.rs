//! A backup that is being made: in a folder of another name, which goes unless the backup is finished.

use super::BackupError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What its folder's name ends with until it is finished.
const SUFFIX: &str = ".partial";
/// Locked by the process that makes the backup for as long as it does.
const LOCK: &str = "in-progress";
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
        let path = partial.folder.join(LOCK);
        let lock = File::create(&path).map_err(BackupError::file("create", &path))?;
        lock.lock().map_err(BackupError::file("lock", path))?;
        partial.lock = Some(lock);
        Ok(partial)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the lock away, which is no part of the backup.
    pub(super) fn complete(&mut self) -> Result<(), BackupError> {
        let path = self.folder.join(LOCK);
        fs::remove_file(&path).map_err(BackupError::file("remove", path))
    }

    /// Gives it its name.
    pub(super) fn finish(mut self) -> Result<PathBuf, BackupError> {
        let finished = self.finished.clone();
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
pub(super) fn is_abandoned(folder: &Path) -> bool {
    // Without the lock's file it was about to be finished, or is being removed.
    File::open(folder.join(LOCK)).map_or(true, |lock| lock.try_lock().is_ok())
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupError::file("sync", folder))
}
