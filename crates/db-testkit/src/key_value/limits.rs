//! A store takes what it says it takes, and of a call that brings more it does nothing.

use super::{LONG, Suite, version};
use db_core::{Expected, KeyValueError, Put};
use rand::Rng;

/// What is really sent is no longer than this, whatever a store would take.
const MOST_SENT: usize = 1 << 20;
/// A key is longer than any that people use.
const MOST_KEY_SENT: usize = 1 << 16;

pub(super) async fn check(suite: &Suite<'_>) {
    takes_the_longest_key(suite).await;
    takes_the_longest_value(suite).await;
    refuses_a_longer_key(suite).await;
    refuses_a_longer_value(suite).await;
}

async fn takes_the_longest_key(suite: &Suite<'_>) {
    let bytes = suite.store.limits().key_bytes.min(MOST_KEY_SENT);
    let name = "k".repeat(bytes - suite.prefix.len());
    suite.put(&name, b"v").await;
    assert_eq!(suite.value(&name).await.as_deref(), Some(&b"v"[..]), "a key of {bytes} bytes is taken");
    assert_eq!(suite.delete(&[&name]).await, 1, "a key of {bytes} bytes is deleted");
    assert_eq!(suite.added(&name, 1, LONG).await, 1, "a number's key of {bytes} bytes is taken");
    assert_eq!(suite.clear(&name).await, 1, "a key of {bytes} bytes is cleared");
}

async fn takes_the_longest_value(suite: &Suite<'_>) {
    let bytes = suite.store.limits().value_bytes.min(MOST_SENT);
    // So that a store which compresses has to keep it all.
    let mut value = vec![0; bytes];
    rand::rng().fill(&mut value[..]);
    suite.put("longest", &value).await;
    assert!(
        suite.value("longest").await.is_some_and(|found| found == value),
        "a value of {bytes} bytes is taken"
    );
    suite.delete(&["longest"]).await;
}

async fn refuses_a_longer_key(suite: &Suite<'_>) {
    let most = suite.store.limits().key_bytes;
    if most >= usize::MAX / 2 {
        return;
    }
    let (short, long) = (suite.key("short key"), "ü".repeat(most / 2 + 1));
    let bytes = long.len();
    let told = |what: &str, result: Result<(), KeyValueError>| {
        let error = result.expect_err(what);
        let KeyValueError::TooLarge { what: which, key, bytes: of, most: least, store } = &error else {
            panic!("{what}: TooLarge is due, not {error:?}");
        };
        let right = (*which, *of, *least, store.as_str()) == ("a key", bytes, most, suite.store.name());
        assert!(
            right && long.starts_with(key.as_str()),
            "{what}: which, of which length, and how long: {error:?}"
        );
    };
    let put = Put { key: &short, value: b"v", version: version(), ttl: LONG };
    let too_long = Put { key: &long, ..put };
    told("get of a long key", suite.store.get_multi(&[&short, &long]).await.map(drop));
    told("set of a long key", suite.store.set_multi(&[put, too_long]).await);
    assert_eq!(suite.get("short key").await, None, "a set with too long a key writes nothing");
    told("conditional set of a long key", suite.store.set_if(Expected::Absent, too_long).await.map(drop));
    told("increment of a long key", suite.store.increment(&long, 1, LONG).await.map(drop));
    suite.put("short key", b"v").await;
    told("delete of a long key", suite.store.delete_multi(&[&short, &long]).await.map(drop));
    assert!(suite.get("short key").await.is_some(), "a delete with too long a key removes nothing");
}

async fn refuses_a_longer_value(suite: &Suite<'_>) {
    let most = suite.store.limits().value_bytes;
    // Nothing reads it, so memory of this length is only promised.
    if most >= 1 << 32 {
        return;
    }
    let (short, long, value) = (suite.key("short value"), suite.key("long value"), vec![0; most + 1]);
    let told = |what: &str, result: Result<(), KeyValueError>| {
        let error = result.expect_err(what);
        let KeyValueError::TooLarge { what: which, key, bytes, most: least, store } = &error else {
            panic!("{what}: TooLarge is due, not {error:?}");
        };
        let right =
            (*which, *bytes, *least, store.as_str()) == ("a value", most + 1, most, suite.store.name());
        assert!(
            right && long.starts_with(key.as_str()),
            "{what}: which, of which length, and how long: {error:?}"
        );
    };
    let put = Put { key: &short, value: b"v", version: version(), ttl: LONG };
    let too_long = Put { key: &long, value: &value, ..put };
    told("set of a long value", suite.store.set_multi(&[put, too_long]).await);
    told("conditional set of a long value", suite.store.set_if(Expected::Absent, too_long).await.map(drop));
    assert_eq!(suite.get_multi(&["short value", "long value"]).await, [None, None], "it writes nothing");
    let seen = suite.put("long value", b"as it was").await;
    told("a long value over another", suite.store.set_if(Expected::Version(seen), too_long).await.map(drop));
    assert_eq!(suite.value("long value").await.as_deref(), Some(&b"as it was"[..]), "it overwrites nothing");
}
