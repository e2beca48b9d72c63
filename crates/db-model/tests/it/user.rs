//! Users.

use db_model::repository;
use db_model::user::{NewUser, User, UserStatus, by_email, by_username};
use db_testkit::fresh_db;

#[tokio::test]
async fn a_user_is_found_by_address_and_name_whatever_the_case() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let new = NewUser::new("Ada@Example.org").username("ada").role("admin");
        let ada = repository::insert(&mut conn, &new).await.expect("inserted");
        assert_eq!((ada.id, ada.email.as_str(), ada.role.as_str()), (new.id, "Ada@Example.org", "admin"));
        assert_eq!((ada.status, ada.version, ada.failed_logins), (UserStatus::Pending, 1, 0));
        assert_eq!(by_email(&mut conn, "aDA@example.ORG").await.expect("asked"), Some(ada.clone()));
        assert_eq!(by_username(&mut conn, "ADA").await.expect("asked"), Some(ada.clone()));
        assert_eq!(by_username(&mut conn, "eve").await.expect("asked"), None);

        repository::soft_delete::<User>(&mut conn, &ada.id).await.expect("deleted");
        assert_eq!(by_email(&mut conn, "ada@example.org").await.expect("asked"), None);
    })
    .await;
}

#[test]
fn a_user_never_tells_the_hash_of_the_password() {
    let columns = <User as db_model::entity::Record>::COLUMNS;
    assert!(!columns.iter().any(|column| column.contains("password")), "{columns:?}");
    assert!(!format!("{:?}", NewUser::new("a@b")).contains("password"));
}
