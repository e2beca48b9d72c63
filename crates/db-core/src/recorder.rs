//! The seam through which measurements leave a crate.

use std::time::Duration;

/// A label's name and value. Values come from a small, fixed set: never user text, never an identifier of a row.
pub type Label<'a> = (&'static str, &'a str);

/// Takes measurements. Whoever measures calls it on the hot path; the monitor implements it.
///
/// Every method returns at once: it neither blocks nor fails, and an implementation that has no room drops the
/// measurement and counts the drop. Names follow OpenTelemetry's semantic conventions where they have one.
pub trait Recorder: Send + Sync {
    /// Adds `n` to a counter; it never goes down.
    fn count(&self, name: &'static str, labels: &[Label<'_>], n: u64);
    /// Sets a gauge to the value that holds now.
    fn gauge(&self, name: &'static str, labels: &[Label<'_>], value: f64);
    /// Adds one duration to a distribution.
    fn timing(&self, name: &'static str, labels: &[Label<'_>], elapsed: Duration);
}

/// Keeps nothing; what is used until somebody measures.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecorder;

/// The one `NoRecorder` that a default can point to.
pub const NO_RECORDER: NoRecorder = NoRecorder;

impl Recorder for NoRecorder {
    fn count(&self, _name: &'static str, _labels: &[Label<'_>], _n: u64) {}
    fn gauge(&self, _name: &'static str, _labels: &[Label<'_>], _value: f64) {}
    fn timing(&self, _name: &'static str, _labels: &[Label<'_>], _elapsed: Duration) {}
}
