//! Events are found by who, what, when and what they say, each once, whether they have their place or not.

use super::log::{drain, event, filled, master, pool, record_all, tamper};
use chrono::{DateTime, TimeDelta, Utc};
use db_pool::Pool;
use db_security::audit::{
    Error, Event, MasterKey, Outcome, Personal, Search, SearchOrder, SearchPage, erase, open_personal, prove,
};
use db_testkit::fresh_db;
use serde_json::json;
use std::num::NonZeroU32;
use uuid::Uuid;

async fn page(pool: &Pool, search: &Search, cursor: Option<&str>) -> SearchPage {
    let mut lease = pool.acquire().await.expect("a lease");
    search.page(&mut lease, cursor).await.unwrap_or_else(|error| panic!("{search:?}: {error}"))
}

/// All pages, and how many there were.
async fn all(pool: &Pool, search: &Search) -> (Vec<Uuid>, usize) {
    let (mut ids, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = page(pool, search, cursor.as_deref()).await;
        assert_eq!(page.next.is_some(), page.searched_to.is_some());
        ids.extend(page.events.iter().map(|event| event.id));
        (cursor, pages) = (page.next, pages + 1);
        if cursor.is_none() {
            return (ids, pages);
        }
    }
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_769_600 + second, 0).expect("a time")
}

/// Each differs from the others in one thing, and half of them have their places.
async fn some(pool: &Pool) -> Vec<Uuid> {
    let base = || Event::new("a", "t").actor("ann").entity("1").request("r1");
    let events = [
        base(),
        base().actor("bob"),
        Event::new("task.start", "t").entity("2"),
        Event::new("task.fail", "tasks").entity("2").outcome(Outcome::Failure),
        base().request("r2").outcome(Outcome::Denied),
        base().new_values(json!({"plan": "Team", "seats": 7})),
        base().detail("note", json!("a \"quoted\" word, 100%_sure")),
        base().personal("u1", json!({"email": "ann@example.org"})),
    ];
    let events: Vec<Event> =
        events.into_iter().zip(0..).map(|(event, second)| event.occurred_at(at(second))).collect();
    let ids = events.iter().map(Event::id).collect();
    let (early, late) = events.split_at(4);
    record_all(pool, early.to_vec()).await;
    drain(pool).await;
    record_all(pool, late.to_vec()).await;
    ids
}

