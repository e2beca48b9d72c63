//! A password that changes under load costs nobody anything.

use crate::own_server::OwnServer;
use db_facade::{Database, db_config::Loader};
use db_testkit::eventually;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

const CALLERS: usize = 8;
const ROUNDS: u64 = 5;
const MAX_ROUNDS: u64 = 200;

/// In one step, as whoever mounts secrets does it.
fn write(path: &Path, password: &str) {
    let new = path.with_extension("new");
    fs::write(&new, password).expect("written");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).expect("private");
    fs::rename(new, path).expect("put in its place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_fails_while_the_password_changes() {
    let server = OwnServer::start().await;
    server.run("CREATE ROLE app LOGIN PASSWORD 'first'").await;
    server.admit("host all app 127.0.0.1/32 scram-sha-256\nhost all app ::1/128 scram-sha-256").await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    write(&file, "first");
    let (port, path) = (server.port.to_string(), file.display().to_string());
    let settings = [
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", port.as_str()),
        ("DB_NAME", "postgres"),
        ("DB_USER", "app"),
        ("DB_PASSWORD_FILE", path.as_str()),
        ("DB_SSL_MODE", "disable"),
        ("DB_POOL_MIN", "0"),
        ("DB_POOL_MAX", "6"),
    ];
    let config = Loader::new().env(settings).load().expect("valid");
    let db = Database::builder().config(config).build().await.expect("connected");
    let (ends, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (db, ends, done) = (db.clone(), Arc::clone(&ends), Arc::clone(&done));
            tokio::spawn(async move {
                while !ends.load(Relaxed) {
                    let mut lease = db.pool().acquire().await?;
                    let one: i32 = sqlx::query_scalar("SELECT 1")
                        .fetch_one(&mut lease)
                        .await
                        .map_err(db_pool::Error::from)?;
                    assert_eq!(one, 1);
                    // So that connections are opened all the time, and asked for their password.
                    lease.close().await;
                    done.fetch_add(1, Relaxed);
                }
                Ok::<(), db_pool::Error>(())
            })
        })
        .collect();
    let mut password = "first".to_owned();
    // Nobody waits for anybody to come between the two steps, so there are rounds until somebody has.
    for round in 0..MAX_ROUNDS {
        if round >= ROUNDS && server.refused_passwords() > 0 {
            break;
        }
        let before = done.load(Relaxed);
        eventually("some have passed", async || {
            done.load(Relaxed) > before + 50 || callers.iter().any(tokio::task::JoinHandle::is_finished)
        })
        .await;
        let next = format!("password {round}");
        // Between the two steps the file is behind the server: whoever connects then is refused, and must not be told.
        server.run(&format!("ALTER ROLE app PASSWORD '{next}'")).await;
        write(&file, &next);
        password = next;
    }
    let before = done.load(Relaxed);
    eventually("all go on", async || {
        done.load(Relaxed) > before + 100 || callers.iter().any(tokio::task::JoinHandle::is_finished)
    })
    .await;
    ends.store(true, Relaxed);
    for caller in callers {
        let ended = caller.await.expect("no panic");
        assert!(ended.is_ok(), "{ended:?} after {password}");
    }
    assert!(server.refused_passwords() > 0, "nobody was refused, so nobody tried again");
    db.close().await;
    server.stop().await;
}
