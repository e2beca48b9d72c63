//! How events lie in a file: a line that says what it is and who wrote it; then for each event its length, the checksum of its text, and its
//! text in JSON.

use super::record::Record;
use crate::audit::{Event, personal::SubjectKey};
use sha2::{Digest as _, Sha256};
use std::io;

/// What a file begins with, before the number of its writer.
const HEADER: &str = "cairn-audit-spool-v1 ";

/// What a file has in it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Who wrote it.
    pub(super) writer: i64,
    pub(super) events: Vec<Event>,
    /// Something in it can be read no more that may have been acknowledged. A file that was cut while it was written to is not damaged: what
    /// was cut off was never acknowledged.
    pub(super) is_damaged: bool,
}

/// What a file of this writer begins with.
pub(super) fn header(writer: i64) -> String {
    format!("{HEADER}{writer}\n")
}

/// Events as they are appended.
pub(super) fn encode<'e>(
    events: impl IntoIterator<Item = &'e Event>,
    key: Option<&SubjectKey>,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for event in events {
        let text = serde_json::to_vec(&Record::of(event, key))?;
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&checksum(&text));
        bytes.extend_from_slice(&text);
    }
    Ok(bytes)
}

/// What a file has in it, opened by whichever of the keys does.
///
/// # Errors
/// Why nothing of it can be used: it is no such file, or it is for another key.
pub(super) fn parse(bytes: &[u8], keys: &[SubjectKey]) -> Result<Contents, String> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        // It was cut while it was begun: nothing in it was acknowledged.
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(&bytes[..0], |last| &bytes[..=last]);
        return if HEADER.as_bytes().starts_with(written) || written.starts_with(HEADER.as_bytes()) {
            Ok(Contents::default())
        } else {
            Err("it is no spool file".to_owned())
        };
    };
    let header = std::str::from_utf8(&bytes[..end]).ok().and_then(|line| line.strip_prefix(HEADER));
    let writer =
        header.and_then(|writer| writer.parse().ok()).ok_or("it is no spool file of this version")?;
    let mut contents = Contents { writer, ..Contents::default() };
    let mut rest = &bytes[end + 1..];
    while let Some(frame) = Frame::first(rest) {
        if frame.is_whole {
            let record: Record = serde_json::from_slice(frame.text).map_err(|error| error.to_string())?;
            contents.events.push(record.into_event(keys)?);
        } else if !is_blank(rest) {
            // What is behind it may be whole nevertheless.
            contents.is_damaged = true;
        }
        rest = frame.behind;
    }
    // What is left is a frame that was cut, unless its length is what was altered.
    contents.is_damaged |= !is_blank(rest) && has_frame_within(rest);
    Ok(contents)
}

/// Disks that lose power leave zeros where a file had grown already.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Whether a whole frame begins somewhere in these bytes, whose first is none: then their beginning was no mere cut.
fn has_frame_within(bytes: &[u8]) -> bool {
    // A text begins with a brace, twelve bytes behind its frame's first.
    (1..bytes.len().saturating_sub(FRAME))
        .filter(|at| bytes.get(at + FRAME) == Some(&b'{'))
        .any(|at| Frame::first(&bytes[at..]).is_some_and(|frame| frame.is_whole))
}

/// Bytes of a length and a checksum.
const FRAME: usize = 12;

/// The bytes that a length says belong together.
struct Frame<'b> {
    text: &'b [u8],
    /// Whether the text is the one that was written.
    is_whole: bool,
    behind: &'b [u8],
}

impl<'b> Frame<'b> {
    /// `None` where there are fewer bytes than the length says.
    fn first(bytes: &'b [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (sum, rest) = rest.split_first_chunk::<8>()?;
        let (text, behind) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        Some(Self { text, is_whole: checksum(text) == *sum, behind })
    }
}

fn checksum(text: &[u8]) -> [u8; 8] {
    let hash = Sha256::digest(text);
    [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]
}
