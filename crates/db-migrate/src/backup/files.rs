//! The files of a backup: which there are, and whether they are as they were written.

use super::event::{Phase, Progress, Stage};
use super::manifest::{MANIFEST, MANIFEST_SUM, Manifest, VERIFIED};
use super::partial::LOCK;
use super::{BackupError, Damage, FileSum};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// No part of what the manifest lists.
const UNLISTED: [&str; 3] = [MANIFEST, MANIFEST_SUM, VERIFIED];
const CHUNK_BYTES: usize = 1 << 20;

/// Hashes every file of a backup that is being made.
pub(super) async fn hash_all(
    backup: &Path,
    progress: &mut Progress<'_>,
) -> Result<Vec<FileSum>, BackupError> {
    let mut found = lengths(backup)?;
    // Held until the backup has its name, and no part of it.
    found.remove(LOCK);
    let (total, mut done) = (found.values().sum(), 0);
    let stage = Stage::start(Phase::Files, progress);
    let mut sums = Vec::with_capacity(found.len());
    for (path, bytes) in found {
        let sha256 = hash(backup.join(&path)).await?;
        sums.push(FileSum { path, bytes, sha256 });
        done += bytes;
        stage.advance(done, total, progress);
    }
    stage.finish(progress);
    Ok(sums)
}

/// Checks every file against the manifest: that it is there, has its length and its content.
pub(super) async fn check_all(
    backup: &Path,
    manifest: &Manifest,
    progress: &mut Progress<'_>,
) -> Result<(), BackupError> {
    let mut damages = check_lengths(backup, manifest)?;
    let stage = Stage::start(Phase::Files, progress);
    let (total, mut done) = (manifest.bytes(), 0);
    for file in &manifest.files {
        let path = backup.join(&file.path);
        if path.is_file() && hash(path).await? != file.sha256 {
            damages.push(Damage::Content { file: file.path.clone() });
        }
        done += file.bytes;
        stage.advance(done, total, progress);
    }
    stage.finish(progress);
    if damages.is_empty() { Ok(()) } else { Err(BackupError::Damaged { backup: backup.to_owned(), damages }) }
}

/// What can be seen without reading a file.
pub(super) fn check_lengths(backup: &Path, manifest: &Manifest) -> Result<Vec<Damage>, BackupError> {
    let mut found = lengths(backup)?;
    let mut damages = Vec::new();
    for file in &manifest.files {
        match found.remove(&file.path) {
            None => damages.push(Damage::Missing { file: file.path.clone() }),
            Some(bytes) if bytes != file.bytes => damages.push(Damage::Size {
                file: file.path.clone(),
                expected_bytes: file.bytes,
                found_bytes: bytes,
            }),
            Some(_) => {}
        }
    }
    damages.extend(found.into_keys().map(|file| Damage::Extra { file }));
    Ok(damages)
}

/// Bytes of all files in a folder so far; what goes while it is counted does not count.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

/// Writes a file that is there after a crash too.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(BackupError::file("write", path))
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn hash(path: PathBuf) -> Result<String, BackupError> {
    let hashed = spawn_blocking(move || hash_file(&path).map_err(BackupError::file("read", path)));
    hashed.await.unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic()))
}

fn hash_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// The files of a backup with their lengths, by path.
fn lengths(backup: &Path) -> Result<BTreeMap<String, u64>, BackupError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let path = backup.join(&folder);
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(BackupError::file("list", path))? {
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            let metadata = fs::metadata(entry.path()).map_err(BackupError::file("look at", entry.path()))?;
            if metadata.is_dir() {
                folders.push(format!("{name}/"));
            } else if !UNLISTED.contains(&name.as_str()) {
                found.insert(name, metadata.len());
            }
        }
    }
    Ok(found)
}
