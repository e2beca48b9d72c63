//! The generic functions on rows that are where they should be.

use db_model::entity::WithDeleted;
use db_model::repository::{
    count, delete, exists, find, find_one, get, get_many, insert, restore, soft_delete, update,
};
use db_model::user::{NewUser, User};
use db_model::{Error, UserId};
use db_query::{asc, col, desc};
use db_testkit::fresh_db;
use sqlx::PgConnection;

async fn users(conn: &mut PgConnection, names: &[&str]) -> Vec<User> {
    let mut users = Vec::new();
    for name in names {
        let new = NewUser::new(format!("{name}@example.org")).username(*name);
        users.push(insert(conn, &new).await.expect("inserted"));
    }
    users
}

#[tokio::test]
async fn rows_are_read_by_key_and_by_condition() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let all = users(&mut conn, &["ada", "bob", "eve"]).await;
        let [ada, bob, eve] = &all[..] else { panic!("three") };
        assert_eq!(get(&mut conn, &bob.id).await.expect("read").as_ref(), Some(bob));
        assert_eq!(get::<User>(&mut conn, &UserId::generate()).await.expect("read"), None);

        let mut many: Vec<User> =
            get_many(&mut conn, &[eve.id, ada.id, ada.id, UserId::generate()]).await.expect("read");
        many.sort_by_key(|user| user.id);
        assert_eq!(many, [ada.clone(), eve.clone()]);
        assert_eq!(get_many::<User>(&mut conn, &[]).await.expect("nothing asked"), []);

        let found: Vec<User> = find(&mut conn, |users| {
            users.filter(col("username").any(vec!["ada", "eve"])).order_by(desc("email")).limit(5)
        })
        .await
        .expect("read");
        assert_eq!(found, [eve.clone(), ada.clone()]);
        let first = find_one(&mut conn, |users| users.order_by(asc("email"))).await.expect("read");
        assert_eq!(first.as_ref(), Some(ada));

        let named =
            |name: &'static str| move |users: db_query::Select| users.filter(col("username").eq(name));
        assert!(exists::<User>(&mut conn, named("bob")).await.expect("asked"));
        assert!(!exists::<User>(&mut conn, named("dan")).await.expect("asked"));
        assert_eq!(count::<User>(&mut conn, |users| users).await.expect("counted"), 3);
        assert_eq!(count::<User>(&mut conn, named("dan")).await.expect("counted"), 0);
    })
    .await;
}

#[tokio::test]
async fn a_row_is_written_over_itself() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let [before, other] = &users(&mut conn, &["ada", "bob"]).await[..] else { panic!("two") };
        let changed = User { role: "admin".into(), username: None, failed_logins: 7, ..before.clone() };
        let after = update(&mut conn, &changed).await.expect("updated");
        assert_eq!((after.role.as_str(), after.username.as_deref(), after.version), ("admin", None, 2));
        assert_eq!(after.failed_logins, 0, "what the database knows is not written");
        assert!(after.updated_at > before.updated_at);
        assert_eq!(get(&mut conn, &before.id).await.expect("read"), Some(after));
        assert_eq!(get(&mut conn, &other.id).await.expect("read").as_ref(), Some(other));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_row_is_not_found_unless_asked_for() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let [ada, bob] = &users(&mut conn, &["ada", "bob"]).await[..] else { panic!("two") };
        let gone: User = soft_delete(&mut conn, &ada.id).await.expect("deleted");
        assert!(gone.deleted_at.is_some() && gone.version == 2);

        assert_eq!(get::<User>(&mut conn, &ada.id).await.expect("read"), None);
        let both = [ada.id, bob.id];
        let found = get_many::<User>(&mut conn, &both).await.expect("read");
        assert_eq!(found.iter().collect::<Vec<_>>(), [bob]);
        let found = find::<User>(&mut conn, |users| users).await.expect("read");
        assert_eq!(found.iter().collect::<Vec<_>>(), [bob]);
        assert_eq!(count::<User>(&mut conn, |users| users).await.expect("counted"), 1);
        let by_key = |users: db_query::Select| users.filter(col("id").eq(ada.id));
        assert!(!exists::<User>(&mut conn, by_key).await.expect("asked"));
        for error in [
            update(&mut conn, &gone).await.expect_err("it is deleted"),
            soft_delete::<User>(&mut conn, &ada.id).await.expect_err("it is deleted already"),
            restore::<User>(&mut conn, &bob.id).await.expect_err("it is not deleted"),
        ] {
            assert!(matches!(error, Error::NotFound { table: "users", .. }), "{error}");
        }

        let shown = get::<WithDeleted<User>>(&mut conn, &ada.id).await.expect("read");
        assert_eq!(shown, Some(WithDeleted(gone)));
        assert_eq!(get_many::<WithDeleted<User>>(&mut conn, &both).await.expect("read").len(), 2);
        assert_eq!(count::<WithDeleted<User>>(&mut conn, |users| users).await.expect("counted"), 2);
        assert!(exists::<WithDeleted<User>>(&mut conn, by_key).await.expect("asked"));

        let back: User = restore(&mut conn, &ada.id).await.expect("restored");
        assert_eq!((back.deleted_at, back.version), (None, 3));
        assert_eq!(get(&mut conn, &ada.id).await.expect("read"), Some(back));
    })
    .await;
}

#[tokio::test]
async fn a_row_is_deleted_for_good() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let [ada, bob] = &users(&mut conn, &["ada", "bob"]).await[..] else { panic!("two") };
        soft_delete::<User>(&mut conn, &ada.id).await.expect("marked");
        delete::<User>(&mut conn, &ada.id).await.expect("deleted");
        assert_eq!(get::<WithDeleted<User>>(&mut conn, &ada.id).await.expect("read"), None);
        let error = delete::<User>(&mut conn, &ada.id).await.expect_err("it is gone");
        assert!(
            matches!(&error, Error::NotFound { table: "users", id } if *id == ada.id.to_string()),
            "{error}"
        );
        assert!(get::<User>(&mut conn, &bob.id).await.expect("read").is_some());
    })
    .await;
}
