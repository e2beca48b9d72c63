//! Files that are whole, cut, altered, and for another key.

use super::{DAMAGED, REFUSED, Spool, Spooled, WAITING, named};
use crate::audit::{Event, MasterKey, write::batch::Batch};
use serde_json::json;
use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
};

fn master(number: u8) -> MasterKey {
    MasterKey::from_bytes([number; 32])
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder, 1 << 20, &[master(5)], 7).expect("opened")
}

fn oldest(spool: &mut Spool) -> Spooled {
    spool.oldest().expect("read").expect("a file")
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

/// Files of this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> =
        all.filter(|path| named(path).is_some_and(|(_, is)| is == ending)).collect();
    paths.sort();
    paths
}

#[test]
fn what_was_written_is_read_by_the_next_who_opens_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (batch(3), batch(2));
    let mut spool = open(folder.path());
    spool.write(&first).expect("written");
    spool.write(&second).expect("written");
    assert!(Spool::open(folder.path(), 1 << 20, &[], 8).is_err(), "it is held");
    let bytes = spool.bytes();
    drop(spool);
    let mut spool = open(folder.path());
    assert!(!spool.is_empty() && spool.bytes() == bytes);
    let read = oldest(&mut spool);
    let all: Vec<Event> = first.events.iter().chain(&second.events).cloned().collect();
    assert!(read.events == all && !read.is_damaged);
    assert_eq!(read.writer, 7);
    spool.remove(&read, &[]).expect("removed");
    assert!(spool.oldest().expect("read").is_none() && spool.is_empty() && spool.bytes() == 0);
}

#[test]
fn what_is_personal_is_not_in_the_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spool = open(folder.path());
    spool.write(&batch(1)).expect("written");
    let bytes = std::fs::read(&files(folder.path(), WAITING)[0]).expect("read");
    assert!(!String::from_utf8_lossy(&bytes).contains("example.org"));
}

#[test]
fn a_file_for_another_key_holds_up_no_other_and_waits_for_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = batch(2);
    open(folder.path()).write(&written).expect("written");
    let newer = batch(1);
    let mut spool = Spool::open(folder.path(), 1 << 20, &[master(6)], 8).expect("opened");
    spool.write(&newer).expect("written");
    let read = oldest(&mut spool);
    assert!(read.events == newer.events);
    spool.remove(&read, &[]).expect("removed");
    assert!(spool.oldest().expect("read").is_none() && spool.is_empty());
    assert_eq!(spool.unreadable(), 1);
    assert!(spool.bytes() > 0);
    drop(spool);
    let mut spool = Spool::open(folder.path(), 1 << 20, &[master(6), master(5)], 8).expect("opened");
    assert!(oldest(&mut spool).events == written.events, "the former key opens it");
}

#[test]
fn a_file_is_read_up_to_where_it_was_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spool = open(folder.path());
    let written = batch(3);
    spool.write(&written).expect("written");
    let path = files(folder.path(), WAITING).remove(0);
    let bytes = std::fs::read(&path).expect("read");
    let mut counts = Vec::new();
    for cut in 0..=bytes.len() {
        for zeros in [0, 5, 40] {
            let torn = [&bytes[..cut], &vec![0; zeros][..]].concat();
            std::fs::write(&path, &torn).expect("cut");
            let read = oldest(&mut spool);
            assert!(read.events == written.events[..read.events.len()], "cut at {cut}");
            assert!(!read.is_damaged || zeros > 0, "cut at {cut}");
            counts.push(read.events.len());
        }
    }
    counts.dedup();
    assert_eq!(counts, [0, 1, 2, 3]);
}

#[test]
fn what_is_behind_an_altered_event_is_stored_and_the_file_is_kept() {
    for count in [1, 3] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = open(folder.path());
        let written = batch(count);
        spool.write(&written).expect("written");
        let path = files(folder.path(), WAITING).remove(0);
        let bytes = std::fs::read(&path).expect("read");
        let first = bytes.iter().position(|byte| *byte == b'\n').expect("a header") + 1;
        // In the length of the first event, its checksum, and its text.
        for at in [first, first + 3, first + 5, first + 20] {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            std::fs::write(&path, &altered).expect("altered");
            let read = oldest(&mut spool);
            assert!(read.events.len() < written.events.len());
            if at > first + 3 {
                assert!(read.events == written.events[1..], "byte {at}");
                assert!(read.is_damaged, "byte {at}");
            } else if count > 1 {
                assert!(read.is_damaged, "byte {at}");
            }
        }
        let read = oldest(&mut spool);
        spool.remove(&read, &[]).expect("removed");
        assert_eq!(files(folder.path(), DAMAGED).len(), 1);
        assert!(spool.is_empty() && spool.bytes() == bytes.len() as u64);
        drop(spool);
        let mut spool = open(folder.path());
        assert!(spool.is_empty() && spool.bytes() == bytes.len() as u64, "it is counted");
        spool.write(&batch(1)).expect("its number is not given again");
    }
}

#[test]
fn what_the_server_refused_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spool = open(folder.path());
    let written = batch(3);
    spool.write(&written).expect("written");
    let read = oldest(&mut spool);
    spool.remove(&read, &[&read.events[1]]).expect("removed");
    let kept = files(folder.path(), REFUSED).remove(0);
    assert!(spool.is_empty() && spool.bytes() == kept.metadata().expect("there").len());
    std::fs::rename(&kept, kept.with_extension(WAITING)).expect("by hand");
    drop(spool);
    assert!(oldest(&mut open(folder.path())).events == written.events[1..2], "it can be given another try");
}

#[test]
fn what_a_failed_write_has_left_is_no_empty_spool() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spool = open(folder.path());
    let (first, second) = (batch(1), batch(2));
    spool.write(&first).expect("written");
    // As a full disk leaves it: some of the next batch is there.
    let path = files(folder.path(), WAITING).remove(0);
    OpenOptions::new().append(true).open(&path).and_then(|mut file| file.write_all(&[0, 0])).expect("torn");
    drop(spool);
    let mut spool = open(folder.path());
    spool.write(&second).expect("to another file");
    let read = oldest(&mut spool);
    assert!(read.events == first.events && !read.is_damaged);
    spool.remove(&read, &[]).expect("removed");
    assert!(!spool.is_empty());
    assert!(oldest(&mut spool).events == second.events);
}

#[test]
fn it_takes_no_more_than_it_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spool = Spool::open(folder.path(), 1_500, &[master(5)], 7).expect("opened");
    spool.write(&batch(2)).expect("there is room");
    let full = spool.write(&batch(3)).expect_err("there is none");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(oldest(&mut spool).events.len(), 2);
}

#[test]
fn the_deepest_values_that_are_taken_are_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let deepest =
        |levels| Event::new("a", "t").detail("x", nested(levels - 1)).personal("u1", nested(levels));
    assert!(deepest(101).check().is_err());
    let event = deepest(100);
    event.check().expect("valid");
    let mut batch = Batch::default();
    batch.push(event, 100);
    let mut spool = open(folder.path());
    spool.write(&batch).expect("written");
    assert!(oldest(&mut spool).events == batch.events);
}
