//! What is kept where, and in how many round trips.

use crate::redis_server::{LONG, Server, get, options, put, refusal, store};
use db_cache::RedisStore;
use db_core::{Expected, KeyValue, KeyValueError, Put, Version};
use db_testkit::{eventually, key_value_conforms};
use futures_util::future::{FutureExt, join_all};
use std::num::NonZeroU32;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let server = Server::start(&[]);
    key_value_conforms(&store(&server)).await;
}

#[tokio::test]
async fn of_many_keys_all_go_in_one_round_trip() {
    let server = Server::start(&[]);
    let store = store(&server);
    let keys: Vec<String> = (0..100).map(|number| format!("key{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let puts: Vec<Put<'_>> =
        keys.iter().map(|key| Put { key, value: b"v", version: Version(1), ttl: LONG }).collect();
    store.increment("begins", 1, LONG).await.expect("a number");

    let trips = || store.statistics().round_trips;
    let before = trips();
    store.set_multi(&puts).await.expect("set");
    assert_eq!(trips() - before, 1, "set");
    assert!(store.get_multi(&keys).await.expect("get").iter().all(Option::is_some));
    assert_eq!(trips() - before, 2, "get");
    assert_eq!(store.delete_multi(&keys).await.expect("delete"), 100);
    assert_eq!(trips() - before, 3, "delete");
    assert_eq!(store.increment("number", 5, LONG).await.expect("increment"), 5);
    assert_eq!(trips() - before, 4, "increment");
    assert_eq!(store.statistics().connects, 1, "over one connection");
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let server = Server::start(&[]);
    let store = store(&server);
    let set = async |key: String| {
        let put = Put { key: &key, value: b"v", version: Version(1), ttl: LONG };
        store.set_if(Expected::Absent, put).await
    };
    for round in 0..3 {
        server.cli(&["SCRIPT", "FLUSH"]);
        let trips = || store.statistics().round_trips;
        let before = trips();
        assert!(set(format!("first{round}")).await.expect("set"), "NOSCRIPT is no failure");
        assert_eq!(trips() - before, 2, "refused by its checksum, and sent in full");
        assert!(set(format!("second{round}")).await.expect("set"));
        assert_eq!(trips() - before, 3, "known by its checksum");
        store.increment("number", 1, LONG).await.expect("increment");
        assert_eq!(store.increment("number", 1, LONG).await.expect("increment"), 2 * (round + 1));
        assert_eq!(trips() - before, 6, "the same for the other script");
    }
}

#[tokio::test]
async fn numbers_are_what_redis_counts_with_and_values_are_not() {
    let server = Server::start(&[]);
    let store = store(&server);
    put(&store, "value", "7").await.expect("put");
    store.increment("number", 41, Duration::from_secs(100)).await.expect("increment");
    assert!(server.cli(&["INCRBY", "value", "1"]).contains("not an integer"));
    assert_eq!(server.cli(&["INCRBY", "number", "1"]), "42");
    assert!((1..=100).contains(&server.cli(&["TTL", "number"]).parse::<u32>().expect("seconds")));
    // One that somebody else began has no end of its own.
    server.cli(&["SET", "endless", "1"]);
    assert_eq!(store.increment("endless", 1, LONG).await.expect("increment"), 2);
    assert_ne!(server.cli(&["TTL", "endless"]), "-1");
}

#[tokio::test]
async fn what_is_not_ours_is_a_miss() {
    let server = Server::start(&[]);
    let store = store(&server);
    server.cli(&["SET", "text", "something else's"]);
    server.cli(&["EVAL", r"return redis.call('SET', KEYS[1], '\193\0\1')", "1", "short"]);
    server.cli(&["EVAL", r"return redis.call('SET', KEYS[1], '\255\254\0\0\0\0\0\0\0\0')", "1", "bytes"]);
    server.cli(&["RPUSH", "list", "1"]);
    server.cli(&["HSET", "hash", "a", "1"]);
    let keys = ["text", "short", "bytes", "list", "hash"];
    for key in keys {
        assert_eq!(store.get_multi(&[key]).await.expect("get"), [None], "{key}");
        let wrong = store.increment(key, 1, LONG).await;
        assert!(matches!(wrong, Err(KeyValueError::WrongKind { found: "value", .. })), "{key}: {wrong:?}");
        let put = Put { key, value: b"v", version: Version(1), ttl: LONG };
        assert!(!store.set_if(Expected::Absent, put).await.expect("set"), "{key} is there");
    }
    assert_eq!(store.get_multi(&keys).await.expect("get"), [const { None }; 5]);
    put(&store, "list", "ours").await.expect("set replaces anything");
    assert_eq!(get(&store, "list").await.expect("get").as_deref(), Some("ours"));
    assert_eq!(store.delete_multi(&keys).await.expect("delete"), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_command_leaves_the_answers_in_order() {
    let server = Server::start(&[]);
    let store = store(&server);
    for number in 0..20 {
        put(&store, &number.to_string(), &format!("value {number}")).await.expect("put");
    }
    for round in 0..50 {
        let all = join_all((0..20).map(|number| {
            let store = &store;
            async move {
                let key = number.to_string();
                let asked = get(store, &key);
                if (number + round) % 3 == 0 {
                    // Dropped after it was sent, and before its answer.
                    let _ = asked.now_or_never();
                } else {
                    let found = asked.await.expect("get");
                    assert_eq!(found, Some(format!("value {number}")));
                }
            }
        }));
        all.await;
    }
    assert_eq!(store.statistics().connects, 1, "{:?}", store.statistics());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_few_and_end_with_the_store() {
    let server = Server::start(&[]);
    let most = NonZeroU32::new(3).expect("three");
    let store = RedisStore::new(&options(&server.url()).max_connections(most)).expect("a store");
    put(&store, "key", "value").await.expect("put");
    for _ in 0..20 {
        join_all((0..1_000).map(|_| get(&store, "key"))).await.into_iter().for_each(|found| {
            assert_eq!(found.expect("get").as_deref(), Some("value"));
        });
    }
    let connects = store.statistics().connects;
    assert!((2..=3).contains(&connects), "more than one as there is much to do: {connects}");
    drop(store);
    eventually("no connection but the one that asks", || async {
        server.cli(&["CLIENT", "LIST"]).lines().count() == 1
    })
    .await;
}

#[tokio::test]
async fn another_database_is_another_store() {
    let server = Server::start(&[]);
    let url = format!("redis://127.0.0.1:{}/3", server.port());
    let third = RedisStore::new(&options(&url)).expect("a store");
    put(&third, "key", "third").await.expect("put");
    assert_eq!(get(&store(&server), "key").await.expect("get"), None);
    assert_eq!(server.cli(&["-n", "3", "EXISTS", "key"]), "1");
    let none =
        RedisStore::new(&options(&format!("redis://127.0.0.1:{}/99", server.port()))).expect("a store");
    let reason = refusal(get(&none, "key").await);
    assert!(reason.contains("DB index"), "{reason}");
}
