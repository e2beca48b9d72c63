//! Whole namespaces that a commit makes untrue, in every process and in the store that they share.

use crate::common::{Source, cache, ms, plain, read, store};
use db_cache::{Cache, Follow, Following, Namespace, Scope};
use db_core::{KeyValue, Put, Version};
use db_testkit::{FreshDb, eventually, fresh_db};
use sqlx::Connection;
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const NUMBERS: Scope<'_> = Scope::Namespaces(&["number"]);

async fn follow(cache: &Cache, db: &FreshDb, change: impl FnOnce(&mut Follow)) -> Following {
    let mut how = Follow::default();
    change(&mut how);
    let following = cache.follow(db.url().parse().expect("a URL"), how);
    assert!(following.is_following(SOON).await);
    following
}

fn numbers(cache: &Cache, name: &str) -> Namespace<u64> {
    cache.namespace(name, plain(Duration::from_secs(3600))).expect("a policy")
}

#[tokio::test]
async fn a_namespace_is_cleared_everywhere_and_no_other_is() {
    fresh_db(async |db| {
        let (store, source, other_source) = (store(), Source::new(), Source::new());
        let (one, operator) = (cache(&store), cache(&store));
        let following = follow(&one, &db, |_| {}).await;
        let (number, other) = (numbers(&one, "number"), numbers(&one, "number.other"));
        assert_eq!(read(&number, &source).await, Some(1));
        assert_eq!(read(&other, &other_source).await, Some(1));
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let change = operator.change_all(&mut tx, NUMBERS).await.expect("written down");
        assert_eq!(read(&number, &source).await, Some(1), "it has not committed yet");
        let change = change;
        let seen = change.seen();
        tx.commit().await.expect("committed");
        assert_eq!(change.committed_on(&mut conn).await.expect("cleared"), 1);
        assert!(following.has_seen(seen, SOON).await);
        assert_eq!(read(&number, &source).await, Some(2));
        let before = store.calls();
        assert_eq!(read(&other, &other_source).await, Some(1), "its name begins alike");
        assert_eq!(store.calls(), before, "this process has its copy still");
        assert_eq!(one.backlog(&mut conn).await.expect("asked").unapplied, 0);
    })
    .await;
}

#[tokio::test]
async fn everything_is_cleared_with_its_tags_and_nothing_of_others() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let one = cache(&store);
        let following = follow(&one, &db, |_| {}).await;
        let number = numbers(&one, "number");
        number.tagged(["tag"]).expect("a tag").set("tagged", 5).await.expect("set");
        assert_eq!(read(&number, &source).await, Some(1));
        let foreign = Put { key: "apple:number:k", value: b"x", version: Version(1), ttl: SOON };
        store.set_multi(&[foreign]).await.expect("set");
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let change = one.change_all(&mut tx, Scope::Everything).await.expect("written down");
        tx.commit().await.expect("committed");
        assert_eq!(change.committed_on(&mut conn).await.expect("cleared"), 3, "two values and a tag");
        assert_eq!(number.get("tagged").await.expect("asked"), None);
        assert_eq!(read(&number, &source).await, Some(2));
        assert!(store.get_multi(&["apple:number:k"]).await.expect("asked")[0].is_some());
        drop(following);
    })
    .await;
}

#[tokio::test]
async fn what_was_read_from_the_store_before_it_was_clear_is_dropped() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let (one, operator) = (cache(&store), cache(&store));
        // None but who made the change sees to the store.
        let following = follow(&one, &db, |_| {}).await;
        let number = numbers(&one, "number");
        assert_eq!(read(&number, &source).await, Some(1));
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let change = operator.change_all(&mut tx, NUMBERS).await.expect("written down");
        let seen = change.seen();
        tx.commit().await.expect("committed");
        assert!(following.has_seen(seen, SOON).await);
        // It has dropped its own copy, and finds the old value in the store.
        assert_eq!(read(&number, &source).await, Some(1));
        change.committed_on(&mut conn).await.expect("cleared");
        eventually("it is told again", async || read(&number, &source).await == Some(2)).await;
    })
    .await;
}

#[tokio::test]
async fn whoever_died_after_the_commit_is_stood_in_for() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let (one, operator) = (cache(&store), cache(&store));
        let following = follow(&one, &db, |how| how.look_every = ms(20)).await;
        let number = numbers(&one, "number");
        assert_eq!(read(&number, &source).await, Some(1));
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        drop(operator.change_all(&mut tx, NUMBERS).await.expect("written down"));
        tx.commit().await.expect("committed");
        eventually("the store is clear", async || following.followed().applied_for_others == 1).await;
        assert_eq!(one.backlog(&mut conn).await.expect("asked").unapplied, 0);
        eventually("it is told again", async || read(&number, &source).await == Some(2)).await;
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_away_is_cleared_when_it_is_back() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let (one, operator) = (cache(&store), cache(&store));
        let following = follow(&one, &db, |how| how.look_every = ms(20)).await;
        let number = numbers(&one, "number");
        assert_eq!(read(&number, &source).await, Some(1));
        store.goes();
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let change = operator.change_all(&mut tx, NUMBERS).await.expect("written down");
        tx.commit().await.expect("committed");
        assert!(change.committed_on(&mut conn).await.is_err());
        assert_eq!(one.backlog(&mut conn).await.expect("asked").unapplied, 1);
        store.comes_back();
        eventually("the store is clear", async || following.followed().applied_for_others == 1).await;
        eventually("it is told again", async || read(&number, &source).await == Some(2)).await;
    })
    .await;
}

#[tokio::test]
async fn without_a_database_the_store_and_this_process_are_cleared() {
    let (store, source) = (store(), Source::new());
    let one = cache(&store);
    let number = numbers(&one, "number");
    assert_eq!(read(&number, &source).await, Some(1));
    assert_eq!(one.clear(NUMBERS).await.expect("cleared"), 1);
    assert_eq!(read(&number, &source).await, Some(2));
    assert!(one.clear(Scope::Namespaces(&["No Name"])).await.is_err());
    assert_eq!(Arc::strong_count(&store), 2, "the cache has it, and this test");
}
