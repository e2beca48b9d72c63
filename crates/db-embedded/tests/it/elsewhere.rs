//! Data of root go elsewhere exactly when the server's user cannot enter the folder, and stay where they are.

use crate::{connect, open_folder};
use db_embedded::{Mode, Options, Postgres};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Starts over the folder and asks for what is kept in it; tells what was reported.
async fn run(state: &Path, sql: &str) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&lines);
    let options = Options::new(Mode::Persistent(state.to_owned()))
        .any_port()
        .report(Arc::new(move |line| told.lock().expect("no panic").push(line.to_owned())));
    let postgres = Postgres::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let pool = connect(&postgres).await;
    let mut lease = pool.acquire().await.expect("a lease");
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *lease).await.expect(sql);
    drop(lease);
    pool.close_within(Duration::from_secs(5)).await;
    let tcp = postgres.tcp_url().expect("a port was asked for").expose().to_owned();
    assert!(db_pool::Pool::connect_url(&tcp).await.is_ok(), "the password is the one of these data");
    postgres.stop().await;
    lines.lock().expect("no panic").clone()
}

fn chmod(folder: &Path, mode: u32) {
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).expect("chmod");
}

#[tokio::test]
async fn data_stay_where_the_first_start_has_put_them() {
    let folder = open_folder();
    let state = folder.path().join("state");
    chmod(folder.path(), 0o700);
    let reported = run(&state, "CREATE TABLE kept ()").await;
    let root = fs::metadata(&state).expect("made").uid() == 0;
    assert_eq!(state.join("postgres/PG_VERSION").exists(), !root);
    assert_eq!(reported.iter().any(|line| line.contains("cannot enter")), root, "{reported:?}");

    chmod(folder.path(), 0o755);
    let reported = run(&state, "SELECT FROM kept").await;
    assert_eq!(reported.iter().any(|line| line.contains("an earlier start")), root, "{reported:?}");
    if root {
        // The folder was a shell; the data, and their password, are not in it.
        fs::remove_dir_all(&state).expect("removed");
        run(&state, "SELECT FROM kept").await;
        assert!(!state.join("postgres").exists());
        let place = PathBuf::from(reported[0].split(" are in ").nth(1).expect("a place"));
        let place = place.display().to_string();
        let data = Path::new(place.split(',').next().expect("a path"));
        Postgres::wipe(&state).expect("nobody uses it");
        assert!(!data.exists());
        fs::remove_dir_all(data.parent().expect("its own")).expect("removed");
    }
}

#[tokio::test]
async fn data_in_an_open_folder_are_in_it_and_are_never_replaced() {
    let folder = open_folder();
    let state = folder.path().join("state");
    let reported = run(&state, "CREATE TABLE kept ()").await;
    assert!(state.join("postgres/PG_VERSION").exists() && reported.is_empty(), "{reported:?}");

    chmod(folder.path(), 0o700);
    if fs::metadata(&state).expect("made").uid() == 0 {
        let error = crate::refused(Options::new(Mode::Persistent(state.clone()))).await;
        assert!(matches!(error, db_embedded::Error::CannotEnter { .. }), "{error}");
        chmod(folder.path(), 0o755);
    }
    run(&state, "SELECT FROM kept").await;
}
