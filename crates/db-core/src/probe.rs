//! The seam through which a part of the system says how it is.

use async_trait::async_trait;

/// How a part of the system is; ordered, so that the worst of several is their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Works as it should.
    Healthy,
    /// Works, but a person should look.
    Degraded,
    /// Does not do its job.
    Unhealthy,
}

impl Status {
    /// The worst of several; `Healthy` when there are none.
    pub fn worst(statuses: impl IntoIterator<Item = Self>) -> Self {
        statuses.into_iter().max().unwrap_or(Self::Healthy)
    }

    /// The lower-case name, as it stands in output and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What a probe found: a status, one sentence, and the figures behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Who found it: the probe's name.
    pub probe: String,
    /// The verdict.
    pub status: Status,
    /// One sentence for the person on call; empty when there is nothing to say.
    pub summary: String,
    /// Figures that support the verdict, each with its unit in the name (`lag_bytes`, `waiting`).
    pub evidence: Vec<(&'static str, String)>,
}

impl Finding {
    /// A finding without evidence.
    pub fn new(probe: impl Into<String>, status: Status, summary: impl Into<String>) -> Self {
        Self { probe: probe.into(), status, summary: summary.into(), evidence: Vec::new() }
    }

    /// All is well.
    pub fn healthy(probe: impl Into<String>) -> Self {
        Self::new(probe, Status::Healthy, "")
    }

    /// Adds a figure.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.evidence.push((name, value.to_string()));
        self
    }
}

/// Says how one part of the system is. The pool implements it; whoever watches calls it.
#[async_trait]
pub trait Probe: Send + Sync {
    /// A short, stable name, unique in its process (`postgres`, `pool`, `migrations`).
    fn name(&self) -> &str;

    /// Called at every health check, within the deadline that the caller sets; a probe that has not answered by then
    /// is reported as unhealthy by the caller. It has no error: what goes wrong is the finding.
    ///
    /// # Cancel safety
    /// Dropping the future must give back whatever it holds; nothing may stay locked or checked out.
    async fn probe(&self) -> Finding;
}

#[cfg(test)]
mod tests {
    use super::{Finding, Status};

    #[test]
    fn the_worst_status_wins() {
        assert_eq!(Status::worst([]), Status::Healthy);
        assert_eq!(Status::worst([Status::Healthy, Status::Unhealthy, Status::Degraded]), Status::Unhealthy);
    }

    #[test]
    fn evidence_keeps_its_order() {
        let finding = Finding::new("pool", Status::Degraded, "busy").with("in_use", &8).with("waiting", &3);
        assert_eq!(finding.evidence, [("in_use", "8".to_owned()), ("waiting", "3".to_owned())]);
    }
}
