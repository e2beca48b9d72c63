//! A folder for small files between two programs, removed when dropped.

use super::BackupError;
use std::path::{Path, PathBuf};
use std::{env, fs};

pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn create() -> Result<Self, BackupError> {
        let path = env::temp_dir().join(format!("cairn_restore_{:016x}", rand::random::<u64>()));
        fs::create_dir(&path).map_err(BackupError::file("create", &path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Whatever cannot be removed now, the system clears away with its temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}
