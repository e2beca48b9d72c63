//! Verifies an export without the database: by a key that came from elsewhere, and nothing that the file says of itself.

use super::{
    hex,
    line::{End, Event, Line, VERSION},
};
use crate::audit::{
    Checkpoint, CheckpointVerifier, Hash, Inclusion, NoteError, Personal, SearchOrder, SignedCheckpoint,
    encode::commitment, prove::as_text,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, Read as _};
use uuid::Uuid;

/// A line that is longer is no line of ours: the server holds less in a row.
const MAX_LINE: u64 = 1 << 30;

/// An export that is what was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckedExport {
    /// Which log it is of.
    pub origin: String,
    /// Leaves of the log when it was signed.
    pub size: u64,
    /// The root that all proofs lead to.
    #[serde(serialize_with = "as_text")]
    pub root: Hash,
    /// Who has signed it, of those whose keys were given.
    pub signed_by: Vec<String>,
    /// Events, each in the log.
    pub events: u64,
    /// Personal parts that are what the log holds commitments to.
    pub personal: u64,
}

/// Why an export is not what was signed, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFlaw {
    /// It cannot be read.
    #[error("line {line} cannot be read")]
    Read {
        /// Where, from 1.
        line: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No line of an export with proofs.
    #[error("line {line} is not a line of an export with proofs: {reason}")]
    Malformed {
        /// Where, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// Nobody whose key was given has signed the checkpoint, or it was altered.
    #[error("the checkpoint in line 1 does not count: {why}")]
    Checkpoint {
        /// Why not.
        why: NoteError,
    },
    /// Without a key nothing is verified.
    #[error(
        "no key was given to verify the checkpoint by, and whoever has written the file could have signed it"
    )]
    NoKey,
    /// The event is not what the log has there.
    #[error("line {line}: event {id} is not what the log has at leaf {leaf}")]
    Event {
        /// Where, from 1.
        line: u64,
        /// Its number as the line has it.
        id: Uuid,
        /// Its place as the line has it.
        leaf: u64,
    },
    /// What is personal is not what the log holds a commitment to.
    #[error("line {line}: what is personal in event {id} is not what the log has")]
    Personal {
        /// Where, from 1.
        line: u64,
        /// The event's number.
        id: Uuid,
    },
    /// It does not come behind the one before it.
    #[error("line {line}: event {id} stands in the wrong place, or twice")]
    Order {
        /// Where, from 1.
        line: u64,
        /// The event's number.
        id: Uuid,
    },
    /// The end is gone.
    #[error("the export is cut off after line {lines}")]
    CutOff {
        /// Lines that are there.
        lines: u64,
    },
    /// Lines are not those that were written, though each may be right.
    #[error("lines were added, removed or altered: the last line does not fit them")]
    End,
}

/// Verifies an export with proofs: that one of the keys has signed its checkpoint, that each event is in the log as it stands in its
/// line, and that no line was cut off or altered. That nothing was left out when it was made, no file can show.
///
/// It blocks as `reader` does, and holds one line in memory.
///
/// # Errors
/// The first flaw, [`ExportFlaw::NoKey`] where no key was given.
pub fn verify_export(
    mut reader: impl BufRead,
    verifiers: &[CheckpointVerifier],
) -> Result<CheckedExport, ExportFlaw> {
    let mut lines = Lines { sum: Sha256::new(), count: 0, text: Vec::new() };
    let Some(Line::Export(head)) = lines.next(&mut reader)? else {
        return Err(malformed(1, "it does not begin with a checkpoint"));
    };
    if head.version != VERSION {
        return Err(malformed(
            1,
            format!("its version is {}, and this program reads {VERSION}", head.version),
        ));
    }
    let signed: SignedCheckpoint = head.checkpoint.parse().map_err(|why| ExportFlaw::Checkpoint { why })?;
    let mut checked = CheckedExport {
        origin: signed.checkpoint().origin.clone(),
        size: signed.checkpoint().size,
        root: signed.checkpoint().root,
        signed_by: signers(&signed, verifiers)?,
        events: 0,
        personal: 0,
    };
    let mut before = None;
    loop {
        let sum = lines.sum.clone();
        match lines.next(&mut reader)? {
            None => return Err(ExportFlaw::CutOff { lines: lines.count }),
            Some(Line::Export(_)) => return Err(malformed(lines.count, "it begins anew")),
            Some(Line::Event(line)) => {
                let position = (line.event.occurred_at, line.event.id);
                check_order(before, position, head.order, lines.count)?;
                before = Some(position);
                checked.personal += u64::from(check(&line, signed.checkpoint(), lines.count)?);
                checked.events += 1;
            }
            Some(Line::End(End { events, sha256 })) => {
                let is_last = lines.next(&mut reader)?.is_none();
                if !is_last || events != checked.events || sha256 != hex(&sum.finalize()) {
                    return Err(ExportFlaw::End);
                }
                return Ok(checked);
            }
        }
    }
}

