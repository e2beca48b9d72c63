//! Checks of pull requests.

use crate::task;
use db_model::pr_validation::{NewPrValidation, TASK, of_pull_request, set_status};
use db_model::{Error, PrValidationStatus, repository};
use db_testkit::fresh_db;
use serde_json::json;

#[tokio::test]
async fn a_check_runs_and_is_run_again() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let id = task(&mut conn, "check").await.id;
        let new =
            NewPrValidation::new("a/b", 7).task_id(id).branch_name("fix").webhook_payload(json!({"n": 7}));
        let check = repository::insert(&mut conn, &new).await.expect("inserted");
        assert_eq!((check.status, check.version), (PrValidationStatus::Pending, 1));
        assert_eq!(check.webhook_payload, Some(json!({"n": 7})));

        set_status(&mut conn, check.id, PrValidationStatus::Running, None).await.expect("running");
        let results = json!({"lint": "no"});
        let failed = set_status(&mut conn, check.id, PrValidationStatus::Failed, Some(&results)).await;
        let failed = failed.expect("failed");
        assert_eq!((&failed.validation_results, failed.version), (&results, 3));
        let again = set_status(&mut conn, check.id, PrValidationStatus::Pending, None).await.expect("again");
        assert_eq!(again.validation_results, results, "kept until there are new ones");
        set_status(&mut conn, check.id, PrValidationStatus::Passed, None).await.expect("passed");
        let error = set_status(&mut conn, check.id, PrValidationStatus::Pending, None).await;
        assert!(matches!(error, Err(Error::Transition { from: "passed", to: "pending", .. })), "{error:?}");

        let newer = repository::insert(&mut conn, &NewPrValidation::new("a/b", 7)).await.expect("inserted");
        repository::insert(&mut conn, &NewPrValidation::new("a/c", 7)).await.expect("inserted");
        let checks = of_pull_request(&mut conn, "a/b", 7, 10).await.expect("a list");
        assert_eq!(checks.iter().map(|check| check.id).collect::<Vec<_>>(), [newer.id, check.id]);
        let mut tasks = TASK.of(&checks);
        assert_eq!(tasks.get(&mut conn, &checks[0]).await.expect("loaded"), None);
        assert_eq!(tasks.get(&mut conn, &checks[1]).await.expect("loaded").map(|task| task.id), Some(id));
    })
    .await;
}
