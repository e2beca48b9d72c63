//! Files that hold events while the database is away.
//!
//! A file begins with a line that says what it is and who wrote it; each event follows as its length, the checksum of its text, and
//! its text in JSON. A file is read up to the first event that is not whole: what comes after it was never acknowledged.

use super::batch::Batch;
use crate::audit::{Event, MasterKey, Outcome, event::Personal, personal::SubjectKey};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// What a file begins with, before the number of its writer.
const HEADER: &str = "cairn-audit-spool-v1 ";
const ENDING: &str = "spool";
/// A file that has reached this size is followed by another.
const FILE_BYTES: u64 = 8 << 20;

/// A folder of such files, held by one writer.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
    max_bytes: u64,
    bytes: u64,
    key: Option<SubjectKey>,
    writer: i64,
    open: Option<Segment>,
    next: u64,
}

#[derive(Debug)]
struct Segment {
    file: File,
    path: PathBuf,
    bytes: u64,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) path: PathBuf,
    /// Who wrote it.
    pub(super) writer: i64,
    pub(super) events: Vec<Event>,
    bytes: u64,
}

impl Spool {
    /// Opens a folder, which is made where there is none.
    pub(super) fn open(
        folder: &Path,
        max_bytes: u64,
        master: Option<&MasterKey>,
        writer: i64,
    ) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("{} is another writer's: give each its own folder", folder.display()),
            ),
            fs::TryLockError::Error(error) => error,
        })?;
        let mut spool = Self {
            folder: folder.to_owned(),
            _lock: lock,
            max_bytes,
            bytes: 0,
            key: master.map(MasterKey::spool_key),
            writer,
            open: None,
            next: 0,
        };
        for path in spool.paths()? {
            spool.bytes += path.metadata()?.len();
            spool.next = spool.next.max(number_of(&path).unwrap_or(0) + 1);
        }
        Ok(spool)
    }

    /// Whether there is anything.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Writes a batch and waits for the disk. On an error nothing of it counts.
    pub(super) fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(batch.bytes * 2);
        for event in &batch.events {
            let text = serde_json::to_vec(&Record::of(event, self.key.as_ref()))?;
            let length = u32::try_from(text.len()).map_err(io::Error::other)?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&checksum(&text));
            bytes.extend_from_slice(&text);
        }
        if self.bytes + bytes.len() as u64 > self.max_bytes {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("the spool holds {} of {} bytes", self.bytes, self.max_bytes),
            ));
        }
        // A file that failed is not written to again: its end may be torn.
        let mut segment = match self.open.take() {
            Some(segment) => segment,
            None => self.begin()?,
        };
        segment.file.write_all(&bytes)?;
        segment.file.sync_data()?;
        self.bytes += bytes.len() as u64;
        segment.bytes += bytes.len() as u64;
        self.open = Some(segment).filter(|segment| segment.bytes < FILE_BYTES);
        Ok(())
    }

    fn begin(&mut self) -> io::Result<Segment> {
        let path = self.folder.join(format!("{:010}.{ENDING}", self.next));
        self.next += 1;
        let mut file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path)?;
        let header = format!("{HEADER}{}\n", self.writer);
        file.write_all(header.as_bytes())?;
        File::open(&self.folder)?.sync_all()?;
        self.bytes += header.len() as u64;
        Ok(Segment { file, path, bytes: 0 })
    }

    /// The oldest file, which is written to no more.
    pub(super) fn oldest(&mut self) -> io::Result<Option<Spooled>> {
        let Some(path) = self.paths()?.into_iter().next() else {
            self.bytes = 0;
            return Ok(None);
        };
        if self.open.as_ref().is_some_and(|open| open.path == path) {
            self.open = None;
        }
        let mut bytes = Vec::new();
        File::open(&path)?.read_to_end(&mut bytes)?;
        let (writer, events) = parse(&bytes, self.key.as_ref()).map_err(|reason| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {reason}", path.display()))
        })?;
        Ok(Some(Spooled { path, writer, events, bytes: bytes.len() as u64 }))
    }

    /// A file whose events are stored goes.
    pub(super) fn remove(&mut self, spooled: &Spooled) -> io::Result<()> {
        fs::remove_file(&spooled.path)?;
        self.bytes = self.bytes.saturating_sub(spooled.bytes);
        File::open(&self.folder)?.sync_all()
    }

    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if number_of(&path).is_some() {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

fn number_of(path: &Path) -> Option<u64> {
    let is_one = path.extension().is_some_and(|ending| ending == ENDING);
    path.file_stem().filter(|_| is_one)?.to_str()?.parse().ok()
}

/// The writer and the events of a file.
fn parse(bytes: &[u8], key: Option<&SubjectKey>) -> Result<(i64, Vec<Event>), String> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        // It was cut while it was begun: nothing in it was acknowledged.
        return if HEADER.as_bytes().starts_with(bytes) || bytes.starts_with(HEADER.as_bytes()) {
            Ok((0, Vec::new()))
        } else {
            Err("it is no spool file".to_owned())
        };
    };
    let header = std::str::from_utf8(&bytes[..end]).ok().and_then(|line| line.strip_prefix(HEADER));
    let writer =
        header.and_then(|writer| writer.parse().ok()).ok_or("it is no spool file of this version")?;
    let mut rest = &bytes[end + 1..];
    let mut events = Vec::new();
    while let Some((text, behind)) = frame(rest) {
        let record: Record = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        events.push(record.into_event(key)?);
        rest = behind;
    }
    Ok((writer, events))
}

