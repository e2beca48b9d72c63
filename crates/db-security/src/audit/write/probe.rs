//! A look at how a writer is, for whoever asks about health.

use super::{AuditWriter, writer::Shared};
use async_trait::async_trait;
use db_core::{Finding, Probe, Status};
use std::sync::Arc;

const NAME: &str = "audit writer";

impl AuditWriter {
    /// A look at how it is: unhealthy while events cannot be stored and wait in memory, degraded while they go to the spool or
    /// something in the spool wants a person's look.
    #[must_use]
    pub fn probe(&self) -> Arc<dyn Probe> {
        Arc::new(WriterProbe { shared: Arc::clone(self.shared()) })
    }
}

#[derive(Debug)]
struct WriterProbe {
    shared: Arc<Shared>,
}

#[async_trait]
impl Probe for WriterProbe {
    fn name(&self) -> &str {
        NAME
    }

    async fn probe(&self) -> Finding {
        let stats = self.shared.stats();
        let trouble = self.shared.trouble.lock().clone();
        let finding = match trouble {
            Some((what, since)) => {
                let status = if stats.waiting > 0 { Status::Unhealthy } else { Status::Degraded };
                Finding::new(NAME, status, what).with("for_seconds", &since.elapsed().as_secs())
            }
            None if stats.unreadable_files > 0 => {
                let why = format!("{} files of the spool are for another master key", stats.unreadable_files);
                Finding::new(NAME, Status::Degraded, why)
            }
            None if stats.refused_of_spool > 0 => {
                let why = format!("the server has refused {} events of the spool", stats.refused_of_spool);
                Finding::new(NAME, Status::Degraded, why)
            }
            None => Finding::healthy(NAME),
        };
        finding
            .with("waiting", &stats.waiting)
            .with("spool_bytes", &stats.spool_bytes)
            .with("dropped", &stats.dropped)
    }
}