#[tokio::test]
async fn by_whatever_they_have() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let ids = some(&pool).await;
        for (search, expected) in [
            (Search::new(), vec![7, 6, 5, 4, 3, 2, 1, 0]),
            (Search::new().order(SearchOrder::OldestFirst), vec![0, 1, 2, 3, 4, 5, 6, 7]),
            (Search::new().actor("bob"), vec![1]),
            (Search::new().action("a"), vec![7, 6, 5, 4, 1, 0]),
            (Search::new().action("task.*"), vec![3, 2]),
            (Search::new().action("task.start"), vec![2]),
            (Search::new().action("task"), vec![]),
            (Search::new().action("t_sk*"), vec![]),
            (Search::new().entity_type("t").entity_id("2"), vec![2]),
            (Search::new().entity_id("2"), vec![3, 2]),
            (Search::new().entity_type("tasks"), vec![3]),
            (Search::new().outcome(Outcome::Denied), vec![4]),
            (Search::new().actor("ann").outcome(Outcome::Denied), vec![4]),
            (Search::new().request("r2"), vec![4]),
            (Search::new().subject("u1"), vec![7]),
            (Search::new().subject("u1").actor("bob"), vec![]),
            (Search::new().from(at(2)).until(at(5)), vec![4, 3, 2]),
            (Search::new().actor("ann").from(at(1)), vec![7, 6, 5, 4]),
            (Search::new().text("tEAm"), vec![5]),
            (Search::new().text("BOB"), vec![1]),
            (Search::new().text("100%_sure"), vec![6]),
            (Search::new().text("100_"), vec![]),
            (Search::new().text(r#"a \"quoted\""#), vec![6]),
            (Search::new().text("example.org"), vec![]),
            (Search::new().json_path(r#"$.plan ? (@ == "Team")"#), vec![5]),
            (Search::new().json_path("$.seats ? (@ > 7)"), vec![]),
            (Search::new().json_path("$.*"), vec![6, 5]),
            (Search::new().leaves(1, 2), vec![2, 1]),
        ] {
            let expected: Vec<Uuid> = expected.into_iter().map(|at| ids[at]).collect();
            for limit in [1, 3, 100] {
                assert_eq!(
                    all(&pool, &search.clone().limit(limit)).await.0,
                    expected,
                    "{search:?} by {limit}"
                );
            }
        }
        let found = page(&pool, &Search::new(), None).await.events;
        let leaves: Vec<Option<u64>> = found.iter().map(|event| event.leaf).collect();
        assert_eq!(leaves, [None, None, None, None, Some(3), Some(2), Some(1), Some(0)]);
        assert!(!format!("{found:?}").contains("quoted"), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn an_event_that_was_sent_twice_is_found_once() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, (0..3).map(event)).await;
        drain(&pool).await;
        const AGAIN: &str = "INSERT INTO audit_inbox (id, occurred_at, actor, action, entity_type, is_repeated) \
            SELECT id, occurred_at, actor, action, entity_type, true FROM audit_events";
        pool.run(AGAIN).none().await.expect("sent again");
        // The same, before either has its place.
        for _ in 0..2 {
            const TWICE: &str = "INSERT INTO audit_inbox (id, occurred_at, actor, action, entity_type, is_repeated) \
                VALUES ('00000000-0000-0000-0000-000000000001', '2025-01-01Z', 'ann', 'a', 't', true)";
            pool.run(TWICE).none().await.expect("sent");
        }
        for search in [Search::new(), Search::new().text("ann"), Search::new().actor("ann")] {
            for limit in [1, 2, 3, 4, 100] {
                let (mut ids, _) = all(&pool, &search.clone().limit(limit)).await;
                assert_eq!(ids.len(), 4, "{search:?} by {limit}");
                ids.dedup();
                assert_eq!(ids.len(), 4);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_looks_at_no_more_than_it_may_and_says_how_far_it_came() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, [event(0).request("needle").occurred_at(at(0))]).await;
        filled(&pool, 2_500).await;
        let look = NonZeroU32::new(1_000).expect("not zero");
        let search = Search::new().request("needle").look_at_most(look);
        let first = page(&pool, &search, None).await;
        assert!(first.events.is_empty() && first.looked_at == 1_000 && first.next.is_some(), "{first:?}");
        assert!(first.searched_to.is_some_and(|to| to > at(0)));
        let (ids, pages) = all(&pool, &search).await;
        assert_eq!((ids.len(), pages), (1, 3));
        let whole = page(&pool, &Search::new().request("needle"), None).await;
        assert_eq!((whole.events.len(), whole.looked_at, whole.next), (1, 2_501, None));
        let enough = page(&pool, &Search::new().entity_id("7"), None).await;
        assert_eq!((enough.events.len(), enough.searched_to), (1, None));
        let full = page(&pool, &Search::new().text("ann").limit(10), None).await;
        assert!(full.events.len() == 10 && full.looked_at == 1_000 && full.next.is_some(), "{full:?}");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_by_name() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 3).await;
        let mut lease = pool.acquire().await.expect("a lease");
        for path in [
            "$.",
            "no path",
            "$.a ? (@ ==",
            "$ ? (@.a like_regex \"(\")",
            "$unset",
            "$ ? (@.number == $unset)",
        ] {
            let refused = Search::new().json_path(path).page(&mut lease, None).await;
            let Err(Error::JsonPath { path: named, why }) = refused else { panic!("{path}: {refused:?}") };
            assert!(named == path && !why.is_empty());
        }
        for (search, part) in [
            (Search::new().limit(0), "limit"),
            (Search::new().limit(1_001), "limit"),
            (Search::new().text(""), "text"),
            (Search::new().json_path(""), "json_path"),
            (Search::new().actor("a\0b"), "actor"),
            (Search::new().from(at(2)).until(at(2)), "until"),
        ] {
            let refused = search.page(&mut lease, None).await;
            assert!(
                matches!(&refused, Err(Error::Search { field, .. }) if *field == part),
                "{part}: {refused:?}"
            );
        }
        let next = Search::new().limit(1).page(&mut lease, None).await.expect("a page").next.expect("more");
        let refused = Search::new().actor("ann").page(&mut lease, Some(&next)).await;
        assert!(matches!(refused, Err(Error::Cursor { .. })), "{refused:?}");
        Search::new().limit(2).page(&mut lease, Some(&next)).await.expect("another size, the same search");
    })
    .await;
}

#[tokio::test]
async fn what_is_personal_is_opened_by_whoever_has_the_key_and_while_there_is_one() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let about = |subject: &str| Event::new("a", "t").personal(subject, json!({"email": "a@example.org"}));
        record_all(&pool, [about("u1"), about("u2"), about("u3"), about("u4"), about("u6"), event(1)]).await;
        drain(&pool).await;
        const WAITS: &str = "INSERT INTO audit_inbox (action, entity_type, subject, personal_values, occurred_at) \
            VALUES ('a', 't', 'u5', '{\"email\": \"b@example.org\"}', now() + interval '1 day')";
        pool.run(WAITS).none().await.expect("noted");
        let mut tx = pool.begin().await.expect("begun");
        erase(&mut tx, "u2", None).await.expect("erased");
        tx.commit().await.expect("committed");
        drain_without_key(&pool).await;
        tamper(&pool, "DELETE FROM audit_keys WHERE subject = 'u3'").await;
        tamper(&pool, "UPDATE audit_events SET personal = personal || '\\x00' WHERE subject = 'u4'").await;
        tamper(&pool, "UPDATE audit_events SET commitment = sha256('x') WHERE subject = 'u6'").await;

        let mut lease = pool.acquire().await.expect("a lease");
        let mut events = Search::new().action("a").page(&mut lease, None).await.expect("found").events;
        let shown = serde_json::to_string(&events).expect("JSON");
        assert!(!shown.contains("example.org"), "{shown}");
        let refused = open_personal(&mut lease, &MasterKey::from_bytes([8; 32]), &mut events).await;
        assert!(matches!(refused, Err(Error::WrongMasterKey)), "{refused:?}");
        open_personal(&mut lease, &master(), &mut events).await.expect("opened");
        let mut told: Vec<String> = events
            .iter()
            .map(|event| {
                let subject = event.subject.as_deref().unwrap_or_default();
                match &event.personal {
                    Some(Personal::Open { values, .. }) => format!("{subject} {values}"),
                    other => format!("{subject} {other:?}"),
                }
            })
            .collect();
        told.sort();
        let expected = [
            "u1 {\"email\":\"a@example.org\"}",
            "u2 Some(Erased)",
            "u3 Some(NoKey)",
            "u4 Some(Altered)",
            "u5 {\"email\": \"b@example.org\"}",
            "u6 Some(Altered)",
        ];
        assert_eq!(told, expected);
    })
    .await;
}

