//! A recorder that remembers, for tests of what is measured.

use db_core::{Label, Recorder};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// One call of a recorder.
#[derive(Clone, Debug, PartialEq)]
pub enum Measurement {
    /// A counter went up.
    Count(&'static str, u64),
    /// A gauge was set.
    Gauge(&'static str, f64),
    /// A duration was added.
    Timing(&'static str, Duration),
}

impl Measurement {
    /// The name it was recorded under.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Count(name, _) | Self::Gauge(name, _) | Self::Timing(name, _) => name,
        }
    }
}

/// Remembers every measurement, in order.
#[derive(Debug, Default)]
pub struct Recorded {
    calls: Mutex<Vec<Measurement>>,
}

impl Recorded {
    /// What was recorded so far.
    #[must_use]
    pub fn all(&self) -> Vec<Measurement> {
        self.calls().clone()
    }

    /// How often something was recorded under this name.
    #[must_use]
    pub fn times(&self, name: &str) -> usize {
        self.calls().iter().filter(|call| call.name() == name).count()
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Measurement>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for Recorded {
    fn count(&self, name: &'static str, _labels: &[Label<'_>], n: u64) {
        self.calls().push(Measurement::Count(name, n));
    }

    fn gauge(&self, name: &'static str, _labels: &[Label<'_>], value: f64) {
        self.calls().push(Measurement::Gauge(name, value));
    }

    fn timing(&self, name: &'static str, _labels: &[Label<'_>], elapsed: Duration) {
        self.calls().push(Measurement::Timing(name, elapsed));
    }
}
