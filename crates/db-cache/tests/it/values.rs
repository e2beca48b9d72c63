//! Values as they are put and found.

use crate::common::{ms, plain, process, store};
use db_cache::{Cache, Encoding, Memory, Namespace};
use db_core::KeyValue;
use std::sync::Arc;
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn several_are_put_found_and_removed_in_one_round_trip_each() {
    let store = store();
    let (one, other) = (process(&store, plain(ms(1000))), process(&store, plain(ms(1000))));
    one.set_multi((0..100_u64).map(|number| (number, number * 2))).await.expect("put");
    assert_eq!(store.calls(), 1);
    let found = other.get_multi(0..101_u64).await.expect("short keys");
    let found: Vec<_> = found.into_iter().map(|value| value.map(|value| *value)).collect();
    let expected: Vec<_> = (0..101).map(|number| (number < 100).then_some(number * 2)).collect();
    assert_eq!((found, store.calls()), (expected, 2));
    assert_eq!(other.get_multi([3_u64, 4]).await.expect("short keys").len(), 2);
    assert_eq!(store.calls(), 2, "out of the process itself");
    other.delete_multi(0..100_u64).await.expect("removed");
    assert_eq!(store.calls(), 3);
    assert_eq!(other.get(7_u64).await.expect("a short key"), None);
}

#[tokio::test(start_paused = true)]
async fn a_value_ends() {
    let numbers = process(&store(), plain(ms(100)));
    numbers.set("k", 7).await.expect("put");
    assert_eq!(numbers.get("k").await.expect("a short key").as_deref(), Some(&7));
    advance(ms(100)).await;
    assert_eq!(numbers.get("k").await.expect("a short key"), None);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_cleared_and_the_others_are_not() {
    let cache = Cache::builder("app").shared(Arc::new(Memory::new(1 << 20))).build().expect("a name");
    let open = |name: &str| -> Namespace<u64> { cache.namespace(name, plain(ms(1000))).expect("a policy") };
    let (user, users) = (open("user"), open("users"));
    user.set_multi([("a", 1), ("b", 2)]).await.expect("put");
    users.set("a", 3).await.expect("put");
    assert_eq!(user.clear().await.expect("cleared"), 2);
    assert_eq!(user.get("a").await.expect("a short key"), None);
    assert_eq!(users.get("a").await.expect("a short key").as_deref(), Some(&3));
}

#[tokio::test(start_paused = true)]
async fn a_value_of_another_type_or_version_is_a_miss() {
    let store = Arc::new(Memory::new(1 << 20));
    let open =
        || Cache::builder("app").shared(Arc::clone(&store) as Arc<dyn KeyValue>).build().expect("a name");
    let mut policy = plain(ms(1000));
    let texts: Namespace<String> = open().namespace("thing", policy.clone()).expect("a policy");
    texts.set("k", "text".to_owned()).await.expect("put");
    let numbers: Namespace<u64> = open().namespace("thing", policy.clone()).expect("a policy");
    assert_eq!(numbers.get("k").await.expect("a short key"), None);
    assert_eq!(numbers.stats().unreadable, 1);
    policy.schema = 2;
    let newer: Namespace<String> = open().namespace("thing", policy.clone()).expect("a policy");
    assert_eq!(newer.get("k").await.expect("a short key"), None);
    // A miss, so that it is loaded and put in its place.
    let loaded = newer.get_or_load("k", || async { Ok::<_, std::io::Error>(Some("new".to_owned())) }).await;
    assert_eq!(loaded.expect("a value").as_deref().map(String::as_str), Some("new"));
    (policy.schema, policy.encoding) = (2, Encoding::MessagePack);
    let other: Namespace<String> = open().namespace("thing", policy).expect("a policy");
    assert_eq!(other.get("k").await.expect("a short key").as_deref().map(String::as_str), Some("new"));
}

#[tokio::test]
async fn names_and_keys_are_checked() {
    let cache = Cache::builder("app").build().expect("a name");
    for wrong in ["", "a:b", "Ä", &"a".repeat(65)] {
        let error = cache.namespace::<u64>(wrong, plain(ms(1000))).expect_err("no name");
        assert!(error.to_string().contains("is no name of a namespace"), "{error}");
    }
    let numbers = cache.namespace::<u64>("number", plain(ms(1000))).expect("a policy");
    let error = numbers.set("k".repeat(600), 7).await.expect_err("too long").to_string();
    assert!(error.contains("611 bytes"), "{error}");
}

#[tokio::test]
async fn however_many_are_put_at_once_they_stay() {
    let store = store();
    let numbers = process(&store, plain(ms(600_000)));
    numbers.set_multi((0..10_001_u64).map(|number| (number, number))).await.expect("the store is there");
    numbers.get("absent").await.expect("a short key");
    let other = process(&store, plain(ms(600_000)));
    assert_eq!(other.get(5_u64).await.expect("a short key").as_deref(), Some(&5));
}
