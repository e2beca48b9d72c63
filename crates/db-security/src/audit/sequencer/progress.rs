//! How far a sequencer has come.

use std::any::Any;

/// What a batch has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There was less than a batch.
    Quiet,
    /// What had committed as the pass began is moved, and more has come.
    PassEnded,
    /// There is more of the pass.
    OfPass,
}

/// What a round of work has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing is left.
    Drained,
    /// More has come meanwhile.
    More,
}

/// The words of a panic.
pub(super) fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}
