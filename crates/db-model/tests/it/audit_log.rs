//! The general trail.

use db_model::audit_log::{NewAuditLog, append, by_user, history};
use db_model::views::recent_activity;
use db_testkit::fresh_db;
use serde_json::json;

#[tokio::test]
async fn entries_are_appended_and_read_back_by_entity_and_by_user() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new =
            NewAuditLog::new("system_config", "pool.size", "insert").new_values(json!(7)).user_id("ada");
        let first = append(&mut conn, &new).await.expect("appended");
        assert_eq!((&first.new_values, &first.old_values), (&Some(json!(7)), &None));
        let new =
            NewAuditLog::new("system_config", "pool.size", "update").old_values(json!(7)).user_id("bob");
        let second = append(&mut conn, &new).await.expect("appended");
        append(&mut conn, &NewAuditLog::new("tasks", "pool.size", "update").user_id("ada"))
            .await
            .expect("appended");

        let entries = history(&mut conn, "system_config", "pool.size", 10).await.expect("a list");
        assert_eq!(entries, [second.clone(), first.clone()]);
        assert_eq!(history(&mut conn, "system_config", "pool.size", 1).await.expect("a list"), [second]);
        let by_ada = by_user(&mut conn, "ada", 10).await.expect("a list");
        assert_eq!((by_ada.len(), &by_ada[1]), (2, &first));
        assert_eq!(recent_activity(&mut conn, 2).await.expect("a list").len(), 2);
        let error = append(&mut conn, &NewAuditLog::new("", "1", "update")).await.expect_err("no type");
        assert_eq!(error.constraint(), Some("audit_logs_entity_type_check"));
    })
    .await;
}
