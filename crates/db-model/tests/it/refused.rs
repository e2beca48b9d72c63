//! Bad input is a typed error that names it, and nothing is written.

use crate::task;
use db_core::{Classify, Retry};
use db_model::pr_validation::{NewPrValidation, PrValidation};
use db_model::repository::{count, find, find_one, insert, update};
use db_model::task::{NewTask, Task};
use db_model::user::{NewUser, User};
use db_model::{CATALOGUE, Error};
use db_query::{BuildError, Op, asc, col};
use db_testkit::fresh_db;

fn check(error: &Error, text: &str) {
    assert_eq!(error.to_string(), text);
    assert_eq!(error.retry(), Retry::Never);
}

#[tokio::test]
async fn a_value_out_of_its_range_is_named() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let error = insert(&mut conn, &NewPrValidation::new("a/b", -7)).await.expect_err("refused");
        check(&error, "pr_validations refuses pr_number -7: pr_validations_pr_number_check");
        assert_eq!(error.constraint(), Some("pr_validations_pr_number_check"));
        let error = insert(&mut conn, &NewUser::new("ada")).await.expect_err("refused");
        check(&error, "users refuses email \"ada\": users_email_check");
        let error = insert(&mut conn, &NewUser::new("x".repeat(500))).await.expect_err("refused");
        check(&error, &format!("users refuses email \"{}…: users_email_check", "x".repeat(99)));
        let error = insert(&mut conn, &NewTask::new("")).await.expect_err("refused");
        check(&error, "tasks refuses title \"\": tasks_title_check");
        assert_eq!(count::<User>(&mut conn, |users| users).await.expect("counted"), 0);
        assert_eq!(count::<PrValidation>(&mut conn, |all| all).await.expect("counted"), 0);

        let ada = insert(&mut conn, &NewUser::new("ada@example.org")).await.expect("inserted");
        let error =
            update(&mut conn, &User { role: String::new(), ..ada.clone() }).await.expect_err("refused");
        check(&error, "users refuses role \"\": users_role_check");
        let error = insert(&mut conn, &NewUser::new("ADA@example.org")).await.expect_err("refused");
        check(&error, "users refuses email \"ADA@example.org\": users_email_idx");
    })
    .await;
}

#[tokio::test]
async fn a_value_that_no_column_holds_is_told_from_a_lost_connection() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let nul = find::<User>(&mut conn, |users| users.filter(col("username").eq("a\0b"))).await;
        check(&nul.expect_err("refused"), "users refuses a text with a NUL");
        // More than an index entry holds, and in no way to be made small.
        let key: String = (0..3_000_u32).map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761))).collect();
        let long = insert(&mut conn, &NewTask::new("t").unique_key(key)).await.expect_err("refused");
        check(&long, "tasks refuses a value that is too large for an index");
        insert(&mut conn, &NewTask::new("no number")).await.expect("inserted");
        let number = || col("title").cast(db_query::SqlType::Int4);
        let word = find::<Task>(&mut conn, |tasks| tasks.filter(number().eq(1))).await;
        check(&word.expect_err("refused"), "tasks refuses a text that is no value of its type");
    })
    .await;
}

#[tokio::test]
async fn a_row_that_another_refers_to_is_not_deleted() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let parent = task(&mut conn, "t").await.id;
        let new = NewTask::new("t").parent_task_id(parent).id(parent);
        let error = insert(&mut conn, &new).await.expect_err("its own parent, and a key twice");
        assert!(matches!(&error, Error::Refused { column: None, value: None, .. }), "{error:?}");
        assert!(error.to_string().starts_with("tasks refuses the row: tasks_p"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_column_is_named_with_the_nearest() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let expected = r#"table "users" has no column "user_name"; did you mean "username"?"#;
        let error = find::<User>(&mut conn, |users| users.filter(col("user_name").eq("x"))).await;
        check(&error.expect_err("refused"), expected);
        let error = find_one::<User>(&mut conn, |users| users.order_by(asc("user_name"))).await;
        check(&error.expect_err("refused"), expected);
        let error = count::<User>(&mut conn, |users| users.filter(col("user_name").is_null())).await;
        check(&error.expect_err("refused"), expected);
        let error = find::<User>(&mut conn, |users| users.join("user", col("user.id").eq_col("users.id")));
        let error = error.await.expect_err("refused");
        assert!(matches!(&error, Error::Statement(BuildError::UnknownTable { .. })), "{error}");
        let error = find::<User>(&mut conn, |users| users.filter(col("a\0").is_null())).await;
        assert!(matches!(&error, Err(Error::Statement(BuildError::Ident { .. }))), "{error:?}");
        assert!(matches!("LIK".parse::<Op>(), Err(BuildError::UnknownOp { .. })));
        assert!(CATALOGUE.iter().any(|table| table.name() == "users"));
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_told_from_a_refusal() {
    fresh_db(|db| async move {
        let (mut conn, mut other) = (db.connect().await, db.connect().await);
        let pid: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut conn).await.expect("a pid");
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut other).await.expect("ended");
        let error = count::<Task>(&mut conn, |tasks| tasks).await.expect_err("the session has ended");
        assert_eq!((error.to_string().as_str(), error.retry()), ("cannot count tasks", Retry::Reconnect));
        let error = count::<Task>(&mut conn, |tasks| tasks).await.expect_err("the connection is gone");
        assert_eq!(error.retry(), Retry::Reconnect, "{error:?}");
    })
    .await;
}
