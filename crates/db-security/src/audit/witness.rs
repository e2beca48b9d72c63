//! Who else keeps checkpoints: whoever holds the database can write it anew, and cannot take back what others have.

use super::SignedCheckpoint;
use async_trait::async_trait;
use db_core::BoxError;
use std::{fmt, io, path::PathBuf};
use tokio::{fs::OpenOptions, io::AsyncWriteExt as _};

/// Keeps checkpoints elsewhere than the database.
#[async_trait]
pub trait Witness: Send + Sync + fmt::Debug {
    /// What it is called in logs.
    fn name(&self) -> &str;

    /// Keeps a checkpoint for good. Called once for each by the process that has signed it, within ten seconds; after an error, or when it
    /// takes longer, once more with the next checkpoint, which says all that the one before did.
    ///
    /// # Errors
    /// Why it was not kept.
    ///
    /// # Cancel safety
    /// It may be kept twice.
    async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), BoxError>;
}

/// Appends checkpoints to a file, an empty line between two. Put it where the database's administrators cannot write.
#[derive(Debug)]
pub struct FileWitness {
    path: PathBuf,
}

impl FileWitness {
    /// Appends to this file, which is made where there is none.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[async_trait]
impl Witness for FileWitness {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), BoxError> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).await?;
        // In one write, so that two processes do not mix theirs.
        file.write_all(format!("{}\n", checkpoint.note()).as_bytes()).await?;
        file.sync_data().await?;
        Ok(())
    }
}

/// Writes checkpoints to standard output, for whoever collects that.
#[derive(Debug, Default)]
pub struct StdoutWitness;

#[async_trait]
impl Witness for StdoutWitness {
    fn name(&self) -> &'static str {
        "stdout"
    }

    async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), BoxError> {
        let note = format!("{}\n", checkpoint.note());
        tokio::task::spawn_blocking(move || {
            let mut out = io::stdout().lock();
            io::Write::write_all(&mut out, note.as_bytes())?;
            io::Write::flush(&mut out)
        })
        .await??;
        Ok(())
    }
}

/// The checkpoints in a text that a witness has written: notes, an empty line between two.
///
/// # Errors
/// That of the first note that is none, and which it is, from 1.
pub fn parse_checkpoints(text: &str) -> Result<Vec<SignedCheckpoint>, (usize, super::NoteError)> {
    let mut notes: Vec<String> = Vec::new();
    // A note has one empty line in it, and one behind it.
    let mut parts = text.split("\n\n").filter(|part| !part.trim().is_empty());
    while let Some(body) = parts.next() {
        let signatures = parts.next().unwrap_or_default();
        notes.push(format!("{}\n\n{}\n", body.trim_start_matches('\n'), signatures.trim_end_matches('\n')));
    }
    let parsed = notes.iter().enumerate().map(|(at, note)| note.parse().map_err(|error| (at + 1, error)));
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::{FileWitness, Witness as _, parse_checkpoints};
    use crate::audit::{Checkpoint, CheckpointSigner, Hash};

    #[tokio::test]
    async fn what_a_file_has_kept_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoints");
        let witness = FileWitness::new(&path);
        let signer = CheckpointSigner::from_seed("w", &[1; 32]).expect("a name");
        let mut kept = Vec::new();
        for size in [3, 900, 901] {
            let root = Hash::of_leaf(&[1]);
            let signed = signer.sign(&Checkpoint { origin: "cairn-audit/x".to_owned(), size, root });
            witness.keep(&signed).await.expect("kept");
            kept.push(signed);
        }
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(parse_checkpoints(&text), Ok(kept));
        let cut = &text[..text.len() - 40];
        assert_eq!(parse_checkpoints(cut).map_err(|(at, _)| at), Err(3));
        assert_eq!(parse_checkpoints(""), Ok(Vec::new()));
    }
}
