//! What the handle audits, with the keys that the configuration names.

use db_facade::{
    Database, Error,
    db_config::{Config, Loader},
    db_security::audit::{self, CheckpointSigner, Event, Verification, parse_checkpoints, verify},
};
use db_testkit::{FreshDb, Webhook, eventually, fresh_db};
use serde_json::json;

const MASTER: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const OTHER: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

fn config(db: &FreshDb, settings: &[(&str, &str)]) -> Config {
    let all = [("DATABASE_URL", db.url())].into_iter().chain(settings.iter().copied());
    Loader::new().env(all).load().expect("valid")
}

#[tokio::test]
async fn what_is_recorded_is_stored_placed_and_signed_before_the_handle_is_closed() {
    fresh_db(|fresh| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let (checkpoints, spool) = (folder.path().join("checkpoints"), folder.path().join("spool"));
        let signer = CheckpointSigner::from_seed("example.org/audit", &[1; 32]).expect("a name");
        let settings = [
            ("DB_AUDIT_MASTER_KEY", MASTER),
            ("DB_AUDIT_SIGNING_KEY", signer.to_secret().expose()),
            ("DB_AUDIT_CHECKPOINT_FILE", checkpoints.to_str().expect("a path")),
            ("DB_AUDIT_SPOOL", spool.to_str().expect("a path")),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let db = Database::builder().config(config(&fresh, &settings)).build().await.expect("connected");
        let writer = db.audit().expect("auditing is on unless it is put off");
        let told = Event::create("users", "42", json!({"plan": "free"}))
            .personal("u42", json!({"email": "a@example.org"}));
        writer.record(told).await.expect("taken").stored().await.expect("stored");
        eventually("it has its place", async || {
            db.nudge_audit();
            db.pool().run("SELECT size FROM audit_tree").scalar::<i64>().await.is_ok_and(|size| size == 1)
        })
        .await;
        assert!(db.health().await.findings.iter().any(|finding| finding.probe == "audit"));
        writer.task_start("t1").await.expect("taken");
        let pool = db_pool::Pool::connect_url(fresh.url()).await.expect("connected");
        db.close().await;
        let kept = parse_checkpoints(&std::fs::read_to_string(&checkpoints).expect("written")).checkpoints;
        let last = kept.last().expect("signed at the end").clone();
        assert_eq!(last.checkpoint().size, 2);
        let by = Verification::new().signed_by(signer.verifier()).witnessed(last);
        let verdict = verify(&pool, &by, |_, _| {}).await.expect("verified");
        assert!(verdict.is_sound() && verdict.events == 2 && verdict.waiting == 0, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_told_before_anything_is_written() {
    fresh_db(|fresh| async move {
        let db = Database::builder()
            .config(config(&fresh, &[("DB_AUDIT_MASTER_KEY", MASTER)]))
            .build()
            .await
            .expect("connected");
        let told = Event::new("a", "t").personal("u42", json!({}));
        db.audit().expect("on").record(told).await.expect("taken").stored().await.expect("stored");
        db.close().await;
        let wrong =
            Database::builder().config(config(&fresh, &[("DB_AUDIT_MASTER_KEY", OTHER)])).build().await;
        assert!(matches!(wrong, Err(Error::Audit(audit::Error::WrongMasterKey))), "{wrong:?}");
        let none =
            Database::builder().config(config(&fresh, &[("DB_AUDIT_MASTER_KEY", "hunter2")])).build().await;
        let error = none.expect_err("no key");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn where_auditing_is_off_there_is_no_writer() {
    fresh_db(|fresh| async move {
        let settings = [("DB_ENABLE_AUDIT_LOGGING", "false")];
        let db = Database::builder().config(config(&fresh, &settings)).build().await.expect("connected");
        assert!(db.audit().is_none());
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_process_that_looks_after_the_database_audits_nothing() {
    fresh_db(|fresh| async move {
        let db =
            Database::builder().config(config(&fresh, &[])).unaudited().build().await.expect("connected");
        assert!(db.audit().is_none());
        assert!(!db.health().await.findings.iter().any(|finding| finding.probe.starts_with("audit")));
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_process_may_leave_it_to_another_to_give_events_their_places() {
    fresh_db(|fresh| async move {
        let settings = [("DB_AUDIT_SEQUENCE", "false")];
        let db = Database::builder().config(config(&fresh, &settings)).build().await.expect("connected");
        db.audit().expect("on").task_start("t1").await.expect("taken").stored().await.expect("stored");
        db.nudge_audit();
        let probes: Vec<_> =
            db.health().await.findings.iter().map(|finding| finding.probe.to_string()).collect();
        assert!(
            probes.contains(&"audit writer".to_owned()) && !probes.contains(&"audit".to_owned()),
            "{probes:?}"
        );
        db.close().await;
        let pool = db_pool::Pool::connect_url(fresh.url()).await.expect("connected");
        let verdict = verify(&pool, &Verification::new(), |_, _| {}).await.expect("verified");
        assert_eq!((verdict.size, verdict.waiting), (0, 1));
    })
    .await;
}

#[cfg(feature = "audit-webhook")]
#[tokio::test]
async fn checkpoints_are_posted_to_where_the_configuration_says() {
    fresh_db(|fresh| async move {
        let server = Webhook::start("200 OK").expect("a port");
        let signer = CheckpointSigner::from_seed("example.org/audit", &[1; 32]).expect("a name");
        let address = format!("http://127.0.0.1:{}/", server.port());
        let settings = [
            ("DB_AUDIT_SIGNING_KEY", signer.to_secret().expose().to_owned()),
            ("DB_AUDIT_CHECKPOINT_WEBHOOK", address),
        ];
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let db = Database::builder().config(config(&fresh, &settings)).build().await.expect("connected");
        db.audit().expect("on").task_start("t1").await.expect("taken").stored().await.expect("stored");
        db.close().await;
        let asked = server.asked();
        let [Ok(asked)] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!(parse_checkpoints(&asked.body).checkpoints[0].checkpoint().size, 1);
    })
    .await;
}

#[cfg(feature = "audit-webhook")]
#[tokio::test]
async fn an_address_that_cannot_be_posted_to_is_told_before_anything_begins() {
    fresh_db(|fresh| async move {
        let settings = [("DB_AUDIT_CHECKPOINT_WEBHOOK", "http://me:hunter2@elsewhere.example/hook")];
        let refused =
            Database::builder().config(config(&fresh, &settings)).build().await.expect_err("refused");
        let told = db_core::with_causes(&refused);
        assert!(
            told.contains("audit.checkpoint_webhook") && told.contains("http://elsewhere.example"),
            "{told}"
        );
        assert!(!told.contains("hunter2") && !format!("{refused:?}").contains("hunter2"), "{told}");
    })
    .await;
}
