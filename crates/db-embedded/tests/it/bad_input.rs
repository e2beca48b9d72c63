//! What cannot work is refused in one message with the fix, and leaves nothing behind.

use crate::{connect, open_folder, refused, start};
use db_embedded::{Error, Mode, Options, Postgres, Search};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

#[tokio::test]
async fn no_server_names_each_way() {
    let empty = tempfile::tempdir().expect("a scratch folder");
    let search = Search::only(vec![empty.path().to_owned()]);
    let error = refused(Options::new(Mode::Ephemeral).search(search)).await.to_string();
    for way in ["DATABASE_URL", "native binaries", "container", "download"] {
        assert!(error.contains(way), "{way} is missing from: {error}");
    }
}

#[tokio::test]
async fn the_platforms_command_is_named() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let apt = folder.path().join("apt-get");
    fs::write(&apt, "#!/bin/sh\nexit 1\n").expect("written");
    fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).expect("chmod");
    let search = Search::only(vec![folder.path().to_owned()]);
    let error = refused(Options::new(Mode::Ephemeral).search(search)).await.to_string();
    assert!(error.contains("apt-get install"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_told_before_anything_is_made() {
    let folder = open_folder();
    let state = folder.path().join("state");
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("its address").port();
    let error = refused(Options::new(Mode::Persistent(state.clone())).port(port)).await;
    assert!(matches!(error, Error::PortTaken { port: told } if told == port), "{error}");
    assert!(!state.join("postgres").exists());
}

#[tokio::test]
async fn data_of_another_major_version_are_left_alone() {
    let folder = open_folder();
    let state = folder.path().join("state");
    let options = || Options::new(Mode::Persistent(state.clone()));
    start(options()).await.stop().await;
    let version = state.join("postgres/PG_VERSION");
    fs::write(&version, "9\n").expect("written");
    let error = refused(options()).await;
    assert!(matches!(&error, Error::OtherMajor { found, .. } if found == "9"), "{error}");
    assert!(state.join("postgres/base").exists());
}

#[tokio::test]
async fn a_folder_that_is_no_cluster_is_left_alone() {
    let folder = open_folder();
    let state = folder.path().join("state");
    let options = || Options::new(Mode::Persistent(state.clone()));
    start(options()).await.stop().await;
    fs::remove_file(state.join("postgres/PG_VERSION")).expect("removed");
    let error = refused(options()).await;
    assert!(matches!(error, Error::NotACluster { .. }), "{error}");
    assert!(state.join("postgres/base").exists());
}

#[tokio::test]
async fn data_in_use_are_not_wiped() {
    let folder = open_folder();
    let state = folder.path().join("state");
    let postgres = start(Options::new(Mode::Persistent(state.clone()))).await;
    let error = Postgres::wipe(&state).expect_err("must be refused");
    assert!(
        matches!(&error, Error::InUse { owner, .. } if *owner == std::process::id().to_string()),
        "{error}"
    );
    assert!(connect(&postgres).await.acquire().await.is_ok());
    postgres.stop().await;
    Postgres::wipe(&state).expect("now it may go");
    assert!(!state.join("postgres").exists());
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() {
    let folder = open_folder();
    let state = folder.path().join("state");
    let options = || Options::new(Mode::Persistent(state.clone()));
    start(options()).await.stop().await;
    fs::write(state.join("postgres/postgresql.auto.conf"), "no_such_setting = 1\n").expect("written");
    let error = refused(options()).await;
    assert!(matches!(&error, Error::Ended { log, .. } if log.contains("no_such_setting")), "{error}");
}
