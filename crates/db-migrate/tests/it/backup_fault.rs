//! What goes wrong while a backup is made: nothing is left that looks like one, and no secret is told.

use super::backup::{Place, execute, full, server};
use db_migrate::backup::{self, BackupError, BackupEvent, CreateOptions, Phase, ToolSearch};
use db_testkit::{FreshDb, empty_db, eventually};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the real programs are, as a folder of a shell's `PATH`.
fn real(tool: &str) -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = debian.chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join(tool)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{tool} is not found: install postgresql-client"))
}

/// A folder with a `pg_dump` that is this script, and the real `pg_restore`.
fn tools(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pg_dump");
    fs::write(
        &path,
        format!("#!/bin/sh\n{}", script.replace("pg_dump", &real("pg_dump").display().to_string())),
    )
    .expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("runnable");
    std::os::unix::fs::symlink(real("pg_restore"), folder.path().join("pg_restore")).expect("a link");
    folder
}

async fn create_with(place: &Place, dir: &Path, tools: &Path) -> BackupError {
    let mut options = CreateOptions::default();
    options.tools = ToolSearch::only(vec![tools.to_owned()]);
    backup::create(&place.server, dir, &options, &mut |_| {}).await.expect_err("it cannot work")
}

fn nothing_is_left(dir: &Path) {
    let left: Vec<_> = fs::read_dir(dir).expect("a folder").flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

const ROWS: &str = "CREATE TABLE large AS SELECT n, md5(n::text) || md5((-n)::text) AS text FROM generate_series(1, 60000) AS n";

#[tokio::test]
async fn a_full_disk_is_reported_and_leaves_nothing() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        execute(&mut db.connect().await, ROWS).await;
        // A disk of 256 kB where that can be had, else files of at most 8 kB.
        let disk = place.dir.path().join("disk");
        fs::create_dir(&disk).expect("a folder");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&disk).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        let limit =
            if mounted { "" } else { "trap '' XFSZ\nif [ \"$1\" != --version ]; then ulimit -f 16; fi\n" };
        let tools = tools(&format!("{limit}exec pg_dump \"$@\""));
        let error = create_with(&place, &disk, tools.path()).await;
        let left: Vec<_> = fs::read_dir(&disk).expect("a folder").collect();
        if mounted {
            let unmounted = Command::new("umount").arg(&disk).status().expect("umount runs");
            assert!(unmounted.success());
        }
        let BackupError::Tool { tool: "pg_dump", stderr, .. } = &error else { panic!("{}", full(&error)) };
        let why = if mounted { "No space left on device" } else { "File too large" };
        assert!(stderr.iter().any(|line| line.contains(why)), "{stderr:?}");
        assert!(left.is_empty(), "{left:?}");
    })
    .await;
}

#[tokio::test]
async fn a_program_that_is_missing_or_too_old_is_named() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let backups = place.dir.path().join("backups");
        let nowhere = place.dir.path().join("nowhere");
        let error = create_with(&place, &backups, &nowhere).await;
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "pg_dump is not found in {}: install postgresql-client-",
                nowhere.display()
            )),
            "{text}"
        );
        let old = tools("echo 'pg_dump (PostgreSQL) 9.6.24'");
        fs::write(old.path().join("pg_dump"), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'")
            .expect("written");
        let error = create_with(&place, &backups, old.path()).await;
        assert!(matches!(&error, BackupError::ToolTooOld { version, .. } if version == "9.6.24"), "{error}");
        assert!(!backups.exists());
    })
    .await;
}

#[tokio::test]
async fn a_program_that_is_killed_leaves_nothing() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let killed = tools("[ \"$1\" = --version ] && exec pg_dump --version\nkill -KILL $$");
        let backups = place.dir.path().join("backups");
        let error = create_with(&place, &backups, killed.path()).await;
        assert!(
            matches!(&error, BackupError::Tool { status, .. } if status.contains("signal: 9")),
            "{error}"
        );
        nothing_is_left(&backups);
    })
    .await;
}

#[tokio::test]
async fn a_dropped_future_kills_the_program_and_leaves_nothing() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let backups = place.dir.path().join("backups");
        let pid_file = place.dir.path().join("pid");
        // A worker outlives its leader unless the whole group is killed.
        let script = format!(
            "[ \"$1\" = --version ] && exec pg_dump --version\nsleep 600 &\necho $! > {}\nwait",
            pid_file.display()
        );
        let slow = tools(&script);
        let mut options = CreateOptions::default();
        options.tools = ToolSearch::only(vec![slow.path().to_owned()]);
        let mut dumping = false;
        let mut note = |event: &BackupEvent<'_>| {
            dumping |= matches!(event, BackupEvent::Advanced { phase: Phase::Dump, .. });
        };
        let made = backup::create(&place.server, &backups, &options, &mut note);
        tokio::time::timeout(Duration::from_secs(3), made).await.expect_err("it would take ten minutes");
        assert!(dumping);
        nothing_is_left(&backups);
        let pid = fs::read_to_string(&pid_file).expect("the worker's number");
        let status = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
        let gone = || async { fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z ")) };
        eventually("the worker is gone", gone).await;
        sessions_are_gone(&db).await;
    })
    .await;
}

#[tokio::test]
async fn a_password_is_never_told() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let role = format!("r{}", &db.name()[db.name().len() - 16..]);
        let mut conn = db.connect().await;
        execute(&mut conn, &format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")).await;
        let mut url = url::Url::parse(db.url()).expect("a URL");
        if url.host().is_some_and(|host| !host.to_string().is_empty()) {
            url.set_username(&role).expect("a user");
            url.set_password(Some("hunter2")).expect("a password");
        } else {
            url.query_pairs_mut().append_pair("user", &role).append_pair("password", "hunter2");
        }
        execute(&mut conn, "CREATE TABLE secret (x int)").await;
        let place = Place { server: server(url.as_str()), ..place };
        let error = place.create().await.expect_err("it may not read the table");
        // A program that tells its whole environment.
        let chatty = tools("[ \"$1\" = --version ] && exec pg_dump --version\necho \"pg_dump: error: $PGPASSWORD\" >&2\nexit 1");
        execute(&mut conn, &format!("GRANT ALL ON secret TO {role}")).await;
        let backups = place.dir.path().join("backups");
        let told = create_with(&place, &backups, chatty.path()).await;
        assert!(told.to_string().contains("error: ***"), "{told}");
        for text in [full(&error), format!("{error:?}"), full(&told), format!("{told:?}"), format!("{:?}", place.server)] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        execute(&mut conn, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    })
    .await;
}

async fn sessions_are_gone(db: &FreshDb) {
    let gone = || async {
        let mut conn = db.connect().await;
        let others: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
             AND backend_type = 'client backend'",
        )
        .fetch_one(&mut conn)
        .await
        .expect("a count");
        others == 0
    };
    eventually("the sessions are gone", gone).await;
}
