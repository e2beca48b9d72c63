//! Erasing somebody reaches what has no place yet, and what comes later but happened before.

use super::log::{drain, master, pool, record_all, verified};
use chrono::{TimeDelta, Utc};
use db_pool::Pool;
use db_security::audit::{
    AuditWriter, Erasure, Error, Event, Found, Personal, Search, WriterOptions, erase, open_personal, replay,
};
use db_testkit::fresh_db;
use serde_json::json;
use std::time::Duration;

async fn run(pool: &Pool, sql: &'static str) {
    pool.run(sql).none().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn erased(pool: &Pool, subject: &str) -> Erasure {
    let mut tx = pool.begin().await.expect("begun");
    let receipt = erase(&mut tx, subject, None).await.expect("erased");
    tx.commit().await.expect("committed");
    receipt
}

/// All events, the first first, with what is personal opened, as far as that can be.
async fn opened(pool: &Pool, subject: &str) -> Vec<Found> {
    let mut lease = pool.acquire().await.expect("a lease");
    let search = Search::new().subject(subject).order(db_security::audit::SearchOrder::OldestFirst);
    let mut events = search.page(&mut lease, None).await.expect("found").events;
    open_personal(&mut lease, &master(), &mut events).await.expect("opened");
    events
}

async fn read(pool: &Pool, subject: &str) -> Vec<&'static str> {
    let events = opened(pool, subject).await;
    let read = events.iter().map(|event| match &event.personal {
        Some(Personal::Open { .. }) => "open",
        Some(Personal::Erased) => "erased",
        Some(_) => "other",
        None => "none",
    });
    read.collect()
}

fn about(subject: &str) -> Event {
    Event::new("a", "t").personal(subject, json!({"email": "ann@example.org"}))
}

const PEOPLE: &str = "CREATE TABLE people (id int PRIMARY KEY, owner text, email text)";

#[tokio::test]
async fn what_waits_in_the_inbox_is_erased_with_a_key_and_without() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, PEOPLE).await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{email}', 'id')").await;
        run(&pool, "INSERT INTO people VALUES (42, 'o', 'ann@example.org'), (43, 'o', 'bob@example.org')")
            .await;
        drain(&pool).await;
        // With a key: the row goes, and then its subject is forgotten, as everybody does it.
        run(&pool, "DELETE FROM people WHERE id = 42").await;
        let receipt = erased(&pool, "42").await;
        assert_eq!((receipt.keys.len(), receipt.waiting, receipt.is_first), (1, 1, false));
        let left: i64 = pool
            .run("SELECT count(*) FROM audit_inbox WHERE personal_values IS NOT NULL")
            .scalar()
            .await
            .expect("counted");
        assert_eq!(left, 0, "nothing is in the clear any more");
        drain(&pool).await;
        assert_eq!(read(&pool, "42").await, ["erased", "erased"]);
        // Without a key: nothing of the subject has its place yet.
        run(&pool, "INSERT INTO people VALUES (44, 'o', 'eve@example.org')").await;
        let receipt = erased(&pool, "44").await;
        assert_eq!((receipt.keys.len(), receipt.waiting, receipt.is_first), (1, 1, true));
        drain(&pool).await;
        assert_eq!((read(&pool, "44").await, read(&pool, "43").await), (vec!["erased"], vec!["open"]));
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.erased == 2, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn what_happened_before_is_erased_whenever_it_comes_and_what_happens_later_is_not() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, PEOPLE).await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{email}', 'id')").await;
        // A transaction that is open, and events that a program still has.
        let mut open = pool.begin().await.expect("begun");
        sqlx::query("INSERT INTO people VALUES (1, 'o', 'ann@example.org')")
            .execute(&mut *open)
            .await
            .expect("inserted");
        let (buffered, recorded) = (about("1"), about("1"));
        let first = erased(&pool, "1").await;
        open.commit().await.expect("committed");
        record_all(&pool, [recorded]).await;
        let writer =
            AuditWriter::start(pool.clone(), &WriterOptions::new().master_key(master())).expect("started");
        writer.record(buffered).await.expect("taken").stored().await.expect("stored");
        drain(&pool).await;
        assert_eq!(read(&pool, "1").await, ["erased"; 3]);
        // Who comes back has a key of their own.
        record_all(&pool, [about("1")]).await;
        run(&pool, "UPDATE people SET email = 'new@example.org'").await;
        drain(&pool).await;
        assert_eq!(read(&pool, "1").await, ["erased", "erased", "erased", "open", "open"]);
        let late = about("1");
        let second = erased(&pool, "1").await;
        assert_eq!((second.keys.len(), &second.before), (1, &first.keys));
        // A third time there is no key, and yet it is a later time.
        let later = about("1");
        let third = erased(&pool, "1").await;
        assert!(third.keys.is_empty() && third.before.len() == 2 && third.event.is_none(), "{third:?}");
        record_all(&pool, [late, later]).await;
        drain(&pool).await;
        assert_eq!(read(&pool, "1").await, ["erased"; 7]);
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.erased == 2 && verdict.personal == 0, "{verdict:?}");
        writer.close(Duration::from_secs(60)).await;
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_does_not_decide_what_was_before() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        // As far as the database knows, the erasure was an hour ago, or will be in one.
        for (subject, hours, expected) in [("u1", 1, "erased"), ("u2", -1, "open")] {
            erased(&pool, subject).await;
            let shift = sqlx::query(
                "UPDATE audit_keys SET erased_at = erased_at + make_interval(hours => $2) WHERE subject = $1",
            );
            pool.run(shift.bind(subject).bind(hours)).none().await.expect("shifted");
            record_all(&pool, [about(subject)]).await;
            drain(&pool).await;
            assert_eq!(read(&pool, subject).await, [expected]);
        }
        let imported = about("u2").occurred_at(Utc::now() - TimeDelta::days(9));
        record_all(&pool, [imported]).await;
        drain(&pool).await;
        assert_eq!(read(&pool, "u2").await, ["erased", "open"], "what is told of long ago was before");
    })
    .await;
}