/// The first whole frame, and what is behind it.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    (checksum(text) == *sum).then_some((text, rest))
}

fn checksum(text: &[u8]) -> [u8; 8] {
    let hash = Sha256::digest(text);
    [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]
}

/// An event as it lies in a file.
#[derive(Serialize, Deserialize)]
struct Record {
    id: Uuid,
    occurred_at: i64,
    actor: Option<String>,
    request: Option<String>,
    action: String,
    entity_type: String,
    entity_id: Option<String>,
    outcome: String,
    old_values: Option<Value>,
    new_values: Option<Value>,
    details: Option<Value>,
    subject: Option<String>,
    /// Encrypted by a key that is made of the master key.
    personal: Option<String>,
}

impl Record {
    fn of(event: &Event, key: Option<&SubjectKey>) -> Self {
        let sealed = event.personal.as_ref().zip(key).map(|(personal, key)| {
            BASE64.encode(key.seal(Uuid::nil(), event.id, personal.values.to_string().as_bytes()).personal)
        });
        Self {
            id: event.id,
            occurred_at: event.occurred_at.timestamp_micros(),
            actor: event.actor.clone(),
            request: event.request.clone(),
            action: event.action.clone(),
            entity_type: event.entity_type.clone(),
            entity_id: event.entity_id.clone(),
            outcome: event.outcome.as_str().to_owned(),
            old_values: event.old_values.clone(),
            new_values: event.new_values.clone(),
            details: event.details.clone(),
            subject: event.personal.as_ref().map(|personal| personal.subject.clone()),
            personal: sealed,
        }
    }

