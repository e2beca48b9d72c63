//! One verdict from many probes.

use db_core::{Finding, Probe, Status};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long one probe may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the probes found, and the worst of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// The worst status.
    pub status: Status,
    /// What each probe found, in the order in which they were added.
    pub findings: Vec<Finding>,
}

/// Asks all of them side by side; who does not answer in time is unhealthy.
pub(crate) async fn check(probes: &[Arc<dyn Probe>]) -> Health {
    let findings = join_all(probes.iter().map(|probe| async {
        let silent =
            |_| Finding::new(probe.name(), Status::Unhealthy, format!("no answer within {DEADLINE:?}"));
        timeout(DEADLINE, probe.probe()).await.unwrap_or_else(silent)
    }))
    .await;
    Health { status: Status::worst(findings.iter().map(|finding| finding.status)), findings }
}

#[cfg(test)]
mod tests {
    use super::check;
    use async_trait::async_trait;
    use db_core::{Finding, Probe, Status};
    use std::{future::pending, sync::Arc};

    struct Fixed(Option<Status>);

    #[async_trait]
    impl Probe for Fixed {
        fn name(&self) -> &str {
            "fixed"
        }

        async fn probe(&self) -> Finding {
            match self.0 {
                Some(status) => Finding::new("fixed", status, ""),
                None => pending().await,
            }
        }
    }

    async fn verdict(probes: &[Option<Status>]) -> Status {
        let probes: Vec<Arc<dyn Probe>> = probes.iter().map(|&status| Arc::new(Fixed(status)) as _).collect();
        check(&probes).await.status
    }

    #[tokio::test(start_paused = true)]
    async fn the_worst_counts_and_silence_is_the_worst() {
        assert_eq!(verdict(&[]).await, Status::Healthy);
        assert_eq!(verdict(&[Some(Status::Healthy), Some(Status::Degraded)]).await, Status::Degraded);
        assert_eq!(verdict(&[Some(Status::Healthy), None]).await, Status::Unhealthy);
    }
}
