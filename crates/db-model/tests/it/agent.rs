//! Agents, their measurements, decisions, plans, and what they learn.

use db_model::agent::{self, Agent, AgentStatus, NewAgent};
use db_model::agent_metric::{self, NewAgentMetric, SpanLength};
use db_model::decision::{self, DecisionStatus, NewDecision};
use db_model::learning::{self, NewLearningEvent};
use db_model::plan::{self, NewPlan, PlanStatus, Step, StepStatus};
use db_model::{AgentId, Error, repository};
use db_testkit::fresh_db;
use serde_json::json;
use sqlx::PgConnection;
use std::time::Duration;

async fn an_agent(conn: &mut PgConnection, name: &str) -> Agent {
    let new = NewAgent::new(name, "worker").capabilities(vec!["read".to_owned(), "write".to_owned()]);
    repository::insert(conn, &new).await.expect("inserted")
}

#[tokio::test]
async fn an_agent_lives_or_is_silent() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let one = an_agent(&mut conn, "one").await;
        assert_eq!(agent::by_name(&mut conn, "one").await.expect("asked"), Some(one.clone()));
        assert_eq!(agent::silent(&mut conn, Duration::ZERO, 9).await.expect("asked").len(), 1);
        assert_eq!(agent::silent(&mut conn, Duration::from_secs(60), 9).await.expect("asked"), []);
        assert!(agent::heartbeat(&mut conn, one.id).await.expect("noted"));
        assert!(!agent::heartbeat(&mut conn, AgentId::generate()).await.expect("nobody"));
        let alive: Agent = repository::get(&mut conn, &one.id).await.expect("asked").expect("there");
        assert!(alive.last_heartbeat_at.is_some());
        assert_eq!(alive.version, 1, "a sign of life is no change");
        let stopped = repository::set_status::<Agent>(&mut conn, &one.id, AgentStatus::Stopped).await;
        assert_eq!(stopped.expect("legal").status, AgentStatus::Stopped);
        assert_eq!(agent::silent(&mut conn, Duration::ZERO, 9).await.expect("asked"), []);
        let error =
            repository::set_status::<Agent>(&mut conn, &one.id, AgentStatus::Active).await.unwrap_err();
        assert!(matches!(error, Error::Transition { from: "stopped", to: "active", .. }), "{error}");
        assert_eq!(agent::with_capabilities(&mut conn, &["read"], 9).await.expect("asked").len(), 1);
        assert_eq!(agent::with_capabilities(&mut conn, &["read", "fly"], 9).await.expect("asked"), []);
    })
    .await;
}

#[tokio::test]
async fn measurements_are_summed_up_by_span() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let agent = an_agent(&mut conn, "one").await;
        let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().expect("a time");
        let measured = |time: &str, value: f64| {
            NewAgentMetric::new(agent.id, "latency", value).unit("ms").recorded_at(at(time))
        };
        let metrics = [
            measured("2026-01-01T10:00:00Z", 1.0),
            measured("2026-01-01T10:59:59Z", 3.0),
            measured("2026-01-01T12:00:00Z", 10.0),
            measured("2026-01-02T00:00:00Z", 99.0),
        ];
        repository::copy_in(&mut conn, metrics).await.expect("copied");
        let latest = agent_metric::latest(&mut conn, agent.id, "latency", 2).await.expect("asked");
        assert_eq!(latest.iter().map(|metric| metric.value).collect::<Vec<_>>(), [99.0, 10.0]);
        let (from, until) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
        let hours = agent_metric::spans(&mut conn, agent.id, "latency", from, until, SpanLength::Hour)
            .await
            .expect("asked");
        let told: Vec<_> = hours.iter().map(|span| (span.count, span.average, span.p50, span.most)).collect();
        assert_eq!(told, [(2, 2.0, 2.0, 3.0), (1, 10.0, 10.0, 10.0)]);
        assert_eq!(hours[0].begins_at, at("2026-01-01T10:00:00Z"));
        assert_eq!(agent_metric::forget_before(&mut conn, until).await.expect("deleted"), 3);
        let infinite = NewAgentMetric::new(agent.id, "latency", f64::INFINITY);
        let error = repository::insert(&mut conn, &infinite).await.unwrap_err();
        assert_eq!(error.constraint(), Some("agent_metrics_value_check"));
    })
    .await;
}

#[tokio::test]
async fn a_decision_turns_out() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let agent = an_agent(&mut conn, "one").await;
        let new = NewDecision::new("deploy", "wait").agent_id(agent.id).options(json!(["go", "wait"]));
        let made = repository::insert(&mut conn, &new).await.expect("inserted");
        assert_eq!(decision::open(&mut conn, 9).await.expect("asked"), std::slice::from_ref(&made));
        let outcome = json!({"saved": true});
        let well = decision::resolve(&mut conn, made.id, DecisionStatus::Succeeded, Some(&outcome)).await;
        let well = well.expect("legal");
        assert_eq!((well.outcome.as_ref(), well.resolved_at.is_some()), (Some(&outcome), true));
        assert_eq!(decision::open(&mut conn, 9).await.expect("asked"), []);
        let error = decision::resolve(&mut conn, made.id, DecisionStatus::Failed, None).await.unwrap_err();
        assert!(matches!(error, Error::Transition { .. }), "{error}");
        let back =
            decision::resolve(&mut conn, made.id, DecisionStatus::Reverted, None).await.expect("legal");
        assert_eq!(back.outcome, Some(outcome), "what was known stays");
        assert_eq!(decision::of_agent(&mut conn, agent.id, 9).await.expect("asked"), [back]);
    })
    .await;
}

