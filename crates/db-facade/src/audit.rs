//! The audit log behind the handle: a writer for what the program does, and the task that gives events their places.

use crate::{Database, Error};
use db_config::{AuditConfig, Config};
use db_core::{PasswordProvider, Probe};
use db_pool::Pool;
use db_security::audit::{
    self, AuditWriter, CheckpointSigner, FileWitness, MasterKey, Sequencer, SequencerOptions, Witness,
    WriterOptions, check_master_key,
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// How long [`Database::close`] waits for what was recorded to be stored, and then to get its place.
const CLOSE: Duration = Duration::from_secs(5);

/// A writer and a sequencer as the configuration wants them.
pub(crate) struct Audited {
    writer: AuditWriter,
    sequencer: Mutex<Option<Sequencer>>,
    pub(crate) probes: Vec<Arc<dyn Probe>>,
}

impl Audited {
    /// Nothing where auditing is off.
    pub(crate) async fn new(config: &Config, pool: &Pool) -> Result<Option<Self>, Error> {
        let audit = &config.audit;
        if !audit.enabled {
            return Ok(None);
        }
        let (mut writing, mut sequencing) = (WriterOptions::new(), SequencerOptions::new());
        if let Some(text) = secret("audit.master_key", audit.master_key.as_deref()).await? {
            let master = MasterKey::parse(&text)?;
            let mut lease = pool.acquire().await?;
            match check_master_key(lease.vouched(), &master).await {
                // Before the first migration there is no log that it could be wrong for.
                Ok(()) | Err(audit::Error::NotThere { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            writing = writing.master_key(master.clone());
            sequencing = sequencing.master_key(master);
        }
        if let Some(text) = secret("audit.former_master_key", audit.former_master_key.as_deref()).await? {
            writing = writing.former_master_key(MasterKey::parse(&text)?);
        }
        if let Some(text) = secret("audit.signing_key", audit.signing_key.as_deref()).await? {
            let signer = CheckpointSigner::parse(&text).map_err(audit::Error::from)?;
            sequencing = sequencing.signer(signer).checkpoint_every(audit.checkpoint_every);
        }
        for witness in witnesses(audit).await? {
            sequencing = sequencing.witness(witness);
        }
        if let Some(folder) = &audit.spool {
            writing = writing.spool(folder);
        }
        let writer = AuditWriter::start(pool.clone(), &writing)?;
        let sequencer = audit.sequence.then(|| Sequencer::start(pool.clone(), &sequencing));
        let probes = sequencer.as_ref().map(Sequencer::probe).into_iter().chain([writer.probe()]).collect();
        Ok(Some(Self { writer, sequencer: Mutex::new(sequencer), probes }))
    }

    /// Takes what access rules refuse, and whatever else is told by that seam.
    #[cfg(feature = "access")]
    pub(crate) fn sink(&self) -> Arc<dyn db_core::AuditSink> {
        Arc::new(self.writer.clone())
    }

    /// Stores what was recorded, has it get its place, and ends.
    pub(crate) async fn close(&self) {
        let closed = self.writer.close(CLOSE).await;
        if closed.lost > 0 {
            tracing::error!(
                events = closed.lost,
                "audit events are lost: the database did not take them in time"
            );
        }
        let sequencer = self.sequencer.lock().take();
        if let Some(sequencer) = sequencer
            && !sequencer.close(CLOSE).await
        {
            tracing::warn!("audit events wait for their places until the next start");
        }
    }
}

/// Whom the configuration has keep checkpoints: a file (`audit.checkpoint_file`), a web server (`audit.checkpoint_webhook`).
///
/// # Errors
/// When the address of the web server cannot be had or is none, or this build knows no web servers.
///
/// # Cancel safety
/// Nothing is kept of what was asked.
pub async fn witnesses(audit: &AuditConfig) -> Result<Vec<Arc<dyn Witness>>, Error> {
    let mut witnesses: Vec<Arc<dyn Witness>> = Vec::new();
    if let Some(path) = &audit.checkpoint_file {
        witnesses.push(Arc::new(FileWitness::new(path)));
    }
    if let Some(address) = secret("audit.checkpoint_webhook", audit.checkpoint_webhook.as_deref()).await? {
        witnesses.push(webhook(&address)?);
    }
    Ok(witnesses)
}

#[cfg(feature = "audit-webhook")]
fn webhook(address: &db_core::Secret) -> Result<Arc<dyn Witness>, Error> {
    let witness = audit::WebhookWitness::parse(address);
    witness.map(|witness| Arc::new(witness) as _).map_err(|source| Error::Webhook(source.into()))
}

#[cfg(not(feature = "audit-webhook"))]
fn webhook(_: &db_core::Secret) -> Result<Arc<dyn Witness>, Error> {
    Err(Error::Webhook(
        "this build posts nothing: build db-facade with the cargo feature `audit-webhook`".into(),
    ))
}

async fn secret(
    key: &'static str,
    provider: Option<&dyn PasswordProvider>,
) -> Result<Option<db_core::Secret>, Error> {
    match provider {
        None => Ok(None),
        Some(provider) => provider.password().await.map_err(|source| Error::Key { key, source }),
    }
}

impl Database {
    /// Records events beside what the program does; `None` where the configuration has auditing off (`audit.enabled`). What must
    /// be there if and only if a transaction's work is goes by [`db_security::audit::record`].
    #[must_use]
    pub fn audit(&self) -> Option<&AuditWriter> {
        self.audited.as_ref().as_ref().map(|audited| &audited.writer)
    }

    /// Has events that were stored get their places now rather than in half a second.
    pub fn nudge_audit(&self) {
        if let Some(audited) = self.audited.as_ref()
            && let Some(sequencer) = audited.sequencer.lock().as_ref()
        {
            sequencer.nudge();
        }
    }
}
