//! The buffered writer: many events at a time, and none lost without a word.

use super::log::{drain, event, master, pool, verified};
use db_core::Status;
use db_pool::Pool;
use db_security::audit::{AuditWriter, Closed, Error, Event, WhenFull, WriterOptions};
use db_testkit::{eventually, fresh_db};
use serde_json::json;
use std::time::Duration;

const QUICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(600);
pub(super) const SOON: Duration = Duration::from_secs(60);

pub(super) fn start(pool: &Pool, options: &WriterOptions) -> AuditWriter {
    AuditWriter::start(pool.clone(), options).expect("started")
}

/// Nobody can store events, as if the database were away.
pub(super) async fn away(pool: &Pool) {
    pool.run("ALTER TABLE audit_inbox RENAME TO audit_inbox_away").none().await.expect("renamed");
}

pub(super) async fn back(pool: &Pool) {
    pool.run("ALTER TABLE audit_inbox_away RENAME TO audit_inbox").none().await.expect("renamed");
}

pub(super) async fn entities(pool: &Pool) -> Vec<i64> {
    let rows: Vec<(i64,)> = pool
        .run("SELECT entity_id::int8 FROM audit_events ORDER BY entity_id::int8")
        .all()
        .await
        .expect("read");
    rows.into_iter().map(|(number,)| number).collect()
}

#[tokio::test]
async fn events_are_stored_after_the_interval_by_size_and_at_the_end() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let writer = start(&pool, &WriterOptions::new().interval(Duration::from_millis(1)));
        writer.record(event(1)).await.expect("taken").stored().await.expect("after the interval");

        let writer = start(&pool, &WriterOptions::new().interval(LONG).batch_bytes(1_000));
        let tickets: Vec<_> = {
            let mut tickets = Vec::new();
            for number in 2..12 {
                tickets.push(writer.record(event(number)).await.expect("taken"));
            }
            tickets
        };
        tickets[0].stored().await.expect("there were enough");

        let writer = start(&pool, &WriterOptions::new().interval(LONG));
        writer.record(event(12)).await.expect("taken");
        writer.flush(SOON).await.expect("now");
        assert_eq!((writer.stats().stored, writer.stats().waiting), (1, 0));
        let last = writer.record(event(13)).await.expect("taken");
        assert_eq!(writer.close(SOON).await, Closed { lost: 0 });
        last.stored().await.expect("at the end");
        assert!(matches!(writer.record(event(14)).await, Err(Error::Closed)));
    })
    .await;
}

#[tokio::test]
async fn what_a_dropped_writer_has_taken_is_stored() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let writer = start(&pool, &WriterOptions::new().interval(LONG));
        let ticket = writer.record(event(1)).await.expect("taken");
        drop(writer);
        ticket.stored().await.expect("stored");
    })
    .await;
}

#[tokio::test]
async fn everything_that_an_event_says_arrives() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let writer = start(&pool, &WriterOptions::new().master_key(master()));
        let told = Event::update("users", "42", json!({"plan": "free"}), json!({"plan": "team", "x": "zwölf\n"}))
            .actor("ann")
            .request("r7")
            .outcome(db_security::audit::Outcome::Failure)
            .detail("why", json!(null))
            .personal("u42", json!({"email": "a@example.org"}));
        let id = told.id();
        writer.record(told).await.expect("taken").stored().await.expect("stored");
        writer.task_start("t1").await.expect("taken");
        writer.task_complete("t1", Duration::from_millis(1_500)).await.expect("taken");
        writer.flush(SOON).await.expect("stored");
        drain(&pool).await;
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.personal == 1 && verdict.size == 3, "{verdict:?}");
        let row: serde_json::Value = pool
            .run(
                sqlx::query(
                    "SELECT to_jsonb(e) - '{leaf, sequenced_at, occurred_at, personal, commitment, subject_key, id, database_user}'::text[] \
                     FROM audit_events AS e WHERE id = $1",
                )
                .bind(id),
            )
            .scalar()
            .await
            .expect("read");
        let expected = json!({
            "actor": "ann", "request": "r7", "action": "update", "entity_type": "users", "entity_id": "42",
            "outcome": "failure", "old_values": {"plan": "free"}, "new_values": {"plan": "team", "x": "zwölf\n"},
            "details": {"why": null}, "subject": "u42",
        });
        assert_eq!(row, expected);
    })
    .await;
}

