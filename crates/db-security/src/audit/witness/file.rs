//! A file that keeps checkpoints.

use super::{SignedCheckpoint, Witness};
use async_trait::async_trait;
use db_core::BoxError;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

/// Appends checkpoints to a file, an empty line between two. Put it where the database's administrators cannot write.
#[derive(Debug)]
pub struct FileWitness {
    path: PathBuf,
    shown: String,
}

impl FileWitness {
    /// Appends to this file, which is made where there is none.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { shown: path.display().to_string(), path }
    }
}

#[async_trait]
impl Witness for FileWitness {
    fn name(&self) -> &str {
        &self.shown
    }

    async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), BoxError> {
        let (path, note) = (self.path.clone(), checkpoint.note().to_owned());
        // A file's end is looked at and written to without anything between.
        tokio::task::spawn_blocking(move || append(&path, &note)).await??;
        Ok(())
    }
}

fn append(path: &Path, note: &str) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    // Behind what was cut when a machine stopped, the next begins anew.
    let mut end = [b'\n'; 2];
    let length = file.metadata()?.len();
    let known = length.min(2);
    file.seek(SeekFrom::Start(length - known))?;
    file.read_exact(&mut end[..usize::try_from(known).unwrap_or(0)])?;
    let gap = if end == *b"\n\n" { "" } else { "\n\n" };
    // In one write, so that two processes do not mix theirs.
    file.write_all(format!("{gap}{note}\n").as_bytes())?;
    file.sync_data()?;
    if is_new && let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