    fn into_event(self, key: Option<&SubjectKey>) -> Result<Event, String> {
        let personal = match (self.subject, self.personal) {
            (Some(subject), Some(sealed)) => {
                let key = key.ok_or("it holds personal data, and no master key is configured")?;
                let sealed = BASE64.decode(sealed).map_err(|error| error.to_string())?;
                let opened = key
                    .open(Uuid::nil(), self.id, &sealed)
                    .ok_or("it holds personal data under another master key")?;
                let values = serde_json::from_slice(&opened.text).map_err(|error| error.to_string())?;
                Some(Personal { subject, values })
            }
            _ => None,
        };
        Ok(Event {
            id: self.id,
            occurred_at: DateTime::from_timestamp_micros(self.occurred_at)
                .ok_or("a time that no calendar has")?,
            actor: self.actor,
            request: self.request,
            action: self.action,
            entity_type: self.entity_type,
            entity_id: self.entity_id,
            outcome: self.outcome.parse::<Outcome>().map_err(|error| error.to_string())?,
            old_values: self.old_values,
            new_values: self.new_values,
            details: self.details,
            personal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Spool, Spooled};
    use crate::audit::{Event, MasterKey, write::batch::Batch};
    use serde_json::json;
    use std::path::Path;

    fn master() -> MasterKey {
        MasterKey::from_bytes([5; 32])
    }

    fn open(folder: &Path) -> Spool {
        Spool::open(folder, 1 << 20, Some(&master()), 7).expect("opened")
    }

    fn batch(count: u32) -> Batch {
        let mut batch = Batch::default();
        for number in 0..count {
            let event = Event::update("t", number.to_string(), json!(1), json!({"x": [1, "zwölf"]}))
                .actor("ann")
                .personal("u1", json!({"email": "a@example.org"}));
            batch.push(event, 100);
        }
        batch
    }

    #[test]
    fn what_was_written_is_read_by_the_next_who_opens_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, second) = (batch(3), batch(2));
        let mut spool = open(folder.path());
        spool.write(&first).expect("written");
        spool.write(&second).expect("written");
        assert!(Spool::open(folder.path(), 1 << 20, None, 8).is_err(), "it is held");
        drop(spool);
        let mut spool = open(folder.path());
        assert!(!spool.is_empty());
        let read = spool.oldest().expect("read").expect("a file");
        let all: Vec<Event> = first.events.iter().chain(&second.events).cloned().collect();
        assert!(read.events == all);
        assert_eq!(read.writer, 7);
        spool.remove(&read).expect("removed");
        assert!(spool.oldest().expect("read").is_none() && spool.is_empty());
    }

    #[test]
    fn what_is_personal_is_not_in_the_clear() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = open(folder.path());
        spool.write(&batch(1)).expect("written");
        let Spooled { path, .. } = spool.oldest().expect("read").expect("a file");
        let bytes = std::fs::read(path).expect("read");
        assert!(!String::from_utf8_lossy(&bytes).contains("example.org"));
        drop(spool);
        let mut other =
            Spool::open(folder.path(), 1 << 20, Some(&MasterKey::from_bytes([6; 32])), 7).expect("opened");
        assert!(other.oldest().expect_err("another key").to_string().contains("another master key"));
    }

    #[test]
    fn a_file_is_read_up_to_where_it_was_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = open(folder.path());
        let written = batch(3);
        spool.write(&written).expect("written");
        let whole = spool.oldest().expect("read").expect("a file");
        let bytes = std::fs::read(&whole.path).expect("read");
        let mut counts = Vec::new();
        for cut in 0..=bytes.len() {
            std::fs::write(&whole.path, &bytes[..cut]).expect("cut");
            let read = spool.oldest().expect("it is no error").expect("a file");
            assert!(read.events == written.events[..read.events.len()], "cut at {cut}");
            counts.push(read.events.len());
        }
        counts.dedup();
        assert_eq!(counts, [0, 1, 2, 3]);
        let mut altered = bytes;
        let at = altered.len() - 3;
        altered[at] ^= 1;
        std::fs::write(&whole.path, &altered).expect("altered");
        assert_eq!(spool.oldest().expect("read").expect("a file").events.len(), 2);
    }

    #[test]
    fn it_takes_no_more_than_it_may() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::open(folder.path(), 1_500, Some(&master()), 7).expect("opened");
        spool.write(&batch(2)).expect("there is room");
        let full = spool.write(&batch(3)).expect_err("there is none");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(spool.oldest().expect("read").expect("a file").events.len(), 2);
    }
}
