//! A log of what was done that proves itself.

mod checkpoint;
mod encode;
mod error;
mod event;
mod export;
mod found;
mod hash;
mod keygen;
mod log;
mod note;
mod partition;
mod personal;
mod prove;
mod record;
mod report;
mod retain;
mod search;
mod sequence;
mod sequencer;
mod short;
mod status;
mod tables;
mod tree;
mod verify;
mod witness;
mod write;

pub use checkpoint::{checkpoint, prove_consistency, prove_inclusion, root_at};
pub use error::Error;
pub use event::{Event, Outcome, UnknownOutcome};
pub use export::{CheckedExport, Export, ExportFlaw, ExportFormat, Exported, verify_export};
pub use found::{Found, Personal, open_personal};
pub use hash::Hash;
pub use note::{Checkpoint, CheckpointSigner, CheckpointVerifier, NoteError, SignedCheckpoint};
pub use personal::{Erasure, MasterKey, check_master_key, erase, replay, rewrap};
pub use prove::{EventProof, Proven, last_checkpoint, prove};
pub use record::record;
pub use report::{
    Activity, ActivityBy, Denied, Report, ReportSpan, SlowTask, TaskDurations, TaskReport, activity, denied,
    tasks,
};
pub use retain::{Left, retain};
pub use search::{Search, SearchOrder, SearchPage};
pub use sequence::{Sequenced, sequence, sequence_despite_clock};
pub use sequencer::{Sequencer, SequencerOptions, SequencerStats};
pub use status::{LogStatus, status};
pub use tables::{AuditedTable, Drift, TableAudit, TableError, Unfit, audited_tables, disable, enable};
pub use tree::{Consistency, Inclusion};
pub use verify::{Flaw, Verdict, Verification, verify};
pub use witness::{FileWitness, StdoutWitness, Witness, Witnessed, parse_checkpoints};
#[cfg(feature = "webhook")]
pub use witness::{WebhookError, WebhookWitness};
pub use write::{AuditWriter, Closed, Ticket, WhenFull, WriterOptions, WriterStats};
