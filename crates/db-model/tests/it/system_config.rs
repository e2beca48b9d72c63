//! Settings.

use db_model::Error;
use db_model::system_config::{NewSetting, Setting, get, list, set, update};
use db_testkit::fresh_db;
use serde_json::json;

#[tokio::test]
async fn a_setting_is_written_over_and_keeps_its_description() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = NewSetting::new("pool.size", 7).description("connections");
        let first = set(&mut conn, &new).await.expect("set");
        assert_eq!((&first.value, first.version), (&json!(7), 1));
        let second = set(&mut conn, &NewSetting::new("pool.size", json!({"max": 9}))).await.expect("set");
        assert_eq!((second.value.clone(), second.version), (json!({"max": 9}), 2));
        assert_eq!(second.description.as_deref(), Some("connections"));
        assert!(second.updated_at > first.updated_at);
        assert_eq!(get(&mut conn, "pool.size").await.expect("read"), Some(second));
        assert_eq!(get(&mut conn, "pool").await.expect("read"), None);
        let error = set(&mut conn, &NewSetting::new("", 1)).await.expect_err("no name");
        assert_eq!(error.to_string(), "system_config refuses key \"\": system_config_key_check");

        for key in ["pool.timeout", "log.level", "pool_"] {
            set(&mut conn, &NewSetting::new(key, true)).await.expect("set");
        }
        let keys =
            |settings: Vec<Setting>| settings.into_iter().map(|setting| setting.key).collect::<Vec<_>>();
        assert_eq!(keys(list(&mut conn, "pool.", 9).await.expect("a list")), ["pool.size", "pool.timeout"]);
        assert_eq!(keys(list(&mut conn, "pool.", 1).await.expect("a list")), ["pool.size"]);
        assert_eq!(list(&mut conn, "", 9).await.expect("a list").len(), 4);
    })
    .await;
}

#[tokio::test]
async fn who_builds_on_an_outdated_value_is_told() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let read = set(&mut conn, &NewSetting::new("pool.size", 7)).await.expect("set");
        set(&mut conn, &NewSetting::new("pool.size", 8)).await.expect("set by another");
        let error = update(&mut conn, &Setting { value: json!(9), ..read }).await.expect_err("outdated");
        assert_eq!(error.to_string(), "system_config pool.size has version 2, not 1");
        let read = get(&mut conn, "pool.size").await.expect("read").expect("there");
        let written = update(&mut conn, &Setting { value: json!(9), ..read }).await.expect("up to date");
        assert_eq!((written.value, written.version), (json!(9), 3));
        let gone = Setting {
            key: "gone".into(),
            value: json!(1),
            ..get(&mut conn, "pool.size").await.expect("read").expect("there")
        };
        assert!(matches!(update(&mut conn, &gone).await, Err(Error::NotFound { .. })));
    })
    .await;
}
