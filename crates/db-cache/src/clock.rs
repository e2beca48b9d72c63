//! The time in milliseconds since 1970. Within a process it never goes back, and follows tokio's paused clock.

use crate::record::UnixMillis;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// When this process first asked, by both clocks. A step of the system's clock after that goes unnoticed: it would make old
/// values fresh, or fresh ones old.
static FIRST: LazyLock<(Instant, UnixMillis)> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (Instant::now(), UnixMillis::default().after(since))
});

pub(crate) fn millis(now: Instant) -> UnixMillis {
    let (first, first_at) = *FIRST;
    first_at.after(now.saturating_duration_since(first))
}

/// When it will be so late; `now` where that is past.
pub(crate) fn instant(now: Instant, at: UnixMillis) -> Instant {
    now + at.since(millis(now))
}
