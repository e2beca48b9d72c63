//! Files that only their owner may read, and that were not there before.

use crate::Failed;
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A file that is being written; where it is dropped before [`NewFile::keep`], it goes.
pub(super) struct NewFile {
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl NewFile {
    /// Makes it; what is there already is neither overwritten nor followed.
    pub(super) fn create(path: &Path) -> Result<Self, Failed> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| {
            if error.kind() == ErrorKind::AlreadyExists {
                Failed::usage(format!("{} is there already, and is not overwritten", path.display()))
            } else {
                Failed::new(format!("{} cannot be made: {error}", path.display()))
            }
        })?;
        Ok(Self { file, path: path.to_owned(), is_kept: false })
    }

    /// For whoever writes it bit by bit.
    pub(super) fn handle(&self) -> Result<tokio::fs::File, Failed> {
        self.file.try_clone().map(tokio::fs::File::from_std).map_err(|error| self.failed(&error))
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), Failed> {
        self.file.write_all(text.as_bytes()).map_err(|error| self.failed(&error))
    }

    /// Brings it to the disk with its name, and leaves it there.
    pub(super) fn keep(mut self) -> Result<(), Failed> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let synced = self.file.sync_all().and_then(|()| File::open(folder)?.sync_all());
        synced.map_err(|error| self.failed(&error))?;
        self.is_kept = true;
        Ok(())
    }

    fn failed(&self, error: &std::io::Error) -> Failed {
        Failed::new(format!("{} cannot be written: {error}", self.path.display()))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // Half of a file is worse than none, and a file that cannot be removed is not made better by saying so.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
