//! Reports count each event once, and say when there is more.

use super::log::{drain, pool, record_all};
use chrono::{DateTime, TimeDelta, Utc};
use db_pool::Pool;
use db_security::audit::{ActivityBy, Error, Event, Outcome, ReportSpan, activity, denied, tasks};
use db_testkit::fresh_db;
use std::time::Duration;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_769_600 + second, 0).expect("a time")
}

fn span(rows: u32) -> ReportSpan {
    ReportSpan::new(at(0), at(400_000), rows).expect("a span")
}

/// Half of them get their places, and what is sent again counts once.
async fn recorded(pool: &Pool, events: Vec<Event>) {
    let (early, late) = events.split_at(events.len() / 2);
    record_all(pool, early.to_vec()).await;
    drain(pool).await;
    const AGAIN: &str = "INSERT INTO audit_inbox (id, occurred_at, actor, action, entity_type, entity_id, outcome, is_repeated) \
        SELECT id, occurred_at, actor, action, entity_type, entity_id, outcome, true FROM audit_events";
    pool.run(AGAIN).none().await.expect("sent again");
    record_all(pool, late.to_vec()).await;
}

#[tokio::test]
async fn activity_is_counted_by_what_is_asked_for() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let on =
            |actor: &str, action: &str, second| Event::new(action, "t").actor(actor).occurred_at(at(second));
        let events = vec![
            on("ann", "read", 1),
            on("ann", "read", 2),
            on("ann", "login", 3).outcome(Outcome::Denied),
            on("ann", "read", 90_000).outcome(Outcome::Failure),
            on("bob", "read", 5),
            on("bob", "read", -1),
            Event::new("read", "t").occurred_at(at(6)),
        ];
        recorded(&pool, events).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let all = activity(&mut lease, &span(100), &[]).await.expect("counted");
        assert_eq!(
            (all.rows.len(), all.rows[0].events, all.rows[0].failures, all.rows[0].denied),
            (1, 6, 1, 1)
        );
        assert_eq!(all.rows[0].last, at(90_000));
        let by = [ActivityBy::Actor, ActivityBy::Action];
        let rows = activity(&mut lease, &span(100), &by).await.expect("counted").rows;
        let shown: Vec<_> =
            rows.iter().map(|row| (row.actor.as_deref(), row.action.as_deref(), row.events)).collect();
        assert_eq!(
            shown,
            [
                (Some("ann"), Some("read"), 3),
                (Some("ann"), Some("login"), 1),
                (Some("bob"), Some("read"), 1),
                (None, Some("read"), 1)
            ]
        );
        let days = activity(&mut lease, &span(100), &[ActivityBy::Day]).await.expect("counted").rows;
        assert_eq!(days.iter().map(|row| row.events).collect::<Vec<_>>(), [1, 5]);
        let cut = activity(&mut lease, &span(2), &by).await.expect("counted");
        assert!(cut.rows.len() == 2 && cut.is_cut);
        assert!(!activity(&mut lease, &span(4), &by).await.expect("counted").is_cut);
    })
    .await;
}

#[tokio::test]
async fn what_was_refused_is_counted_by_who_and_what() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let on = |actor: &str, id: &str, outcome, second| {
            Event::read("files", id).actor(actor).outcome(outcome).occurred_at(at(second))
        };
        let events = vec![
            on("eve", "1", Outcome::Denied, 1),
            on("eve", "1", Outcome::Denied, 7),
            on("eve", "1", Outcome::Failure, 3),
            on("eve", "2", Outcome::Denied, 4),
            on("ann", "1", Outcome::Success, 5),
            on("ann", "1", Outcome::Failure, 6),
        ];
        recorded(&pool, events).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let rows = denied(&mut lease, &span(100)).await.expect("counted").rows;
        assert_eq!(rows.len(), 3, "{rows:?}");
        let first = &rows[0];
        assert_eq!((first.actor.as_deref(), first.entity_id.as_deref()), (Some("eve"), Some("1")));
        assert_eq!((first.denied, first.failures, first.first, first.last), (2, 1, at(1), at(7)));
        assert!(denied(&mut lease, &span(2)).await.expect("counted").is_cut);
    })
    .await;
}

#[tokio::test]
async fn a_task_takes_from_its_start_to_its_end() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let long = Duration::from_secs(999);
        let mut events = Vec::new();
        for task in 0..100 {
            events.push(Event::task_start(task).occurred_at(at(task * 10)));
            events.push(Event::task_complete(task, long).occurred_at(at(task * 10 + task + 1)));
        }
        // Begun before the span, begun anew after a failure, ended twice, never begun, never ended.
        events.push(Event::task_start("early").occurred_at(at(-50)));
        events.push(Event::task_fail("early", long, "x").occurred_at(at(150)));
        events.push(Event::task_start("early").occurred_at(at(160)));
        events.push(Event::task_complete("early", long).occurred_at(at(460)));
        events.push(Event::task_complete("early", Duration::from_secs(1)).occurred_at(at(470)));
        events.push(Event::new("task.complete", "tasks").entity("unbegun").occurred_at(at(480)));
        events.push(Event::task_start("endless").occurred_at(at(490)));
        recorded(&pool, events).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let report = tasks(&mut lease, &span(3)).await.expect("reported");
        let [kind] = &report.kinds[..] else { panic!("{report:?}") };
        assert_eq!((kind.completed, kind.failed, kind.untimed), (103, 1, 1));
        assert_eq!(kind.max, Some(300.0));
        assert!(kind.p50.is_some_and(|p50| (50.0..53.0).contains(&p50)), "{kind:?}");
        assert!(kind.p50 < kind.p95 && kind.p95 < kind.p99 && kind.p99 < kind.max, "{kind:?}");
        let slowest: Vec<_> = report
            .slowest
            .iter()
            .map(|task| (task.entity_id.as_str(), task.seconds, task.is_completed))
            .collect();
        assert_eq!(slowest, [("early", 300.0, true), ("early", 200.0, false), ("99", 100.0, true)]);
        assert_eq!(report.slowest[1].began, Some(at(-50)));
        assert!(!report.is_cut);
        drop(lease);

        recorded(&pool, vec![Event::new("task.complete", "jobs").entity("1").occurred_at(at(500))]).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let cut = tasks(&mut lease, &span(1)).await.expect("reported");
        assert_eq!((cut.kinds.len(), cut.kinds[0].entity_type.as_str(), cut.is_cut), (1, "tasks", true));
    })
    .await;
}

#[test]
fn a_span_has_limits() {
    for (from, until, rows, part) in [
        (at(5), at(5), 1, "until"),
        (at(5), at(4), 1, "until"),
        (at(0), at(0) + TimeDelta::days(401), 1, "from"),
        (at(0), at(1), 0, "rows"),
        (at(0), at(1), 10_001, "rows"),
    ] {
        let refused = ReportSpan::new(from, until, rows);
        assert!(
            matches!(&refused, Err(Error::Search { field, .. }) if *field == part),
            "{part}: {refused:?}"
        );
    }
}
