//! One event that cannot be dealt with stops no other.

use super::log::{drain, event, master, pool, record_all, step, verified};
use chrono::Utc;
use db_core::Status;
use db_pool::Pool;
use db_security::audit::{
    Error, Event, ReportSpan, Search, Sequenced, Sequencer, SequencerOptions, prove, record, status, tasks,
};
use db_testkit::{eventually, fresh_db};
use serde_json::json;
use std::time::Duration;

const QUICK: Duration = Duration::from_millis(1);

async fn run(pool: &Pool, sql: &'static str) {
    pool.run(sql).none().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test]
async fn a_name_that_no_index_holds_is_cut_and_found() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        // Nothing that can be compressed.
        let long: String = (0..10_000).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect();
        let named =
            Event::new(long.as_str(), format!("{long}t")).entity(format!("{long}e")).actor(long.as_str());
        record_all(&pool, [named.request(long.as_str()), event(1)]).await;
        run(&pool, "CREATE TABLE people (name text, email text)").await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{email}', 'name')").await;
        pool.run(sqlx::query("INSERT INTO people VALUES ($1, 'a@example.org')").bind(&long))
            .none()
            .await
            .expect("inserted");
        drain(&pool).await;
        let verdict = verified(&pool).await;
        assert!(
            verdict.is_sound() && verdict.events == 4 && verdict.personal == 1 && verdict.waiting == 0,
            "{verdict:?}"
        );
        let mut lease = pool.acquire().await.expect("a lease");
        for search in [
            Search::new().actor(long.as_str()),
            Search::new().action(long.as_str()),
            Search::new().entity_type(format!("{long}t")).entity_id(format!("{long}e")),
            Search::new().request(long.as_str()),
            Search::new().subject(long.as_str()),
        ] {
            let found = search.page(&mut lease, None).await.expect("found").events;
            assert_eq!(found.len(), 1);
        }
        let receipt = db_security::audit::erase(&mut lease, &long, None).await.expect("erased");
        assert_eq!((receipt.keys.len(), receipt.is_first), (1, false));
        let refused =
            record(&mut lease, Some(&master()), Event::new("a", "t").personal(long, json!({}))).await;
        assert!(matches!(refused, Err(Error::Invalid { field: "subject", .. })), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn a_time_that_no_calendar_has_stops_nobody() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(
            &pool,
            "INSERT INTO audit_inbox (id, action, entity_type, occurred_at) SELECT gen_random_uuid(), 'a', 't', at::timestamptz \
             FROM unnest('{infinity,-infinity,290000-01-01,\"4000-01-01 BC\"}'::text[]) AS at",
        )
        .await;
        record_all(&pool, [event(1)]).await;
        let mut lease = pool.acquire().await.expect("a lease");
        // While they wait.
        assert_eq!(Search::new().page(&mut lease, None).await.expect("found").events.len(), 1);
        assert_eq!(status(&mut lease).await.expect("read").waiting, 5);
        let ids: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM audit_inbox").fetch_all(&mut *lease).await.expect("read");
        for id in &ids {
            prove(&mut lease, *id).await.expect("found");
        }
        let times: Vec<chrono::DateTime<Utc>> =
            sqlx::query_scalar("SELECT created_at FROM audit_logs").fetch_all(&mut *lease).await.expect("read");
        assert_eq!(times.len(), 5);
        drop(lease);
        drain(&pool).await;
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.events == 5, "{verdict:?}");
        let mut lease = pool.acquire().await.expect("a lease");
        let events = Search::new().page(&mut lease, None).await.expect("found").events;
        let told = |text: &str| events.iter().any(|event| event.details.as_ref().is_some_and(|told| told.get().contains(text)));
        assert!(events.len() == 5 && told("infinity") && told("290000") && told("BC"), "{events:?}");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_was_altered_stops_its_own_subject_only() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, "INSERT INTO audit_keys (id, subject, wrapped) VALUES (gen_random_uuid(), '1', 'no key')")
            .await;
        run(&pool, "CREATE TABLE people (id int PRIMARY KEY, email text)").await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{email}', 'id')").await;
        run(&pool, "INSERT INTO people SELECT n, 'a@example.org' FROM generate_series(1, 3) AS n").await;
        // Whatever the size of a batch.
        let mut all = (0, 0);
        while let Sequenced::Moved { events, refused, is_drained, .. } = step(&pool, 1).await {
            all = (all.0 + events, all.1 + refused);
            if is_drained {
                break;
            }
        }
        assert_eq!(all, (3, 1));
        let mut lease = pool.acquire().await.expect("a lease");
        let there = status(&mut lease).await.expect("read");
        assert_eq!((there.waiting, there.refused), (1, 1));
        assert!(there.refused_for.is_some_and(|why| why.contains("altered")));
        let refused =
            record(&mut lease, Some(&master()), Event::new("a", "t").personal("1", json!({}))).await;
        assert!(matches!(refused, Err(Error::AlteredKey { .. })), "{refused:?}");
        let options = SequencerOptions::new().interval(QUICK).master_key(master());
        let sequencer = Sequencer::start(pool.clone(), &options);
        let finding = sequencer.probe().probe().await;
        assert!(
            finding.status == Status::Degraded && finding.summary.contains("cannot get a place"),
            "{finding:?}"
        );
        // They can be forgotten all the same.
        run(&pool, "DELETE FROM audit_keys WHERE subject = '1'").await;
        let receipt = db_security::audit::erase(&mut lease, "1", None).await.expect("erased");
        assert_eq!(receipt.waiting, 1);
        eventually("it has its place", async || sequencer.stats().moved == 2).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_that_the_server_cannot_move_is_put_aside() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        // A column that refuses what the inbox has taken, as a text of a GiB would be.
        run(
            &pool,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.actor = 'bad' THEN RAISE program_limit_exceeded; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
        let events =
            (0..40).map(|number| if number % 13 == 5 { event(number).actor("bad") } else { event(number) });
        record_all(&pool, events).await;
        let mut all = (0, 0);
        while let Sequenced::Moved { events, refused, is_drained, .. } = step(&pool, 16).await {
            all = (all.0 + events, all.1 + refused);
            if is_drained {
                break;
            }
        }
        assert_eq!(all, (37, 3));
        assert!(verified(&pool).await.is_sound());
        let mut lease = pool.acquire().await.expect("a lease");
        assert_eq!(status(&mut lease).await.expect("read").refused_for.as_deref(), Some("54000"));
        assert_eq!(
            Search::new().action("create").page(&mut lease, None).await.expect("found").events.len(),
            37
        );
        drop(lease);
        // Mended, and tried again, by the task too.
        run(&pool, "DROP TRIGGER refuse ON audit_events; UPDATE audit_inbox SET refused = NULL").await;
        let sequencer =
            Sequencer::start(pool.clone(), &SequencerOptions::new().interval(QUICK).max_events(2));
        eventually("all have their places", async || sequencer.stats().moved == 3).await;
    })
    .await;
}

