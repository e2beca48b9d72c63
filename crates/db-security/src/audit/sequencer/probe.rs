//! How a sequencer is, for whoever asks about health.

use super::Shared;
use crate::audit::{
    Error,
    log::{State, state},
};
use async_trait::async_trait;
use db_core::{Finding, Probe, Status, with_causes};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Events that have waited for longer than this are worth a look.
const SLOW: Duration = Duration::from_secs(60);

/// Looks at a sequencer and at what waits for it.
pub(super) struct SequencerProbe {
    pub(super) shared: Arc<Shared>,
    pub(super) ended: watch::Receiver<bool>,
}

#[async_trait]
impl Probe for SequencerProbe {
    fn name(&self) -> &str {
        NAME
    }

    async fn probe(&self) -> Finding {
        let trouble = self.shared.trouble.lock().clone();
        let finding = match trouble {
            Some(trouble) => Finding::new(NAME, Status::Unhealthy, trouble.what)
                .with("for_seconds", &trouble.since.elapsed().as_secs()),
            None => Finding::healthy(NAME),
        };
        // Not by its end, which it tells: it was dropped, or something has ended it.
        let is_dead = !*self.ended.borrow() && self.ended.has_changed().is_err();
        let finding = if is_dead {
            Finding::new(
                NAME,
                Status::Unhealthy,
                "the task that gives events their places is gone: start the program anew",
            )
        } else {
            finding
        };
        match self.look().await {
            Err(Error::NotThere { .. }) => {
                Finding::new(NAME, Status::Degraded, "there is no audit log yet; run db migrate up")
            }
            Err(error) => Finding::new(NAME, Status::Unhealthy, with_causes(&error)),
            Ok((log, oldest)) => {
                let finding = finding
                    .with("waiting", &log.waiting)
                    .with("refused", &log.refused)
                    .with("leaves", &log.size);
                if finding.status == Status::Healthy && log.refused > 0 {
                    let why = format!(
                        "{} events cannot get a place in the log; `db audit status` says why",
                        log.refused
                    );
                    return Finding { status: Status::Degraded, summary: why, ..finding };
                }
                if finding.status == Status::Healthy && oldest > SLOW.as_secs_f64() {
                    let why = format!("events have waited for {oldest:.0} s for a place in the log");
                    return Finding { status: Status::Degraded, summary: why, ..finding };
                }
                finding
            }
        }
    }
}

const NAME: &str = "audit";

impl SequencerProbe {
    /// What there is of the log, and for how many seconds the first of the events that can be moved has waited.
    async fn look(&self) -> Result<(State, f64), Error> {
        let mut lease = self.shared.pool.acquire().await?;
        let conn = lease.vouched();
        let log = state(conn).await?;
        let oldest: Option<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM clock_timestamp() - least(greatest(occurred_at, '0001-01-01'), '9999-12-31'))::float8 \
             FROM audit_inbox WHERE refused IS NULL ORDER BY txid LIMIT 1",
        )
        .fetch_optional(conn)
        .await
        .map_err(Error::while_trying("look at the inbox"))?;
        Ok((log, oldest.unwrap_or(0.0)))
    }
}

impl fmt::Debug for SequencerProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SequencerProbe").finish_non_exhaustive()
    }
}
