//! What others, or a power cut, have left in a folder: links, open files, numbers of foreign processes.

use crate::{is_running, open_folder, refused, start};
use db_embedded::{Error, Mode, Options, Postgres};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

#[tokio::test]
async fn a_foreign_process_with_the_number_of_a_stale_pid_file_is_left_alone() {
    let folder = open_folder();
    let state = folder.path().join("state");
    let options = || Options::new(Mode::Persistent(state.clone()));
    start(options()).await.stop().await;
    let data = state.join("postgres");
    // The server's own user is the one whom it could signal, and whose processes keep it from starting.
    let uid = fs::metadata(&data).expect("made").uid();
    let mut foreign = Command::new("cat")
        .uid(uid)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("cat is everywhere");
    let text = format!("{}\n{}\n1700000000\n5432\n/tmp\n\n  1 2\nready\n", foreign.id(), data.display());
    fs::write(data.join("postmaster.pid"), text).expect("written");
    let started = Postgres::start(options()).await;
    let survived = is_running(foreign.id());
    drop(foreign.stdin.take());
    let status = foreign.wait().expect("it ends with its input");
    let postgres = started.unwrap_or_else(|error| panic!("{error}"));
    assert!(survived && status.success(), "{status}");
    postgres.stop().await;
}

#[tokio::test]
async fn planted_links_are_replaced_and_open_files_closed() {
    let folder = open_folder();
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("made");
    let target = folder.path().join("target");
    fs::write(&target, "untouched").expect("written");
    for name in ["postgres.log", "server.json", "server.json.new"] {
        symlink(&target, state.join(name)).expect("linked");
    }
    let password = state.join("password");
    fs::write(&password, "old").expect("written");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o666)).expect("chmod");

    let postgres = start(Options::new(Mode::Persistent(state.clone()))).await;
    assert_eq!(fs::read_to_string(&target).expect("read"), "untouched");
    let mut private = vec!["postgres.log", "server.json"];
    // Data that go elsewhere have their password with them.
    if state.join("postgres").exists() {
        private.push("password");
        assert_ne!(fs::read_to_string(&password).expect("read"), "old");
    }
    for name in private {
        let data = fs::symlink_metadata(state.join(name)).expect("made");
        assert!(data.is_file(), "{name}");
        assert_eq!(data.permissions().mode() & 0o777, 0o600, "{name}");
    }
    postgres.stop().await;
}

#[tokio::test]
async fn a_linked_folder_and_anothers_are_refused() {
    let folder = open_folder();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).expect("made");
    symlink(&real, &link).expect("linked");
    for path in [link.clone(), link.join("")] {
        let error = refused(Options::new(Mode::Persistent(path))).await;
        assert!(matches!(error, Error::LinkedFolder { .. }), "{error}");
    }
    let ours = fs::metadata(&real).expect("made").uid();
    // Only root can make a folder of another user; other users have root's.
    let foreign = if ours == 0 {
        std::os::unix::fs::chown(&real, Some(65534), None).expect("root may");
        real.clone()
    } else {
        "/usr".into()
    };
    let error = refused(Options::new(Mode::Persistent(foreign))).await;
    assert!(matches!(error, Error::ForeignFolder { .. }), "{error}");
    assert_eq!(fs::read_dir(&real).expect("read").count(), 0);
}

#[tokio::test]
async fn an_owner_that_is_leaving_is_waited_for() {
    let folder = open_folder();
    let state = folder.path().join("state");
    start(Options::new(Mode::Persistent(state.clone()))).await.stop().await;
    let lock = fs::File::open(state.join("lock")).expect("made");
    lock.try_lock().expect("nobody has it");
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let leaving = thread::spawn(move || {
        while !seen.load(Relaxed) {
            thread::yield_now();
        }
        // What does not wait has given up by now; what waits is given the lock.
        (0..1_000).for_each(|_| thread::yield_now());
        drop(lock);
    });
    asked.store(true, Relaxed);
    Postgres::wipe(&state).expect("nobody runs a server");
    leaving.join().expect("ended");
    assert!(!state.join("postgres").exists());
}

#[tokio::test]
async fn an_unfinished_folder_and_its_password_go_with_the_next_start() {
    let folder = open_folder();
    let state = folder.path().join("state");
    let options = || Options::new(Mode::Persistent(state.clone()));
    // Before there are data, and when there are.
    for _ in 0..2 {
        fs::create_dir_all(state.join("postgres.unfinished/base")).expect("made");
        fs::write(state.join("postgres.password"), "secret").expect("written");
        start(options()).await.stop().await;
        assert!(!state.join("postgres.unfinished").exists() && !state.join("postgres.password").exists());
    }
}

#[tokio::test]
async fn an_abandoned_scratch_folder_goes_with_the_next_start() {
    let left = std::env::temp_dir().join(format!("cairn-left-{}", std::process::id()));
    fs::create_dir(&left).expect("made");
    fs::write(left.join("owner"), "").expect("written");
    start(Options::new(Mode::Ephemeral)).await.stop().await;
    assert!(!left.exists());
}
