//! Start, stop, keep, join.

use crate::{connect, is_running, open_folder, socket_folder, start};
use db_embedded::{Mode, Options, Origin, Postgres};
use sqlx::Row;
use std::time::Duration;

#[tokio::test]
async fn an_ephemeral_server_answers_and_leaves_nothing() {
    let postgres = start(Options::new(Mode::Ephemeral)).await;
    let pool = connect(&postgres).await;
    let mut lease = pool.acquire().await.expect("a lease");
    let row = sqlx::query("SELECT current_setting('fsync')").fetch_one(&mut *lease).await.expect("answers");
    assert_eq!(row.get::<String, _>(0), "off");
    drop(lease);
    pool.close_within(Duration::from_secs(5)).await;

    let (pid, folder) = (postgres.pid().expect("started here"), socket_folder(&postgres));
    assert!(is_running(pid));
    postgres.stop().await;
    assert!(!is_running(pid), "the server must end");
    assert!(!folder.exists(), "its folder must go");
}

#[tokio::test]
async fn a_kept_ephemeral_folder_can_be_started_again() {
    let postgres = start(Options::new(Mode::Ephemeral)).await;
    let pid = postgres.pid().expect("started here");
    // The checkpoint writes what a server without fsync and with a quick end could lose.
    run(&postgres, "CREATE TABLE kept ()").await;
    run(&postgres, "CHECKPOINT").await;
    let folder = postgres.stop_and_keep().expect("an ephemeral one");
    assert!(!is_running(pid));
    let home = open_folder();
    let state = home.path().join("state");
    std::fs::create_dir(&state).expect("made");
    std::fs::rename(folder.join("data"), state.join("postgres"))
        .expect("both are under the temporary folder");
    std::fs::remove_dir_all(folder).expect("removed");
    let again = start(Options::new(Mode::Persistent(state))).await;
    run(&again, "SELECT FROM kept").await;
}

async fn run(postgres: &Postgres, sql: &'static str) {
    let pool = connect(postgres).await;
    let mut lease = pool.acquire().await.expect("a lease");
    sqlx::query(sql).execute(&mut *lease).await.expect(sql);
    drop(lease);
    pool.close_within(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn persistent_data_survive_a_restart_and_are_durable() {
    let folder = open_folder();
    let options = || Options::new(Mode::Persistent(folder.path().join("state")));
    let first = start(options()).await;
    let pool = connect(&first).await;
    let mut lease = pool.acquire().await.expect("a lease");
    sqlx::query("CREATE TABLE kept AS SELECT current_setting('fsync') AS fsync")
        .execute(&mut *lease)
        .await
        .expect("created");
    drop(lease);
    pool.close_within(Duration::from_secs(5)).await;
    first.stop().await;

    let second = start(options()).await;
    let pool = connect(&second).await;
    let mut lease = pool.acquire().await.expect("a lease");
    let row = sqlx::query("SELECT fsync FROM kept").fetch_one(&mut *lease).await.expect("still there");
    assert_eq!(row.get::<String, _>(0), "on");
}

#[tokio::test]
async fn two_starts_at_once_share_one_server() {
    let folder = open_folder();
    let options = || Options::new(Mode::Persistent(folder.path().join("state"))).any_port();
    let (one, two) = tokio::join!(start(options()), start(options()));
    let joined =
        [&one, &two].iter().filter(|server| matches!(server.origin(), Origin::Joined { .. })).count();
    assert_eq!(joined, 1, "{one:?} {two:?}");
    assert_eq!(one.url().expose(), two.url().expose());
    // The port's URL has a password, and works.
    let tcp = two.tcp_url().expect("a port was asked for").expose().to_owned();
    assert!(db_pool::Pool::connect_url(&tcp).await.is_ok());
    let wrong = tcp.replacen("cairn:", "cairn:x", 1);
    assert!(db_pool::Pool::connect_url(&wrong).await.is_err(), "the port asks for the password");
}

#[tokio::test]
async fn ephemeral_servers_do_not_meet() {
    let (one, two) = tokio::join!(start(Options::new(Mode::Ephemeral)), start(Options::new(Mode::Ephemeral)));
    assert_ne!(one.url().expose(), two.url().expose());
    let (first, second) = (connect(&one).await, connect(&two).await);
    assert!(first.acquire().await.is_ok() && second.acquire().await.is_ok());
}

#[tokio::test]
async fn a_given_url_is_used_as_it_is() {
    let url = "postgresql://somebody@nowhere.invalid/db";
    let postgres = start(Options::new(Mode::Ephemeral).url(url.into())).await;
    assert_eq!((postgres.url().expose(), postgres.origin()), (url, &Origin::Given));
    assert_eq!(postgres.pid(), None);
}
