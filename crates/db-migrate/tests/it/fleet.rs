//! Many deployments at once, with indexes that are built concurrently: no deadlock, each migration once.

use crate::{NOTES, apply, item, outside, set};
use db_migrate::{Embedded, Options, Server};
use db_testkit::empty_db;

const INDEX: Embedded = outside("0002_index", "CREATE INDEX CONCURRENTLY notes_id_idx ON notes (id);");
const MORE: Embedded = item("0003_more", "ALTER TABLE notes ADD COLUMN more int;", "SELECT 1");
const SECOND: Embedded = outside("0004_second", "CREATE INDEX CONCURRENTLY notes_more_idx ON notes (more);");

async fn eight_at_once(options: impl Fn(&str) -> Options) {
    empty_db(|db| async move {
        let options = options(db.url());
        let mut running = Vec::new();
        for _ in 0..8 {
            let (mut conn, options) = (db.connect().await, options.clone());
            running.push(tokio::spawn(async move {
                let all = set(&[NOTES, INDEX, MORE, SECOND]);
                let report =
                    db_migrate::apply(&mut conn, &all, &options, &mut |_| {}).await.expect("applied");
                report.done.len()
            }));
        }
        let mut applied = 0;
        for one in running {
            applied += one.await.expect("no panic");
        }
        assert_eq!(applied, 4);
        let mut conn = db.connect().await;
        let valid: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_index WHERE indrelid = 'notes'::regclass AND indisvalid",
        )
        .fetch_one(&mut conn)
        .await
        .expect("a count");
        assert_eq!(valid, 2);
        assert!(apply(&mut conn, &[NOTES, INDEX, MORE, SECOND]).await.expect("all is there").done.is_empty());
    })
    .await;
}

#[tokio::test]
async fn each_is_applied_once_under_a_lock_of_the_session() {
    eight_at_once(|_| Options::default()).await;
}

#[tokio::test]
async fn each_is_applied_once_under_a_lock_of_a_transaction() {
    eight_at_once(|url| Options {
        deploy_lock: db_migrate::DeployLock::Transaction,
        server: Some(Server::from_url(url).expect("the kit's URL is one")),
        ..Options::default()
    })
    .await;
}
