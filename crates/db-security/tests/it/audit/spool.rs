//! Events that lie on disk while the database is away.

use super::{
    log::{drain, event, master, pool, step, verified},
    writer::{SOON, away, back, entities, start},
};
use db_core::Status;
use db_pool::Pool;
use db_security::audit::{AuditWriter, Closed, Error, Event, MasterKey, Sequenced, WriterOptions, rewrap};
use db_testkit::{eventually, fresh_db};
use serde_json::json;
use std::{path::Path, time::Duration};

const QUICK: Duration = Duration::from_millis(1);

fn spooling(folder: &Path) -> WriterOptions {
    WriterOptions::new().interval(QUICK).spool(folder).master_key(master())
}

#[tokio::test]
async fn while_the_database_is_away_the_disk_has_events_and_gives_them_back() {
    fresh_db(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = pool(&db).await;
        let writer = start(&pool, &spooling(folder.path()));
        assert!(matches!(
            AuditWriter::start(pool.clone(), &spooling(folder.path())),
            Err(Error::Spool { .. })
        ));
        writer.record(event(0)).await.expect("taken").stored().await.expect("stored");
        away(&pool).await;
        for number in 1..5 {
            let told = event(number).personal("u1", json!({"email": "a@example.org"}));
            writer.record(told).await.expect("taken").stored().await.expect("on disk");
        }
        assert_eq!((writer.stats().stored, writer.stats().spooled), (1, 4));
        back(&pool).await;
        eventually("they are back", async || writer.stats().replayed == 4).await;
        drain(&pool).await;
        assert_eq!(entities(&pool).await, [0, 1, 2, 3, 4]);
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.personal == 4, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn what_one_process_has_left_on_disk_the_next_stores_once() {
    fresh_db(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = pool(&db).await;
        away(&pool).await;
        let writer = start(&pool, &spooling(folder.path()));
        for number in 0..3 {
            writer.record(event(number)).await.expect("taken").stored().await.expect("on disk");
        }
        assert_eq!(writer.close(SOON).await, Closed { lost: 0 });
        drop(writer);
        back(&pool).await;
        let file = std::fs::read_dir(folder.path())
            .expect("read")
            .map(|entry| entry.expect("an entry").path())
            .find(|path| path.extension().is_some_and(|ending| ending == "spool"))
            .expect("a file");
        let copy = std::fs::read(&file).expect("read");
        for round in 0..2 {
            let writer = start(&pool, &spooling(folder.path()));
            eventually("they are stored", async || writer.stats().replayed == 3).await;
            assert_eq!(writer.close(SOON).await, Closed { lost: 0 });
            assert!(!file.exists());
            // As if it had died before it removed the file.
            std::fs::write(&file, &copy).expect("back again");
            let (events, repeated) = if round == 0 { (3, 0) } else { (0, 3) };
            let moved = step(&pool, 100).await;
            assert_eq!(
                moved,
                Sequenced::Moved { events, repeated, erased: 0, refused: 0, size: 3, is_drained: true }
            );
        }
        assert!(verified(&pool).await.is_sound());
    })
    .await;
}

fn about(number: u64) -> Event {
    event(number).personal("u1", json!({"email": "a@example.org"}))
}

fn other() -> MasterKey {
    MasterKey::from_bytes([8; 32])
}

/// The database's keys are wrapped by the other master key from now on.
async fn rotate(pool: &Pool) {
    let mut tx = pool.begin().await.expect("begun");
    rewrap(&mut tx, &master(), &other()).await.expect("rewrapped");
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn a_writer_with_the_former_master_key_acknowledges_nothing_that_none_could_read() {
    fresh_db(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = pool(&db).await;
        let writer = start(&pool, &spooling(folder.path()));
        writer.record(about(0)).await.expect("taken").stored().await.expect("stored");
        rotate(&pool).await;
        let ticket = writer.record(about(1)).await.expect("taken");
        eventually("it was tried again", async || writer.stats().failures > 1).await;
        assert_eq!((writer.stats().spooled, writer.stats().waiting), (0, 1));
        let finding = writer.probe().probe().await;
        assert_eq!(finding.status, Status::Unhealthy);
        assert!(finding.summary.contains("master key"), "{finding:?}");
        assert_eq!(writer.close(QUICK).await, Closed { lost: 1 });
        assert!(matches!(ticket.stored().await, Err(Error::Closed)));
    })
    .await;
}

#[tokio::test]
async fn what_lies_there_from_before_a_rotation_is_opened_by_the_former_key() {
    fresh_db(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = pool(&db).await;
        let writer = start(&pool, &spooling(folder.path()));
        writer.record(about(0)).await.expect("taken").stored().await.expect("stored");
        away(&pool).await;
        writer.record(about(1)).await.expect("taken").stored().await.expect("on disk");
        writer.close(SOON).await;
        drop(writer);
        back(&pool).await;
        rotate(&pool).await;

        let options = WriterOptions::new().interval(QUICK).spool(folder.path()).master_key(other());
        let writer = start(&pool, &options);
        writer.record(about(2)).await.expect("taken").stored().await.expect("it is not held up");
        eventually("the file was passed by", async || writer.stats().unreadable_files == 1).await;
        assert_eq!(writer.probe().probe().await.status, Status::Degraded);
        writer.close(SOON).await;
        drop(writer);

        let writer = start(&pool, &options.former_master_key(master()));
        let is_done = async || writer.stats().replayed == 1 && writer.stats().spool_bytes == 0;
        eventually("it is stored, and the file is gone", is_done).await;
        assert_eq!(writer.stats().unreadable_files, 0);
        let sequenced = async {
            let mut tx = pool.begin().await.expect("begun");
            let done = db_security::audit::sequence(&mut tx, Some(&other()), 100).await.expect("sequenced");
            tx.commit().await.expect("committed");
            done
        };
        assert!(matches!(sequenced.await, Sequenced::Moved { events: 3 | 4, .. }));
        let numbers: i64 = pool
            .run("SELECT count(*) FROM audit_events WHERE subject = 'u1' AND entity_type = 'things'")
            .scalar()
            .await
            .expect("read");
        assert_eq!(numbers, 3);
    })
    .await;
}

