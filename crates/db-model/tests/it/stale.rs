//! A row that somebody else has changed is not written over.

use db_model::repository::{delete, get, insert, set_status, update};
use db_model::user::{NewUser, User};
use db_model::{Error, UserStatus};
use db_testkit::fresh_db;

#[tokio::test]
async fn the_slower_of_two_writers_is_told() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let read = insert(&mut conn, &NewUser::new("ada@example.org")).await.expect("inserted");
        let faster = update(&mut conn, &User { role: "admin".into(), ..read.clone() }).await.expect("first");
        let error =
            update(&mut conn, &User { role: "guest".into(), ..read.clone() }).await.expect_err("second");
        let expected = format!("users {} has version 2, not 1", read.id);
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, Error::Stale { table: "users", expected: 1, found: 2, .. }));
        assert_eq!(get(&mut conn, &read.id).await.expect("read").as_ref(), Some(&faster));

        // A change of status counts as well.
        set_status::<User>(&mut conn, &read.id, UserStatus::Active).await.expect("active");
        let error = update(&mut conn, &faster).await.expect_err("outdated");
        assert!(matches!(error, Error::Stale { expected: 2, found: 3, .. }), "{error}");

        delete::<User>(&mut conn, &read.id).await.expect("deleted");
        let error = update(&mut conn, &faster).await.expect_err("gone");
        assert!(matches!(error, Error::NotFound { table: "users", .. }), "{error}");
    })
    .await;
}
