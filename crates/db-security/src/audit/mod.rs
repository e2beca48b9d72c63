//! A log of what was done that proves itself.

mod checkpoint;
mod encode;
mod error;
mod event;
mod hash;
mod log;
mod note;
mod partition;
mod personal;
mod record;
mod retain;
mod sequence;
mod sequencer;
mod tree;
mod verify;
mod witness;
mod write;

pub use checkpoint::{checkpoint, prove_consistency, prove_inclusion, root_at};
pub use error::Error;
pub use event::{Event, Outcome, UnknownOutcome};
pub use hash::Hash;
pub use note::{Checkpoint, CheckpointSigner, CheckpointVerifier, NoteError, SignedCheckpoint};
pub use personal::{Erasure, MasterKey, check_master_key, erase, replay, rewrap};
pub use record::record;
pub use retain::{Left, retain};
pub use sequence::{Sequenced, sequence};
pub use sequencer::{Sequencer, SequencerOptions, SequencerStats};
pub use tree::{Consistency, Inclusion};
pub use verify::{Flaw, Verdict, Verification, verify};
pub use witness::{FileWitness, StdoutWitness, Witness, parse_checkpoints};
pub use write::{AuditWriter, Closed, Ticket, WhenFull, WriterOptions, WriterStats};
