//! Processes and servers that die in the middle of many appends: no fork, no gap, and nothing that was acknowledged is lost or there
//! twice.
//!
//! With `DB_TEST_CRASH_SCALE=60` each of the three appends a million events or more, which takes minutes:
//! `DB_TEST_CRASH_SCALE=60 cargo nextest run --profile long -p db-security --all-features audit::crash`.

use super::log::{drain, event, pool, verified};
use db_embedded::{Mode, Options, Postgres};
use db_pool::{Pool, PoolConfig};
use db_security::audit::{AuditWriter, Sequencer, SequencerOptions, WriterOptions};
use db_testkit::{Proxy, fresh_db};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    num::NonZeroU32,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

const WRITERS: u64 = 8;
const SOON: Duration = Duration::from_secs(60);
const QUICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(600);

/// Set for the process that is to be killed: the database, the folder of its spool where it has one, the first number.
const URL: &str = "CAIRN_TEST_CRASH_URL";
const SPOOL: &str = "CAIRN_TEST_CRASH_SPOOL";
const FIRST: &str = "CAIRN_TEST_CRASH_FIRST";

/// How many times as many events are appended as usual.
const SCALE: &str = "DB_TEST_CRASH_SCALE";
/// Events that a writer has under way at once where a server is killed.
const AT_ONCE: usize = 20;

fn scale() -> u64 {
    std::env::var(SCALE).map_or(1, |scale| scale.parse().expect("DB_TEST_CRASH_SCALE is a whole number"))
}