#[tokio::test]
async fn what_the_server_refuses_of_it_is_kept_and_no_other_event_is_taken_for_it() {
    fresh_db(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = pool(&db).await;
        away(&pool).await;
        let writer = start(&pool, &spooling(folder.path()).interval(Duration::from_secs(600)));
        let mut tickets = Vec::new();
        for number in 6..9 {
            tickets.push(writer.record(event(number)).await.expect("taken"));
        }
        writer.flush(SOON).await.expect("on disk");
        for ticket in &tickets {
            ticket.stored().await.expect("on disk");
        }
        pool.run("ALTER TABLE audit_inbox_away ADD CONSTRAINT odd CHECK (entity_id <> '7')")
            .none()
            .await
            .expect("added");
        back(&pool).await;
        eventually("it was refused", async || writer.stats().refused_of_spool == 1).await;
        assert_eq!((writer.stats().replayed, writer.stats().refused), (2, 0));
        assert_eq!(writer.probe().probe().await.status, Status::Degraded);
        let is_kept = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.expect("an entry").path().extension().is_some_and(|ending| ending == "refused")
        };
        assert_eq!(std::fs::read_dir(folder.path()).expect("read").map(is_kept).filter(|is| *is).count(), 1);

        let next = writer.record(event(9)).await.expect("taken");
        assert_eq!(writer.stats().waiting, 1);
        writer.flush(SOON).await.expect("stored");
        next.stored().await.expect("stored");
        drain(&pool).await;
        assert_eq!(entities(&pool).await, [6, 8, 9]);
    })
    .await;
}
