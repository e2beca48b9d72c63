//! Files that hold events while the database is away.

mod file;
mod record;

use super::batch::Batch;
use crate::audit::{Event, MasterKey, personal::SubjectKey};
use file::Contents;
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Files that wait to be stored.
const WAITING: &str = "spool";
/// What was left of a file in which something could be read no more.
const DAMAGED: &str = "damaged";
/// Events that the server did not take when they were to be stored.
const REFUSED: &str = "refused";
/// A file that has reached this size is followed by another.
const FILE_BYTES: u64 = 8 << 20;

/// A folder of such files, held by one writer.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
    max_bytes: u64,
    /// Bytes of files that wait, by their numbers.
    waiting: BTreeMap<u64, u64>,
    /// Files that cannot be read by this process, by their numbers; they wait for one that can.
    passed_by: BTreeMap<u64, u64>,
    /// Bytes of what is kept for people to look at.
    kept: u64,
    /// The first encrypts; each of them opens.
    keys: Vec<SubjectKey>,
    writer: i64,
    open: Option<Segment>,
    next: u64,
}

#[derive(Debug)]
struct Segment {
    file: File,
    number: u64,
    bytes: u64,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Spooled {
    number: u64,
    /// Who wrote it.
    pub(super) writer: i64,
    pub(super) events: Vec<Event>,
    pub(super) is_damaged: bool,
}

impl Spool {
    /// Opens a folder, which is made where there is none. `keys` encrypt what is personal: the first is the one that holds, the others were
    /// before it.
    pub(super) fn open(folder: &Path, max_bytes: u64, keys: &[MasterKey], writer: i64) -> io::Result<Self> {
        if !folder.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
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
            waiting: BTreeMap::new(),
            passed_by: BTreeMap::new(),
            kept: 0,
            keys: keys.iter().map(MasterKey::spool_key).collect(),
            writer,
            open: None,
            next: 0,
        };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Some((number, ending)) = named(&entry.path()) else { continue };
            let bytes = entry.metadata()?.len();
            spool.next = spool.next.max(number + 1);
            if ending == WAITING {
                spool.waiting.insert(number, bytes);
            } else {
                spool.kept += bytes;
            }
        }
        Ok(spool)
    }

    /// Whether there is nothing that could be stored now.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Files that this process cannot read.
    pub(super) fn unreadable(&self) -> usize {
        self.passed_by.len()
    }

    /// Bytes of all that lies there.
    pub(super) fn bytes(&self) -> u64 {
        self.waiting.values().chain(self.passed_by.values()).sum::<u64>() + self.kept
    }

    /// Writes a batch and waits for the disk. After an error some of it may be there, and will be stored.
    pub(super) fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let bytes = file::encode(&batch.events, self.keys.first())?;
        let held = self.bytes();
        if held + bytes.len() as u64 > self.max_bytes {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("the spool holds {held} of {} bytes", self.max_bytes),
            ));
        }
        // A file that failed is not written to again: its end may be torn.
        let mut segment = match self.open.take() {
            Some(segment) => segment,
            None => self.begin()?,
        };
        let written = segment.file.write_all(&bytes).and_then(|()| segment.file.sync_data());
        if written.is_err() {
            // Without success it is read as a file that was cut.
            let _ = segment.file.set_len(segment.bytes);
        }
        let now =
            segment.file.metadata().map_or(segment.bytes + bytes.len() as u64, |metadata| metadata.len());
        self.waiting.insert(segment.number, now);
        written?;
        segment.bytes = now;
        self.open = Some(segment).filter(|segment| segment.bytes < FILE_BYTES);
        Ok(())
    }

    fn begin(&mut self) -> io::Result<Segment> {
        let number = self.next;
        let mut file =
            OpenOptions::new().create_new(true).append(true).mode(0o600).open(self.path(number, WAITING))?;
        self.next += 1;
        self.waiting.insert(number, 0);
        let header = file::header(self.writer);
        file.write_all(header.as_bytes())?;
        self.sync_folder()?;
        Ok(Segment { file, number, bytes: header.len() as u64 })
    }

    /// The oldest file that can be read, which is written to no more.
    pub(super) fn oldest(&mut self) -> io::Result<Option<Spooled>> {
        while let Some((&number, &bytes)) = self.waiting.first_key_value() {
            if self.open.as_ref().is_some_and(|open| open.number == number) {
                self.open = None;
            }
            let path = self.path(number, WAITING);
            let mut read = Vec::new();
            match File::open(&path) {
                // Somebody has taken it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.waiting.remove(&number);
                    continue;
                }
                file => file?.read_to_end(&mut read)?,
            };
            match file::parse(&read, &self.keys) {
                Ok(Contents { writer, events, is_damaged }) => {
                    return Ok(Some(Spooled { number, writer, events, is_damaged }));
                }
                Err(reason) => {
                    tracing::error!(
                        file = %path.display(),
                        reason,
                        "a file of the spool cannot be read; its events wait there for a writer that can"
                    );
                    self.waiting.remove(&number);
                    self.passed_by.insert(number, bytes);
                }
            }
        }
        Ok(None)
    }

    /// A file whose events are stored goes. What the server has refused of them is kept in a file of its own, and what is left of a damaged
    /// file is too.
    pub(super) fn remove(&mut self, spooled: &Spooled, refused: &[&Event]) -> io::Result<()> {
        let path = self.path(spooled.number, WAITING);
        if !refused.is_empty() {
            let kept = self.path(spooled.number, REFUSED);
            let mut bytes = file::header(spooled.writer).into_bytes();
            bytes.extend(file::encode(refused.iter().copied(), self.keys.first())?);
            let mut file =
                OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&kept)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            self.kept += bytes.len() as u64;
            tracing::error!(file = %kept.display(), events = refused.len(), "the server refuses events of the spool, which are kept");
        }
        if spooled.is_damaged {
            let kept = self.path(spooled.number, DAMAGED);
            fs::rename(&path, &kept)?;
            self.kept += self.waiting.get(&spooled.number).copied().unwrap_or_default();
            tracing::error!(file = %kept.display(), "a file of the spool is damaged: what could be read is stored, and the file is kept");
        } else {
            fs::remove_file(&path)?;
        }
        self.waiting.remove(&spooled.number);
        self.sync_folder()
    }

    fn path(&self, number: u64, ending: &str) -> PathBuf {
        self.folder.join(format!("{number:010}.{ending}"))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// The number and the ending of a file of ours.
fn named(path: &Path) -> Option<(u64, &'static str)> {
    let ending = [WAITING, DAMAGED, REFUSED]
        .into_iter()
        .find(|ending| path.extension().is_some_and(|is| is == *ending))?;
    Some((path.file_stem()?.to_str()?.parse().ok()?, ending))
}

#[cfg(test)]
mod tests;
