//! Events get their places: all of them, once, in the order of commits, whoever else is at it.

use super::log::{drain, event, filled, pool, record_all, step, verified};
use db_pool::Pool;
use db_security::audit::{Error, Event, MasterKey, Sequenced, record, sequence, sequence_despite_clock};
use db_testkit::fresh_db;
use serde_json::json;

async fn order(pool: &Pool) -> Vec<String> {
    let rows: Vec<(String,)> =
        pool.run("SELECT entity_id FROM audit_events ORDER BY leaf").all().await.expect("read");
    rows.into_iter().map(|(id,)| id).collect()
}

#[tokio::test]
async fn events_get_their_places_in_the_order_of_commits() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let mut late = pool.begin().await.expect("begun");
        record(&mut late, None, event(1)).await.expect("recorded");
        record_all(&pool, [event(2), event(3)]).await;
        assert_eq!(
            step(&pool, 10).await,
            Sequenced::Moved { events: 2, repeated: 0, erased: 0, refused: 0, size: 2, is_drained: true }
        );
        let mut never = pool.begin().await.expect("begun");
        record(&mut never, None, event(4)).await.expect("recorded");
        never.rollback().await.expect("rolled back");
        late.commit().await.expect("committed");
        drain(&pool).await;
        assert_eq!(order(&pool).await, ["2", "3", "1"]);
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound(), "{verdict:?}");
        assert_eq!((verdict.size, verdict.events, verdict.waiting), (3, 3, 0));
    })
    .await;
}

#[tokio::test]
async fn batches_of_any_size_make_the_same_log() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, (0..10).map(event)).await;
        for size in [3, 6, 9, 10] {
            let moved = step(&pool, 3).await;
            let is_drained = size == 10;
            let events = if is_drained { 1 } else { 3 };
            assert_eq!(
                moved,
                Sequenced::Moved { events, repeated: 0, erased: 0, refused: 0, size, is_drained }
            );
        }
        assert_eq!(order(&pool).await, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(verified(&pool).await.is_sound());
    })
    .await;
}

/// Whoever has planned a statement before a partition is there does not see what is in it.
#[tokio::test]
async fn the_next_month_has_its_partition_before_it_has_events() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 1).await;
        let sql = "SELECT count(*), \
             bool_or(relname = to_char((SELECT sequenced_at FROM audit_events) AT TIME ZONE 'UTC' + interval '1 month', \
             '\"audit_events_\"YYYY_MM')) \
             FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'audit_events'::regclass";
        let months: (i64, bool) = pool.run(sql).one().await.expect("read");
        assert_eq!(months, (2, true));
    })
    .await;
}

#[tokio::test]
async fn what_was_sent_twice_is_there_once() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let send = "INSERT INTO audit_inbox (id, is_repeated, action, entity_type, entity_id) \
             SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, $1, 'a', 't', n::text FROM generate_series(1, 3) AS n";
        pool.run(sqlx::query(send).bind(false)).none().await.expect("sent");
        pool.run(sqlx::query(send).bind(true)).none().await.expect("sent again, in the same batch");
        assert_eq!(
            step(&pool, 100).await,
            Sequenced::Moved { events: 3, repeated: 3, erased: 0, refused: 0, size: 3, is_drained: true }
        );
        pool.run(sqlx::query(send).bind(true)).none().await.expect("sent again, later");
        pool.run(sqlx::query(send).bind(true)).none().await.expect("and again");
        assert_eq!(
            step(&pool, 100).await,
            Sequenced::Moved { events: 0, repeated: 6, erased: 0, refused: 0, size: 3, is_drained: true }
        );
        assert!(verified(&pool).await.is_sound());
    })
    .await;
}

#[tokio::test]
async fn one_at_a_time_gives_places_and_nobody_waits() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, [event(1)]).await;
        let mut first = pool.begin().await.expect("begun");
        let moved = sequence(&mut first, None, 10).await.expect("sequenced");
        assert!(matches!(moved, Sequenced::Moved { events: 1, .. }));
        assert_eq!(step(&pool, 10).await, Sequenced::Elsewhere);
        // Whoever dies with it has done nothing.
        drop(first);
        db_testkit::eventually("the other's transaction is gone", async || {
            matches!(step(&pool, 10).await, Sequenced::Moved { events: 1, size: 1, .. })
        })
        .await;
        assert!(verified(&pool).await.is_sound());
    })
    .await;
}

