//! Whether the log is what it was: every event against its leaf, the leaves against the tree, the tree against what was signed,
//! the keys against what they have sealed.

mod flaw;
mod keys;
mod leaves;
mod row;
mod snapshot;
mod stretch;
mod stubs;
mod tiles;
mod walk;

pub use flaw::{Flaw, Verdict};
pub use walk::verify;

use super::{CheckpointVerifier, MasterKey, SignedCheckpoint};

/// What to verify by.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Verification {
    pub(crate) verifiers: Vec<CheckpointVerifier>,
    pub(crate) witnessed: Vec<SignedCheckpoint>,
    pub(crate) from: Option<SignedCheckpoint>,
    pub(crate) master: Option<MasterKey>,
}

impl Verification {
    /// All of the log, against itself. That finds what somebody has changed who did not think of the tree; for the rest it takes
    /// a key and checkpoints from outside.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checkpoints must be signed by this key. It must come from elsewhere than the database.
    pub fn signed_by(mut self, verifier: CheckpointVerifier) -> Self {
        self.verifiers.push(verifier);
        self
    }

    /// A checkpoint that somebody else has kept.
    pub fn witnessed(mut self, checkpoint: SignedCheckpoint) -> Self {
        self.witnessed.push(checkpoint);
        self
    }

    /// What came before this checkpoint is believed, as it was verified then, if its root is what it was.
    pub fn from(mut self, checkpoint: SignedCheckpoint) -> Self {
        self.from = Some(checkpoint);
        self
    }

    /// Opens what is personal too, and compares it with what the tree was told of it.
    pub fn master_key(mut self, master: MasterKey) -> Self {
        self.master = Some(master);
        self
    }
}
