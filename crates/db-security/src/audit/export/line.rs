//! The lines of an export with proofs. docs/audit.md says the same for other programs.

use crate::audit::{Error, Found, Inclusion, SearchOrder};
use serde::{Deserialize, Serialize};

pub(super) const VERSION: u32 = 1;

/// A line: the first is an `export`, the last an `end`, all others an `event`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Export(Head),
    Event(Box<Event>),
    End(End),
}

/// What all proofs lead to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) checkpoint: String,
    pub(super) order: SearchOrder,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) event: Found,
    pub(super) leaf_hash: String,
    pub(super) proof: Inclusion,
}

/// That nothing was cut off: how many events there are, and the SHA-256 of all lines before.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) events: u64,
    pub(super) sha256: String,
}

/// As a line.
pub(super) fn text(of: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut text =
        serde_json::to_vec(of).map_err(|error| Error::Write { source: std::io::Error::other(error) })?;
    text.push(b'\n');
    Ok(text)
}