#[tokio::test]
async fn writers_do_not_wait_for_the_one_who_gives_places() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 10).await;
        let mut giving = pool.begin().await.expect("begun");
        sequence(&mut giving, None, 10).await.expect("sequenced");
        sqlx::query("SET lock_timeout = '1ms'").execute(&mut *giving).await.expect("set");
        let mut writing = pool.begin().await.expect("begun");
        sqlx::query("SET LOCAL lock_timeout = '1ms'").execute(&mut *writing).await.expect("set");
        record(&mut writing, None, event(11)).await.expect("no lock was waited for");
        writing.commit().await.expect("committed");
        giving.commit().await.expect("committed");
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_stops_the_log_and_loses_nothing() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 3).await;
        pool.run("UPDATE audit_tree SET sequenced_at = clock_timestamp() + interval '1 hour'")
            .none()
            .await
            .expect("as if the clock had been an hour ahead");
        record_all(&pool, [event(4)]).await;
        let mut tx = pool.begin().await.expect("begun");
        match sequence(&mut tx, None, 10).await {
            Err(Error::ClockBehind { behind }) => assert!(behind.as_secs() > 3_500, "{behind:?}"),
            other => panic!("{other:?}"),
        }
        tx.rollback().await.expect("rolled back");
        assert_eq!(verified(&pool).await.waiting, 1);
        // A little is what time servers do: the time of the last event stays until the clock has come by.
        pool.run("UPDATE audit_tree SET sequenced_at = clock_timestamp() + interval '20 seconds'")
            .none()
            .await
            .expect("a little");
        drain(&pool).await;
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.size == 4, "{verdict:?}");
        // Far ahead, and told to go on: at the time that it has noted.
        pool.run("UPDATE audit_tree SET sequenced_at = clock_timestamp() + interval '70 years'")
            .none()
            .await
            .expect("ahead");
        record_all(&pool, [event(5)]).await;
        let mut tx = pool.begin().await.expect("begun");
        let moved = sequence_despite_clock(&mut tx, None, 10).await.expect("moved");
        assert!(matches!(moved, Sequenced::Moved { events: 1, size: 5, .. }), "{moved:?}");
        tx.commit().await.expect("committed");
        assert!(verified(&pool).await.is_sound());
    })
    .await;
}

#[tokio::test]
async fn a_month_gets_its_partition_before_its_first_event() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 1).await;
        pool.run("UPDATE audit_tree SET sequenced_at = '2020-02-29T23:59:59.999999Z'")
            .none()
            .await
            .expect("set");
        filled(&pool, 1).await;
        let months: i64 = pool
            .run("SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_events'::regclass")
            .scalar()
            .await
            .expect("counted");
        assert_eq!(months, 2, "the present month's and the next's");
        let refused = pool.run("DELETE FROM audit_events").none().await.expect_err("refused").to_string();
        assert!(!refused.is_empty());
        for sql in ["UPDATE audit_events SET actor = 'x'", "TRUNCATE audit_events"] {
            assert!(pool.run(sql).none().await.is_err(), "{sql}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_personal_waits_for_a_master_key_and_for_the_right_one() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let told = Event::new("a", "t").entity("1").personal("u1", json!({"email": "a@example.org"}));
        let mut tx = pool.begin().await.expect("begun");
        let refused = record(&mut tx, None, told.clone()).await;
        assert!(matches!(refused, Err(Error::NoMasterKey { .. })), "{refused:?}");
        tx.rollback().await.expect("rolled back");
        record_all(&pool, [told.clone()]).await;
        let mut tx = pool.begin().await.expect("begun");
        let other = MasterKey::from_bytes([8; 32]);
        let refused = record(&mut tx, Some(&other), told).await;
        assert!(matches!(refused, Err(Error::WrongMasterKey)), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn an_event_that_cannot_be_stored_is_refused_by_name() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let mut tx = pool.begin().await.expect("begun");
        for (event, named) in [
            (Event::new("", "t"), "action"),
            (Event::new("a", ""), "entity_type"),
            (Event::new("a", "t").actor("x\0y"), "actor"),
            (Event::new("a", "t").detail("x", json!(["\0"])), "details"),
            (Event::new("a", "t").new_values(json!({"\0": 1})), "new_values"),
            (Event::new("a", "t").personal("", json!({})), "subject"),
        ] {
            match record(&mut tx, None, event).await {
                Err(Error::Invalid { field, .. }) => assert_eq!(field, named),
                other => panic!("{named}: {other:?}"),
            }
        }
        record(&mut tx, None, event(1)).await.expect("the transaction goes on");
    })
    .await;
}