/// Who has signed; a signature in the name of a key that is not by it is a flaw even beside good ones.
fn signers(signed: &SignedCheckpoint, verifiers: &[CheckpointVerifier]) -> Result<Vec<String>, ExportFlaw> {
    let (mut by, mut missing) = (Vec::new(), None);
    for verifier in verifiers {
        match verifier.verify(signed) {
            Ok(()) => by.push(verifier.name().to_owned()),
            Err(why @ NoteError::NotSigned { .. }) => missing = Some(why),
            Err(why) => return Err(ExportFlaw::Checkpoint { why }),
        }
    }
    match (by.is_empty(), missing) {
        (false, _) => Ok(by),
        (true, Some(why)) => Err(ExportFlaw::Checkpoint { why }),
        (true, None) => Err(ExportFlaw::NoKey),
    }
}

type Position = (DateTime<Utc>, Uuid);

fn check_order(
    before: Option<Position>,
    at: Position,
    order: SearchOrder,
    line: u64,
) -> Result<(), ExportFlaw> {
    let is_right = before.is_none_or(|before| match order {
        SearchOrder::NewestFirst => at < before,
        SearchOrder::OldestFirst => at > before,
    });
    if is_right { Ok(()) } else { Err(ExportFlaw::Order { line, id: at.1 }) }
}

/// Whether something personal is in it that was checked too.
fn check(line: &Event, of: &Checkpoint, at: u64) -> Result<bool, ExportFlaw> {
    let Event { event, leaf_hash, proof } = line;
    let Inclusion { leaf, size, .. } = proof;
    let is_there = event.leaf_hash().is_some_and(|hash| {
        *leaf_hash == hash.to_base64()
            && event.leaf == Some(*leaf)
            && *size == of.size
            && proof.proves(hash, of.root)
    });
    if !is_there {
        return Err(ExportFlaw::Event { line: at, id: event.id, leaf: *leaf });
    }
    let Some(Personal::Open { salt, values }) = &event.personal else { return Ok(false) };
    let salt: Option<[u8; 32]> = BASE64.decode(salt).ok().and_then(|salt| salt.try_into().ok());
    let is_told = salt
        .is_some_and(|salt| event.commitment.as_deref() == Some(&commitment(&salt, values.get().as_bytes())));
    if is_told { Ok(true) } else { Err(ExportFlaw::Personal { line: at, id: event.id }) }
}

/// Lines as they are read, and the hash of them all.
struct Lines {
    sum: Sha256,
    count: u64,
    text: Vec<u8>,
}

impl Lines {
    fn next(&mut self, reader: &mut impl BufRead) -> Result<Option<Line>, ExportFlaw> {
        self.text.clear();
        let line = self.count + 1;
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.text);
        read.map_err(|source| ExportFlaw::Read { line, source })?;
        if self.text.is_empty() {
            return Ok(None);
        }
        self.count = line;
        if self.text.last() != Some(&b'\n') {
            return Err(ExportFlaw::CutOff { lines: self.count });
        }
        self.sum.update(&self.text);
        let parsed =
            serde_json::from_slice(&self.text).map_err(|error| malformed(line, error.to_string()))?;
        Ok(Some(parsed))
    }
}

fn malformed(line: u64, reason: impl Into<String>) -> ExportFlaw {
    ExportFlaw::Malformed { line, reason: reason.into() }
}
