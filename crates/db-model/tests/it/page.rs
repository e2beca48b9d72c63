//! Lists page by page.

use db_core::Secret;
use db_model::entity::{Record, WithDeleted};
use db_model::repository::{insert, page, soft_delete};
use db_model::user::{NewUser, User};
use db_query::{CursorKey, Keyset, PageSize, Pages, col};
use db_testkit::fresh_db;
use sqlx::PgConnection;

async fn names<R: Record>(conn: &mut PgConnection, name_of: fn(R) -> String) -> Vec<Vec<String>> {
    let key = CursorKey::new(&Secret::new("a secret of sixteen bytes")).expect("long enough");
    let order = Keyset::parse(R::TABLE, "-role,email", "id").expect("columns with an order");
    let pages = Pages::new(order, key);
    let size = PageSize::new(2).expect("a size");
    let (mut seen, mut cursor) = (Vec::new(), None::<db_query::Cursor>);
    loop {
        let request = pages.request(cursor.as_ref().map(AsRef::as_ref), size).expect("our own cursor");
        let found = page::<R>(conn, &pages, &request, |users| users.filter(col("role").ne("hidden")));
        let found = found.await.expect("a page");
        seen.push(found.items.into_iter().map(name_of).collect());
        cursor = found.next;
        if cursor.is_none() {
            return seen;
        }
    }
}

#[tokio::test]
async fn pages_hold_what_is_not_deleted_and_meets_the_condition() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        for (name, role) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "hidden"), ("e", "y"), ("f", "x")] {
            let new = NewUser::new(format!("{name}@b")).username(name).role(role);
            let user = insert(&mut conn, &new).await.expect("inserted");
            if name == "c" {
                soft_delete::<User>(&mut conn, &user.id).await.expect("deleted");
            }
        }
        let name = |user: User| user.username.unwrap_or_default();
        assert_eq!(names::<User>(&mut conn, name).await, [["b", "e"], ["a", "f"]]);
        let all = names::<WithDeleted<User>>(&mut conn, |user| user.0.username.unwrap_or_default()).await;
        assert_eq!(all, [vec!["b", "e"], vec!["a", "c"], vec!["f"]]);
    })
    .await;
}