#[tokio::test]
async fn what_the_server_refuses_stops_no_other() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        pool.run("ALTER TABLE audit_inbox ADD CONSTRAINT odd CHECK (entity_id <> '7')")
            .none()
            .await
            .expect("added");
        let writer = start(&pool, &WriterOptions::new().interval(LONG));
        let mut tickets = Vec::new();
        for number in 0..20 {
            tickets.push(writer.record(event(number)).await.expect("taken"));
        }
        writer.flush(SOON).await.expect("settled");
        for (number, ticket) in tickets.iter().enumerate() {
            match ticket.stored().await {
                Ok(()) => assert_ne!(number, 7),
                Err(Error::Refused { sqlstate }) => assert_eq!((number, sqlstate.as_str()), (7, "23514")),
                Err(other) => panic!("{number}: {other:?}"),
            }
        }
        assert_eq!((writer.stats().stored, writer.stats().refused), (19, 1));
        drain(&pool).await;
        assert_eq!(entities(&pool).await.len(), 19);
    })
    .await;
}

#[tokio::test]
async fn without_room_callers_wait_or_are_told_at_once_and_counted() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        away(&pool).await;
        let small = WriterOptions::new().max_bytes(500).interval(Duration::from_millis(1));
        let writer = start(&pool, &small.clone().when_full(WhenFull::Drop));
        let mut taken = 0;
        let told = loop {
            match writer.record(event(taken)).await {
                Ok(_) => taken += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(told, Error::Full { .. }), "{told:?}");
        assert_eq!((writer.stats().taken, writer.stats().dropped), (taken, 1));

        let patient = start(&pool, &small.when_full(WhenFull::Wait(LONG)));
        let recording = tokio::spawn({
            let patient = patient.clone();
            async move {
                for number in 100..120 {
                    patient.record(event(number)).await.expect("taken in the end");
                }
                patient.flush(SOON).await.expect("stored");
            }
        });
        eventually("it has no room", async || patient.stats().failures > 0).await;
        back(&pool).await;
        recording.await.expect("all were taken");
        writer.flush(SOON).await.expect("what was taken is stored");
        drain(&pool).await;
        let expected: Vec<i64> = (0..i64::try_from(taken).expect("few")).chain(100..120).collect();
        assert_eq!(entities(&pool).await, expected);
        assert!(verified(&pool).await.is_sound());
    })
    .await;
}

#[tokio::test]
async fn a_future_that_is_dropped_while_it_waits_takes_no_room() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        away(&pool).await;
        let writer = start(&pool, &WriterOptions::new().max_bytes(500).when_full(WhenFull::Wait(LONG)));
        while writer.try_record(event(1)).is_ok() {}
        let taken = writer.stats().taken;
        for _ in 0..100 {
            let mut waiting = Box::pin(writer.record(event(2)));
            assert!(futures_util::poll!(&mut waiting).is_pending());
        }
        back(&pool).await;
        writer.flush(SOON).await.expect("stored");
        assert_eq!(writer.stats().taken, taken);
        writer.record(event(3)).await.expect("there is room").stored().await.expect("stored");
    })
    .await;
}

#[tokio::test]
async fn an_end_without_the_database_is_told() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        away(&pool).await;
        let writer = start(&pool, &WriterOptions::new());
        let tried = writer.record(event(1)).await.expect("taken");
        eventually("it was tried", async || writer.stats().failures > 0).await;
        let gathered = writer.record(event(2)).await.expect("taken");
        assert!(matches!(writer.flush(QUICK).await, Err(Error::Away { waited: QUICK })));
        assert_eq!(writer.probe().probe().await.status, Status::Unhealthy);
        assert_eq!(writer.close(Duration::from_millis(10)).await, Closed { lost: 2 });
        for ticket in [tried, gathered] {
            assert!(matches!(ticket.stored().await, Err(Error::Closed)));
        }
        assert!(matches!(writer.record(event(3)).await, Err(Error::Closed)));
        assert_eq!(writer.stats().rejected, 1);
        back(&pool).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_over_the_limit_or_without_a_key_is_refused() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let writer = start(&pool, &WriterOptions::new().max_event_bytes(1_000));
        let big = Event::new("a", "t").detail("x", json!("y".repeat(1_000)));
        assert!(matches!(writer.record(big).await, Err(Error::TooLarge { max_bytes: 1_000, .. })));
        let personal = Event::new("a", "t").personal("u", json!({}));
        assert!(matches!(writer.record(personal).await, Err(Error::NoMasterKey { .. })));
        assert!(matches!(writer.try_record(Event::new("", "t")), Err(Error::Invalid { .. })));
        assert_eq!(writer.stats().taken, 0);
    })
    .await;
}
