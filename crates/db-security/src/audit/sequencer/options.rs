//! How a sequencer works.

use crate::audit::{CheckpointSigner, MasterKey, Witness, sequence::Clock};
use std::{sync::Arc, time::Duration};

/// How a sequencer works.
#[derive(Clone, Debug)]
#[must_use]
pub struct SequencerOptions {
    pub(super) interval: Duration,
    pub(super) max_events: u32,
    pub(super) master: Option<MasterKey>,
    pub(super) signer: Option<CheckpointSigner>,
    pub(super) checkpoint_every: Duration,
    pub(super) witnesses: Vec<Arc<dyn Witness>>,
    pub(super) clock: Clock,
}

impl Default for SequencerOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            max_events: 10_000,
            master: None,
            signer: None,
            checkpoint_every: Duration::from_secs(60),
            witnesses: Vec::new(),
            clock: Clock::Checked,
        }
    }
}

impl SequencerOptions {
    /// Looks twice a second, moves at most 10,000 events at once, and with a key signs once a minute.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often to look for events.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How many events to move in one transaction.
    pub fn max_events(mut self, events: u32) -> Self {
        self.max_events = events.max(1);
        self
    }

    /// Encrypts what triggers find personal; without it that waits in the inbox.
    pub fn master_key(mut self, master: MasterKey) -> Self {
        self.master = Some(master);
        self
    }

    /// Signs what the log is by this key.
    pub fn signer(mut self, signer: CheckpointSigner) -> Self {
        self.signer = Some(signer);
        self
    }

    /// How often to sign, when the log has grown.
    pub fn checkpoint_every(mut self, every: Duration) -> Self {
        self.checkpoint_every = every;
        self
    }

    /// Goes on whatever the server's clock says: events keep the time of the last one for as long as it is behind that.
    pub fn despite_clock(mut self) -> Self {
        self.clock = Clock::Ignored;
        self
    }

    /// Keeps checkpoints elsewhere.
    pub fn witness(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witnesses.push(witness);
        self
    }
}