/// Numbers that a process may give out.
const PER_PROCESS: u64 = 100_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_loses_nothing_that_it_has_acknowledged() {
    if std::env::var(URL).is_ok() {
        return write_until_killed().await;
    }
    killed("a_process_that_is_killed_loses_nothing_that_it_has_acknowledged", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_with_a_spool_while_the_database_comes_and_goes() {
    if std::env::var(URL).is_ok() {
        return write_until_killed().await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    killed("nor_does_one_with_a_spool_while_the_database_comes_and_goes", Some(folder.path())).await;
}

/// Kills a process that appends by eight writers, again and again, each time after some more acknowledgements.
async fn killed(test: &str, spool: Option<&Path>) {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let mut acknowledged = BTreeSet::new();
        for (round, after) in [1, 40, 300, 1_000, 2_000, 133].into_iter().enumerate() {
            let after = usize::try_from(after * scale()).expect("small");
            let mut command = Command::new(std::env::current_exe().expect("this binary"));
            command
                .args([&format!("audit::crash::{test}"), "--exact", "--nocapture"])
                .env(URL, db.url())
                .env(FIRST, (round as u64 * PER_PROCESS).to_string())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            if let Some(folder) = spool {
                command.env(SPOOL, folder);
            }
            let mut child = command.spawn().expect("it starts");
            let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
            let reading = tokio::task::spawn_blocking(move || {
                let mut numbers = Vec::new();
                for line in lines.map_while(Result::ok) {
                    numbers
                        .extend(line.strip_prefix("stored ").and_then(|number| number.parse::<u64>().ok()));
                    if numbers.len() == after {
                        child.kill().expect("killed");
                    }
                }
                child.wait().expect("it ended");
                numbers
            });
            // With a spool the database is away for a part of the time.
            let numbers = match spool {
                None => reading.await,
                Some(folder) => {
                    while !reading.is_finished() {
                        pool.run("ALTER TABLE audit_inbox RENAME TO audit_inbox_away")
                            .none()
                            .await
                            .expect("renamed");
                        let before = spooled_bytes(folder);
                        db_testkit::eventually("the disk has events", async || {
                            spooled_bytes(folder) > before + 1_000 || reading.is_finished()
                        })
                        .await;
                        pool.run("ALTER TABLE audit_inbox_away RENAME TO audit_inbox")
                            .none()
                            .await
                            .expect("renamed");
                        db_testkit::eventually("they are back", async || {
                            spooled_bytes(folder) == 0 || reading.is_finished()
                        })
                        .await;
                    }
                    reading.await
                }
            };
            let numbers = numbers.expect("no panic");
            assert!(numbers.len() >= after, "round {round}: it ended by itself after {}", numbers.len());
            acknowledged.extend(numbers);
        }
        if let Some(folder) = spool {
            // What is on disk comes in with whoever opens the folder next.
            let writer =
                AuditWriter::start(pool.clone(), &WriterOptions::new().spool(folder)).expect("opened");
            db_testkit::eventually("the spool is empty", async || spooled_bytes(folder) == 0).await;
            writer.close(LONG).await;
        }
        check(&pool, &acknowledged).await;
    })
    .await;
}

/// Bytes in the spool's files; one that goes meanwhile has none.
fn spooled_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("read").map(|entry| entry.expect("an entry").path());
    let files = entries.filter(|path| path.extension().is_some_and(|ending| ending == "spool"));
    files.filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// In the process that is killed: eight writers, and one who gives places.
async fn write_until_killed() {
    let url = std::env::var(URL).expect("a URL");
    let first: u64 = std::env::var(FIRST).expect("a number").parse().expect("a number");
    let config = PoolConfig::from_url(&url).expect("a URL").max_size(NonZeroU32::new(8).expect("not zero"));
    let pool = Pool::connect(&config).await.expect("connected");
    let mut options = WriterOptions::new().interval(QUICK);
    if let Ok(folder) = std::env::var(SPOOL) {
        options = options.spool(folder);
    }
    let writer = AuditWriter::start(pool.clone(), &options).expect("started");
    let _sequencer = Sequencer::start(pool, &SequencerOptions::new().interval(QUICK).max_events(500));
    let all = (0..WRITERS).map(|lane| {
        let writer = writer.clone();
        async move {
            for number in 0..PER_PROCESS / WRITERS {
                let number = first + number * WRITERS + lane;
                let ticket = writer.record(event(number)).await.expect("taken");
                // Several are under way at once, as in a program that does not wait for each.
                if number.is_multiple_of(5) {
                    ticket.stored().await.expect("stored");
                    writeln!(std::io::stdout().lock(), "stored {number}").expect("told");
                }
            }
        }
    });
    futures_util::future::join_all(all).await;
}

/// Everything that was acknowledged is in the log once, nothing is there twice, and the log is sound.
async fn check(pool: &Pool, acknowledged: &BTreeSet<u64>) {
    drain(pool).await;
    let rows: Vec<(i64,)> = pool
        .run("SELECT entity_id::int8 FROM audit_events WHERE entity_type = 'things'")
        .all()
        .await
        .expect("read");
    let there: BTreeSet<u64> =
        rows.iter().map(|(number,)| u64::try_from(*number).expect("a number")).collect();
    assert_eq!(there.len(), rows.len(), "some are there twice");
    let lost: Vec<&u64> = acknowledged.difference(&there).take(10).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let verdict = verified(pool).await;
    assert!(verdict.is_sound(), "{:?}", verdict.flaws);
    assert_eq!((verdict.size, verdict.waiting), (rows.len() as u64, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_nothing_and_stores_nothing_twice() {
    let (server, pool) = own_server(Options::new(Mode::Ephemeral)).await;

    let writer = AuditWriter::start(pool.clone(), &WriterOptions::new().interval(QUICK)).expect("started");
    let sequencer = Sequencer::start(pool.clone(), &SequencerOptions::new().interval(QUICK).max_events(500));
    let (stored, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let all = (0..WRITERS).map(|lane| {
        let (writer, stored, ends) = (writer.clone(), Arc::clone(&stored), Arc::clone(&ends));
        tokio::spawn(async move {
            let mut mine = BTreeSet::new();
            let mut number = lane;
            while !ends.load(Relaxed) {
                let mut tickets = Vec::new();
                for _ in 0..AT_ONCE {
                    tickets.push((number, writer.record(event(number)).await.expect("there is room")));
                    number += WRITERS;
                }
                for (number, ticket) in tickets {
                    ticket.stored().await.expect("stored in the end");
                    mine.insert(number);
                    stored.fetch_add(1, Relaxed);
                }
            }
            mine
        })
    });
    let all: Vec<_> = all.collect();
    for round in 1..=6 {
        for step in 1..=scale() {
            let enough = ((round - 1) * scale() + step) * 3_000;
            db_testkit::eventually("some are stored", async || stored.load(Relaxed) > enough).await;
        }
        // One of its processes: the server then ends all others and recovers, as after a loss of power.
        let victim: i32 = loop {
            let asked = pool
                .run(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                     ORDER BY state_change DESC NULLS LAST LIMIT 1",
                )
                .scalar()
                .await;
            if let Ok(pid) = asked {
                break pid;
            }
            tokio::task::yield_now().await;
        };
        kill_process(Pid::from_raw(victim).expect("a process"), Signal::KILL).expect("killed");
    }
    let before = stored.load(Relaxed);
    db_testkit::eventually("it goes on", async || stored.load(Relaxed) > before + 500).await;
    ends.store(true, Relaxed);
    let mut acknowledged = BTreeSet::new();
    for one in all {
        acknowledged.extend(one.await.expect("no panic"));
    }
    assert!(writer.stats().failures > 0, "the server was away");
    writer.flush(SOON).await.expect("stored");
    assert!(sequencer.close(LONG).await);
    check(&pool, &acknowledged).await;
    drop(writer);
    server.stop().await;
}

/// A server that only this test has, migrated.
async fn own_server(options: Options) -> (Postgres, Pool) {
    let server = Postgres::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let config = PoolConfig::from_url(server.url().expose())
        .expect("a URL")
        .max_size(NonZeroU32::new(8).expect("not zero"));
    let pool = Pool::connect(&config).await.expect("connected");
    let mut lease = pool.acquire().await.expect("a lease");
    let migrations = db_migrate::Migrations::embedded(db_model::MIGRATIONS).expect("migrations");
    db_migrate::apply(&mut lease, &migrations, &db_migrate::Options::default(), &mut |_| {})
        .await
        .expect("migrated");
    drop(lease);
    (server, pool)
}

/// Sessions that wait for a lock by a number of somebody's own.
async fn waiting(pool: &Pool) -> i64 {
    pool.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        .scalar()
        .await
        .expect("asked")
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_stored_twice() {
    let (server, pool) = own_server(Options::new(Mode::Ephemeral).any_port()).await;
    // A commit takes for as long as this test wants.
    for sql in [
        "CREATE TABLE gate ()",
        "INSERT INTO gate DEFAULT VALUES",
        "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF EXISTS (SELECT FROM gate) THEN PERFORM pg_advisory_xact_lock(42); END IF; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON audit_inbox DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION pass()",
    ] {
        pool.run(sql).none().await.expect("made");
    }
    let mut holder = pool.begin().await.expect("begun");
    sqlx::query("SELECT pg_advisory_xact_lock(42)").execute(&mut *holder).await.expect("held");

    let target = url::Url::parse(server.tcp_url().expect("a port was asked for").expose()).expect("a URL");
    let address = (target.host_str().expect("a host").to_owned(), target.port().expect("a port"));
    let proxy = Proxy::start(address).await;
    let beyond = PoolConfig::from_url(&proxy.url(target.as_str())).expect("a URL");
    let beyond = Pool::connect(&beyond).await.expect("connected");
    let writer = AuditWriter::start(beyond, &WriterOptions::new().interval(QUICK)).expect("started");
    let ticket = writer.record(event(1)).await.expect("taken");
    db_testkit::eventually("it commits", async || waiting(&pool).await == 1).await;
    pool.run("DELETE FROM gate").none().await.expect("the next passes");
    proxy.reset();
    db_testkit::eventually("it tries again, and waits for the first", async || {
        writer.stats().failures == 1 && waiting(&pool).await == 2
    })
    .await;
    drain(&pool).await;
    holder.rollback().await.expect("let go");
    ticket.stored().await.expect("stored");
    check(&pool, &BTreeSet::from([1])).await;
    drop(writer);
    server.stop().await;
}
