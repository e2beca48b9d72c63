//! Who else keeps checkpoints: whoever holds the database can write it anew, and cannot take back what others have.

mod file;
mod stdout;
#[cfg(feature = "webhook")]
mod webhook;

use super::{NoteError, SignedCheckpoint};
use async_trait::async_trait;
use db_core::BoxError;
use std::fmt;

pub use file::FileWitness;
pub use stdout::StdoutWitness;
#[cfg(feature = "webhook")]
pub use webhook::{WebhookError, WebhookWitness};

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

/// What a witness has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// The checkpoints, in the order in which they were written.
    pub checkpoints: Vec<SignedCheckpoint>,
    /// What is none, such as one that was cut when the machine stopped: the line where it begins, from 1, and why.
    pub unreadable: Vec<(usize, NoteError)>,
}

/// The checkpoints in a text that a witness has written: notes, an empty line between two. One that cannot be read hides no other.
#[must_use]
pub fn parse_checkpoints(text: &str) -> Witnessed {
    let mut found = Witnessed::default();
    let mut parts = parts(text).into_iter().peekable();
    while let Some((line, body)) = parts.next() {
        // A note has one empty line in it, and its signatures behind that.
        let signatures = parts.next_if(|(_, part)| part.starts_with(SIGNED)).map_or("", |(_, part)| part);
        match format!("{body}\n\n{signatures}\n").parse::<SignedCheckpoint>() {
            Ok(checkpoint) if checkpoint.has_whole_signature() => found.checkpoints.push(checkpoint),
            Ok(_) => found.unreadable.push((line, CUT)),
            Err(error) => found.unreadable.push((line, error)),
        }
    }
    found
}

const CUT: NoteError = NoteError::Malformed { line: 5, reason: "its signature is cut" };
/// What lines of signatures begin with.
const SIGNED: &str = "\u{2014} ";

/// What stands between empty lines, with the number of its first line.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut line = 1;
    for part in text.split_inclusive("\n\n") {
        let lines = part.matches('\n').count();
        let blank = part.len() - part.trim_start_matches('\n').len();
        let within = part.trim_matches('\n');
        if !within.is_empty() {
            parts.push((line + blank, within));
        }
        line += lines;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{FileWitness, Witness as _, Witnessed, parse_checkpoints};
    use crate::audit::{Checkpoint, CheckpointSigner, Hash, SignedCheckpoint};

    fn signed(size: u64) -> SignedCheckpoint {
        let signer = CheckpointSigner::from_seed("w", &[1; 32]).expect("a name");
        signer.sign(&Checkpoint { origin: "cairn-audit/x".to_owned(), size, root: Hash::of_leaf(&[1]) })
    }

    #[tokio::test]
    async fn what_a_file_has_kept_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoints");
        let witness = FileWitness::new(&path);
        let mut kept = Vec::new();
        for signed in [3, 900, 901].map(signed) {
            witness.keep(&signed).await.expect("kept");
            kept.push(signed);
        }
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(parse_checkpoints(&text).checkpoints, kept);
        assert_eq!(parse_checkpoints(""), Witnessed::default());
    }

    #[tokio::test]
    async fn one_that_was_cut_hides_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoints");
        let witness = FileWitness::new(&path);
        let [first, second] = [3, 900].map(signed);
        witness.keep(&first).await.expect("kept");
        let whole = std::fs::read(&path).expect("read");
        let note = second.note().as_bytes();
        for cut in 1..note.len() {
            std::fs::write(&path, [&whole, &note[..cut]].concat()).expect("cut");
            witness.keep(&second).await.expect("kept");
            let text = std::fs::read(&path).expect("read");
            let found = parse_checkpoints(&String::from_utf8_lossy(&text));
            // All of it but its last line break is a note already.
            let is_whole = cut + 1 == note.len();
            let expected: &[_] = if is_whole { &[&first, &second, &second] } else { &[&first, &second] };
            assert!(found.checkpoints.iter().eq(expected.iter().copied()), "cut at {cut}: {found:?}");
            let line = found.unreadable.first().map(|(line, _)| *line);
            assert_eq!(line, Some(7).filter(|_| !is_whole), "cut at {cut}");
        }
    }
}
