//! Events that concern security.

use db_model::security_event::{self, NewSecurityEvent, Severity};
use db_model::{Error, repository};
use db_testkit::fresh_db;

#[tokio::test]
async fn an_event_is_dealt_with_once() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = NewSecurityEvent::new("login.failed").severity(Severity::High).actor("eve");
        let event = repository::insert(&mut conn, &new).await.expect("inserted");
        assert_eq!(
            security_event::open(&mut conn, Severity::High, 9).await.expect("asked"),
            std::slice::from_ref(&event)
        );
        assert_eq!(security_event::open(&mut conn, Severity::Low, 9).await.expect("asked"), []);
        let resolved = security_event::resolve(&mut conn, event.id, "ada").await.expect("resolved");
        assert_eq!(resolved.resolved_by.as_deref(), Some("ada"));
        let error = security_event::resolve(&mut conn, event.id, "bob").await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        assert_eq!(security_event::open(&mut conn, Severity::High, 9).await.expect("asked"), []);
    })
    .await;
}
