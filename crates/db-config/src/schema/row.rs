//! What rows of the table of keys are made of.

use super::{Key, Kind, Name, Zero};
use crate::span::{Bare, Window};
use std::time::Duration;

/// A name under which a unit must be written.
pub(super) const fn named(text: &'static str) -> Name {
    Name { text, bare: Bare::Refused }
}

/// A name under which a bare number is milliseconds.
pub(super) const fn ms(text: &'static str) -> Name {
    Name { text, bare: Bare::Milliseconds }
}

/// A name under which a bare number is seconds.
pub(super) const fn s(text: &'static str) -> Name {
    Name { text, bare: Bare::Seconds }
}

const fn window(least_ms: u64, most_s: u64) -> Window {
    Window { least: Duration::from_millis(least_ms), most: Duration::from_secs(most_s) }
}

/// A span of time, from so many milliseconds to so many seconds.
pub(super) const fn span(least_ms: u64, most_s: u64) -> Kind {
    Kind::Span { zero: Zero::Refused, window: window(least_ms, most_s) }
}

/// The same, and `off`.
pub(super) const fn span_or_off(least_ms: u64, most_s: u64) -> Kind {
    Kind::Span { zero: Zero::Off, window: window(least_ms, most_s) }
}

/// One row: canonical name, kind, variables, further paths, documentation.
pub(super) const fn row(
    name: &'static str,
    kind: Kind,
    variables: &'static [Name],
    paths: &'static [Name],
    doc: &'static str,
) -> Key {
    Key { name, kind, variables, paths, doc }
}
