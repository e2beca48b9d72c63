//! The way back.

use crate::{NOTES, apply, done, item, revert, tables};
use db_migrate::{Embedded, Error, RevertTo};
use db_testkit::empty_db;
use sqlx::PgConnection;

const TAGS: Embedded = item("0002_tags", "CREATE TABLE tags (id int UNIQUE);", "DROP TABLE tags;");
const MORE: Embedded = item(
    "0003_more",
    "ALTER TABLE notes ADD COLUMN more int NOT NULL DEFAULT 3;",
    "ALTER TABLE notes DROP COLUMN more;",
);

async fn columns(conn: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) \
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'db_migrations' ORDER BY 1",
    )
    .fetch_all(conn)
    .await
    .expect("the catalogue can be read")
}

#[tokio::test]
async fn up_down_up_gives_the_same_schema() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let all = [NOTES, TAGS, MORE];
        apply(&mut conn, &all).await.expect("up");
        let first = columns(&mut conn).await;

        let report = revert(&mut conn, &all, RevertTo::After("1".into())).await.expect("down to 1");
        assert_eq!(done(&report), [3, 2]);
        assert_eq!(tables(&mut conn).await, ["notes"]);
        let report = revert(&mut conn, &all, RevertTo::Last(1)).await;
        assert_eq!(done(&report.expect("down")), [1]);
        assert!(columns(&mut conn).await.is_empty());

        apply(&mut conn, &all).await.expect("up again");
        assert_eq!(columns(&mut conn).await, first);
    })
    .await;
}

#[tokio::test]
async fn refuses_before_anything_is_changed() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let all = [NOTES, Embedded { down: None, ..TAGS }, MORE];
        apply(&mut conn, &all).await.expect("up");

        let error = revert(&mut conn, &all, RevertTo::Start).await;
        let Err(Error::NoDown { labels }) = error else { panic!("{error:?}") };
        assert_eq!(labels, ["0002_tags"]);
        let error = revert(&mut conn, &all, RevertTo::After("9".into())).await;
        assert!(matches!(error, Err(Error::NotApplied { to }) if to == "9"));
        assert_eq!(columns(&mut conn).await.len(), 4);
    })
    .await;
}
