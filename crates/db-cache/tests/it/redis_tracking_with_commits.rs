//! Both tell, the database of commits and Redis of its keys: both must vouch.

use crate::common::{Source, read};
use crate::redis_server::{Server, options};
use crate::redis_tracking::{KEY, Process, SOON, often, untold};
use db_cache::Follow;
use db_testkit::{eventually, fresh_db};
use sqlx::Connection;
use std::time::Duration;

#[tokio::test]
async fn both_are_heard_and_either_one_that_is_silent_counts() {
    fresh_db(async |db| {
        let server = Server::start(&[]);
        let one = Process::start(&options(&server.url()), untold(), often()).await;
        let source = Source::new();
        let mut how = Follow::default();
        how.trust_for = Duration::from_secs(60);
        let following = one.cache.follow(db.url().parse().expect("a URL"), how);
        assert!(following.is_following(SOON).await);
        assert_eq!(read(&one.numbers, &source).await, Some(1));
        one.keeps(&source, 1).await;

        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let change = one.numbers.change(&mut tx, ["k"]).await.expect("written down");
        tx.commit().await.expect("committed");
        let seen = change.committed().await.expect("the store is there");
        assert!(following.has_seen(seen, SOON).await);
        assert_eq!(read(&one.numbers, &source).await, Some(2));
        one.keeps(&source, 2).await;
        server.cli(&["DEL", KEY]);
        one.hears_all().await;
        assert_eq!(read(&one.numbers, &source).await, Some(3));
        one.keeps(&source, 3).await;

        // The database would vouch for a minute.
        server.pause();
        eventually("the source is asked", async || {
            let before = source.asked();
            read(&one.numbers, &source).await;
            source.asked() > before
        })
        .await;
        let before = source.asked();
        assert_eq!(read(&one.numbers, &source).await, Some(before + 1), "each time from then on");
        server.go_on();
        one.hears_all().await;
        eventually("values are kept again", async || {
            read(&one.numbers, &source).await;
            let before = one.numbers.stats().local_hits;
            read(&one.numbers, &source).await;
            one.numbers.stats().local_hits > before
        })
        .await;
        drop(following);
        let value = read(&one.numbers, &source).await.expect("a value");
        one.keeps(&source, value).await;
    })
    .await;
}
