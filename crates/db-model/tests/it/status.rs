//! A status that may not follow is refused before the row is touched.

use db_model::repository::{get, insert, set_status, set_status_with, soft_delete};
use db_model::user::{NewUser, User};
use db_model::{Error, UserId, UserStatus};
use db_query::now;
use db_testkit::fresh_db;
use sqlx::Connection;

#[tokio::test]
async fn an_illegal_change_leaves_row_and_transaction_as_they_were() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let user = insert(&mut conn, &NewUser::new("ada@example.org")).await.expect("inserted");
        let mut tx = conn.begin().await.expect("a transaction");
        let error = set_status::<User>(&mut tx, &user.id, UserStatus::Suspended).await.expect_err("refused");
        assert_eq!(error.to_string(), format!("users {} cannot go from pending to suspended", user.id));
        let error = set_status::<User>(&mut tx, &UserId::generate(), UserStatus::Active).await;
        assert!(matches!(error, Err(Error::NotFound { table: "users", .. })), "{error:?}");
        assert_eq!(get(&mut tx, &user.id).await.expect("the transaction goes on"), Some(user.clone()));

        let active: User = set_status_with(&mut tx, &user.id, UserStatus::Active, |users| {
            users.set_expr("last_login_at", now())
        })
        .await
        .expect("active");
        assert_eq!((active.status, active.version), (UserStatus::Active, 2));
        assert_eq!(active.last_login_at, Some(active.updated_at));
        soft_delete::<User>(&mut tx, &user.id).await.expect("deleted");
        let error = set_status::<User>(&mut tx, &user.id, UserStatus::Closed).await;
        assert!(matches!(error, Err(Error::NotFound { .. })), "{error:?}");
    })
    .await;
}