#[tokio::test]
async fn words_and_numbers_that_nobody_has_thought_of_can_be_read() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, "INSERT INTO audit_inbox (id, action, entity_type, outcome) VALUES ('00000000-0000-7000-8000-000000000001', 'a', 't', 'meh')").await;
        run(
            &pool,
            "INSERT INTO audit_inbox (action, entity_type, entity_id, details) VALUES ('task.complete', 'tasks', '1', '{\"seconds\": 1e400}'), \
             ('task.complete', 'tasks', '2', '{\"seconds\": 2.5}'), ('task.fail', 'tasks', '3', '{\"seconds\": -1}')",
        )
        .await;
        run(&pool, "INSERT INTO audit_inbox (action, entity_type, entity_id, occurred_at) VALUES ('task.start', 'tasks', '2', '-infinity')").await;
        for _ in 0..2 {
            let mut lease = pool.acquire().await.expect("a lease");
            let found = Search::new().action("a").page(&mut lease, None).await.expect("found").events;
            assert_eq!(found[0].outcome, "meh");
            let span = Utc::now() - chrono::TimeDelta::days(1);
            let span = ReportSpan::new(span, Utc::now() + chrono::TimeDelta::days(1), 10).expect("a span");
            let report = tasks(&mut lease, &span).await.expect("reported");
            assert_eq!((report.kinds[0].untimed, report.kinds[0].max), (2, Some(2.5)), "{report:?}");
            drop(lease);
            super::log::tamper(&pool, "DELETE FROM audit_inbox WHERE occurred_at = '-infinity'").await;
            drain(&pool).await;
        }
        let mut lease = pool.acquire().await.expect("a lease");
        let found = Search::new().action("a").page(&mut lease, None).await.expect("found").events;
        let leaf: Option<bool> = sqlx::query_scalar("SELECT substring(hashes FROM 1 + 32 * $1::int FOR 32) = $2 FROM audit_tiles WHERE level = 0")
            .bind(found[0].leaf.and_then(|leaf| i32::try_from(leaf).ok()))
            .bind(found[0].leaf_hash().expect("it has a place").as_bytes().as_slice())
            .fetch_one(&mut *lease)
            .await
            .expect("read");
        assert_eq!(leaf, Some(true), "what is hashed is what stands there");
    })
    .await;
}
