//! Error logs.

use crate::{run, task};
use db_model::ErrorType;
use db_model::error_log::{ErrorLogFilter, NewErrorLog, insert_many, list};
use db_testkit::fresh_db;
use serde_json::json;

#[tokio::test]
async fn every_type_is_inserted_and_listed() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let id = task(&mut conn, "t").await.id;
        let new: Vec<_> = ErrorType::ALL
            .iter()
            .map(|error_type| NewErrorLog {
                task_id: Some(id),
                error_stack: Some("at main".into()),
                context: json!({"n": 1}),
                ..NewErrorLog::new(*error_type).error_message("it broke")
            })
            .collect();
        assert_eq!(insert_many(&mut conn, &new).await.expect("inserted"), 8);

        let network = ErrorLogFilter { error_type: Some(ErrorType::Network), ..ErrorLogFilter::default() };
        let [found] = &list(&mut conn, &network).await.expect("a list")[..] else { panic!("one") };
        assert_eq!((found.task_id, found.error_message.as_deref()), (Some(id), Some("it broke")));
        assert_eq!((found.error_stack.as_deref(), &found.context), (Some("at main"), &json!({"n": 1})));
        assert_eq!((found.resolved, found.recovery_attempts, found.execution_id), (false, 0, None));

        let resolved = ErrorLogFilter { resolved: Some(true), ..ErrorLogFilter::default() };
        assert!(list(&mut conn, &resolved).await.expect("a list").is_empty());
        // An error outlives its task.
        run(&mut conn, "DELETE FROM tasks").await;
        let all = list(&mut conn, &ErrorLogFilter::default()).await.expect("a list");
        assert_eq!((all.len(), all[0].task_id), (8, None));
    })
    .await;
}