/// What is personal and waits is left in the inbox.
async fn drain_without_key(pool: &Pool) {
    let mut tx = pool.begin().await.expect("begun");
    db_security::audit::sequence(&mut tx, None, 1_000).await.expect("sequenced");
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn one_event_is_shown_with_its_proof() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let (early, late) = (event(1), event(2));
        let (early_id, late_id) = (early.id(), late.id());
        record_all(&pool, [early]).await;
        drain(&pool).await;
        let mut lease = pool.acquire().await.expect("a lease");
        assert!(prove(&mut lease, early_id).await.expect("found").proof.is_none(), "nothing is signed");
        let signer = db_security::audit::CheckpointSigner::random("log").expect("a name");
        let signed = db_security::audit::checkpoint(&mut lease, &signer).await.expect("signed").expect("new");
        record_all(&pool, [late]).await;
        assert!(prove(&mut lease, late_id).await.expect("found").proof.is_none(), "it has no place");
        let proven = prove(&mut lease, early_id).await.expect("found");
        let proof = proven.proof.expect("a proof");
        assert!(proof.inclusion.proves(proof.leaf_hash, signed.checkpoint().root));
        assert_eq!(proof.checkpoint, signed.note());
        let nobody = prove(&mut lease, Uuid::nil()).await;
        assert!(matches!(nobody, Err(Error::NoSuchEvent { .. })), "{nobody:?}");
        tamper(&pool, "UPDATE audit_events SET actor = 'eve'").await;
        let altered = prove(&mut lease, early_id).await;
        assert!(matches!(altered, Err(Error::Damaged { .. })), "{altered:?}");
    })
    .await;
}