#[tokio::test]
async fn a_receipt_erases_what_a_restore_brings_back_and_what_comes_after_it() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, PEOPLE).await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{email}', 'id')").await;
        record_all(&pool, [about("1")]).await;
        run(&pool, "INSERT INTO people VALUES (1, 'o', 'ann@example.org')").await;
        run(&pool, "CREATE TABLE keys_were AS TABLE audit_keys; CREATE TABLE inbox_was AS TABLE audit_inbox")
            .await;
        let late = about("1");
        erased(&pool, "1").await;
        // What is kept is that of the second time, which found nothing.
        let receipt = erased(&pool, "1").await;
        let text = serde_json::to_string(&receipt).expect("a receipt");
        super::log::tamper(
            &pool,
            "DELETE FROM audit_keys; INSERT INTO audit_keys TABLE keys_were; DELETE FROM audit_inbox; \
             INSERT INTO audit_inbox OVERRIDING SYSTEM VALUE TABLE inbox_was",
        )
        .await;
        let receipt: Erasure = serde_json::from_str(&text).expect("a receipt");
        run(&pool, "UPDATE people SET email = 'new@example.org'").await;
        let mut tx = pool.begin().await.expect("begun");
        let done = replay(&mut tx, &receipt, None).await.expect("replayed");
        assert_eq!((&done.keys, done.waiting), (&receipt.before, 1));
        assert!(replay(&mut tx, &receipt, None).await.expect("replayed").keys.is_empty());
        tx.commit().await.expect("committed");
        record_all(&pool, [late]).await;
        drain(&pool).await;
        assert_eq!(read(&pool, "1").await, ["erased", "erased", "erased", "open"]);
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound(), "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn what_was_of_the_former_subject_is_not_for_the_next_ones_key() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, PEOPLE).await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{email}', 'owner')").await;
        run(&pool, "INSERT INTO people VALUES (1, '7', 'seven@example.org')").await;
        run(&pool, "UPDATE people SET owner = '8', email = 'eight@example.org'").await;
        drain(&pool).await;
        erased(&pool, "7").await;
        drain(&pool).await;
        assert_eq!((read(&pool, "7").await, read(&pool, "8").await), (vec!["erased"; 2], vec!["open"]));
        let events = opened(&pool, "8").await;
        let text = serde_json::to_string(&events).expect("events");
        assert!(text.contains("eight@") && !text.contains("seven@"), "{text}");
        let first = &opened(&pool, "7").await[1];
        assert!(
            events[0].details.as_ref().is_some_and(|details| details.get().contains(&first.id.to_string()))
        );
        // Without a column that names the subject, a row under another key is another.
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{email}', NULL)").await;
        run(&pool, "UPDATE people SET id = 2, email = 'two@example.org'").await;
        drain(&pool).await;
        assert_eq!((read(&pool, "people:1").await.len(), read(&pool, "people:2").await.len()), (1, 1));
        assert!(verified(&pool).await.is_sound());
    })
    .await;
}

#[tokio::test]
async fn nobody_is_no_subject() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let mut lease = pool.acquire().await.expect("a lease");
        for subject in ["", "x\0y"] {
            let refused = erase(&mut lease, subject, None).await;
            assert!(matches!(refused, Err(Error::Invalid { field: "subject", .. })), "{refused:?}");
        }
    })
    .await;
}