fn step(title: &str, depends_on: &[i16]) -> Step {
    Step { title: title.to_owned(), depends_on: depends_on.to_vec() }
}

#[tokio::test]
async fn a_plan_is_followed_step_by_step() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = NewPlan::new("Ship it");
        let steps = [step("build", &[]), step("test", &[1]), step("docs", &[]), step("ship", &[2, 3])];
        let made = plan::insert(&mut conn, &new, &steps).await.expect("inserted");
        assert_eq!(made.status, PlanStatus::Draft);
        let ready = |steps: &[plan::PlanStep]| -> Vec<String> {
            plan::ready(steps).into_iter().map(|step| step.title.clone()).collect()
        };
        assert_eq!(plan::steps(&mut conn, made.id, 1).await.expect("asked").len(), 1);
        let steps = plan::steps(&mut conn, made.id, 9).await.expect("asked");
        assert_eq!(ready(&steps), ["build", "docs"]);
        for (position, to) in [(0, StepStatus::Running), (0, StepStatus::Done), (2, StepStatus::Skipped)] {
            plan::set_step_status(&mut conn, steps[position].id, to, Some(&json!(1))).await.expect("legal");
        }
        let steps = plan::steps(&mut conn, made.id, 9).await.expect("asked");
        assert_eq!(ready(&steps), ["test"]);
        let error = plan::set_step_status(&mut conn, steps[1].id, StepStatus::Done, None).await.unwrap_err();
        assert!(matches!(error, Error::Transition { from: "pending", to: "done", .. }), "{error}");
        plan::set_status(&mut conn, made.id, PlanStatus::Active).await.expect("legal");
        let done = plan::set_status(&mut conn, made.id, PlanStatus::Completed).await.expect("legal");
        assert!(done.completed_at.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_plan_with_a_step_that_waits_for_a_later_one_is_refused() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        for depends_on in [-1, 0, 2, 3] {
            let steps = [step("first", &[]), step("second", &[depends_on])];
            let error = plan::insert(&mut conn, &NewPlan::new("No"), &steps).await.unwrap_err();
            assert!(matches!(error, Error::UnknownStep { position: 2, .. }), "{error}");
        }
        let none = repository::count::<plan::Plan>(&mut conn, |plans| plans).await.expect("asked");
        assert_eq!(none, 0, "nothing is written");
    })
    .await;
}

#[tokio::test]
async fn a_plan_with_more_steps_than_positions_is_refused() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let steps = vec![step("again", &[]); 32_768];
        let error = plan::insert(&mut conn, &NewPlan::new("No"), &steps).await.unwrap_err();
        assert!(matches!(error, Error::TooMany { most: 32_767, given: 32_768, .. }), "{error}");
        let none = repository::count::<plan::Plan>(&mut conn, |plans| plans).await.expect("asked");
        assert_eq!(none, 0, "nothing is written");
    })
    .await;
}

#[tokio::test]
async fn a_pattern_that_is_seen_again_counts() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let agent = an_agent(&mut conn, "one").await;
        let event = NewLearningEvent::new("retry").agent_id(agent.id).reward(-1.0);
        repository::insert(&mut conn, &event).await.expect("inserted");
        assert_eq!(learning::events_of_type(&mut conn, "retry", 9).await.expect("asked").len(), 1);
        assert_eq!(learning::events_of_agent(&mut conn, agent.id, 9).await.expect("asked").len(), 1);
        let seen = learning::observe(&mut conn, "timing", "mondays", &json!({"slow": 1}), 0.4).await;
        let seen = seen.expect("inserted");
        assert_eq!((seen.occurrences, seen.version), (1, 1));
        let again = learning::observe(&mut conn, "timing", "mondays", &json!({"slow": 2}), 0.6).await;
        let again = again.expect("counted");
        assert_eq!((again.id, again.occurrences, again.version), (seen.id, 2, 2));
        assert_eq!((again.pattern.clone(), again.first_seen_at), (json!({"slow": 2}), seen.first_seen_at));
        learning::observe(&mut conn, "timing", "fridays", &json!({}), 0.9).await.expect("inserted");
        let active = learning::active(&mut conn, "timing", 9).await.expect("asked");
        assert_eq!(
            active.iter().map(|pattern| pattern.name.as_str()).collect::<Vec<_>>(),
            ["fridays", "mondays"]
        );
    })
    .await;
}