/// Two months of a log, and as many partitions: the next month, which is empty, is planned as it comes.
async fn two_months(pool: &Pool) {
    filled(pool, 4_000).await;
    let next: String = pool
        .run("SELECT max(relname::text) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'audit_events'::regclass")
        .scalar()
        .await
        .expect("named");
    let old = Utc::now() - TimeDelta::days(400);
    let sql = format!(
        "DROP TABLE {next}; CREATE TABLE audit_events_2020_01 PARTITION OF audit_events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01'); \
         UPDATE audit_events SET sequenced_at = '2020-01-15', occurred_at = '{}'::timestamptz + leaf * interval '1 s', actor = 'a' || leaf % 50, \
         action = 'b' || leaf % 50, entity_type = 'c' || leaf % 50, subject = 'd' || leaf % 50 WHERE leaf < 2000; \
         UPDATE audit_events SET actor = 'a' || leaf % 50, action = 'b' || leaf % 50, entity_type = 'c' || leaf % 50, \
         subject = 'd' || leaf % 50 WHERE leaf >= 2000; ANALYZE audit_events",
        old.to_rfc3339()
    );
    tamper(pool, &sql).await;
}

#[tokio::test]
async fn each_plain_search_is_served_by_its_index_in_every_month() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        two_months(&pool).await;
        for (search, index) in [
            (Search::new(), "occurred_at_id_idx"),
            (Search::new().actor("a7"), "actor_occurred_at_id_idx"),
            (Search::new().action("b7"), "action_occurred_at_id_idx"),
            (Search::new().entity_type("c7").entity_id("107"), "entity_type_entity_id_occurred_at_id_idx"),
            (Search::new().subject("d7"), "subject_occurred_at_id_idx"),
            (Search::new().from(Utc::now() - TimeDelta::hours(1)), "occurred_at_id_idx"),
            (Search::new().text("x"), "occurred_at_id_idx"),
        ] {
            for order in [SearchOrder::NewestFirst, SearchOrder::OldestFirst] {
                let search = search.clone().order(order).limit(20);
                let next = page(&pool, &search, None).await.next;
                for cursor in [None, next.as_deref()] {
                    let mut lease = pool.acquire().await.expect("a lease");
                    let plan = search.explain(&mut lease, cursor).await.expect("a plan");
                    assert_eq!(plan.matches(index).count(), 2, "{search:?}: {plan}");
                    assert!(!plan.contains("Seq Scan on audit_events"), "{search:?}: {plan}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn two_events_of_one_number_with_places_of_their_own_are_both_found() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 3).await;
        tamper(
            &pool,
            "UPDATE audit_events SET (id, occurred_at) = (SELECT id, occurred_at FROM audit_events WHERE leaf = 0) WHERE leaf = 1",
        )
        .await;
        let mut lease = pool.acquire().await.expect("a lease");
        let page = Search::new().page(&mut lease, None).await.expect("found");
        let mut leaves: Vec<_> = page.events.iter().map(|event| event.leaf).collect();
        leaves.sort_unstable();
        assert_eq!(leaves, [Some(0), Some(1), Some(2)]);
    })
    .await;
}
