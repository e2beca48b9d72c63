//! Values come back as they were put, under the keys they were put under, in the order that was asked.

use super::{LONG, Suite, version};
use db_core::{KeyValue, Put, Stored, Version};

pub(super) async fn check(suite: &Suite<'_>) {
    tells_its_name(suite.store);
    takes_nothing(suite.store).await;
    answers_in_order(suite).await;
    overwrites(suite).await;
    keeps_every_byte(suite).await;
    keeps_every_key_apart(suite).await;
    keeps_every_version(suite).await;
    deletes(suite).await;
}

fn tells_its_name(store: &dyn KeyValue) {
    assert!(!store.name().is_empty(), "a store has a name");
    assert_eq!(store.name(), store.name(), "a store's name is stable");
    assert_eq!(store.limits(), store.limits(), "a store's limits are stable");
}

async fn takes_nothing(store: &dyn KeyValue) {
    assert!(store.get_multi(&[]).await.expect("get of no key").is_empty(), "get of no key finds nothing");
    store.set_multi(&[]).await.expect("set of nothing");
    assert_eq!(
        store.delete_multi(&[]).await.expect("delete of no key"),
        0,
        "delete of no key removes nothing"
    );
}

async fn answers_in_order(suite: &Suite<'_>) {
    let keys = [suite.key("order b"), suite.key("order a"), suite.key("order c")];
    let puts: Vec<Put<'_>> =
        keys.iter().map(|key| Put { key, value: key.as_bytes(), version: version(), ttl: LONG }).collect();
    suite.store.set_multi(&puts).await.expect("set of three");
    let stored = |at: usize| Some(Stored { version: puts[at].version, value: keys[at].clone().into_bytes() });
    let found = suite.get_multi(&["order a", "missing", "order b", "order a", "order c", "missing"]).await;
    let expected = [stored(1), None, stored(0), stored(1), stored(2), None];
    assert_eq!(found, expected, "answers are in the order of the keys, missing and repeated ones included");
}

async fn overwrites(suite: &Suite<'_>) {
    suite.put("over", b"a long first one").await;
    let version = suite.put("over", b"second").await;
    let second = Some(Stored { version, value: b"second".to_vec() });
    assert_eq!(suite.get("over").await, second, "set puts over what is there, value and version");

    let (key, last) = (suite.key("twice"), super::version());
    let first = Put { key: &key, value: b"first", version: super::version(), ttl: LONG };
    let puts = [first, Put { value: b"last", version: last, ..first }];
    suite.store.set_multi(&puts).await.expect("set of one key twice");
    let expected = Some(Stored { version: last, value: b"last".to_vec() });
    assert_eq!(suite.get("twice").await, expected, "of one key put twice in a set the last is there");

    suite.added("was a number", 5, LONG).await;
    suite.put("was a number", b"value").await;
    assert_eq!(
        suite.value("was a number").await.as_deref(),
        Some(&b"value"[..]),
        "set puts a value over a number"
    );
}

async fn keeps_every_byte(suite: &Suite<'_>) {
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    for (what, value) in [
        ("an empty value", &b""[..]),
        ("one zero", b"\0"),
        ("zeros inside and at the end", b"\0a\0\0"),
        ("line ends", b"\r\n\r\n"),
        ("what looks like a number", b"17"),
        ("every byte", &all),
    ] {
        suite.put(what, value).await;
        assert_eq!(suite.value(what).await.as_deref(), Some(value), "{what} comes back as it was");
    }
}

async fn keeps_every_key_apart(suite: &Suite<'_>) {
    let names = [
        "plain",
        "Plain",
        "plain ",
        " plain",
        "PLAIN",
        "",
        "ключ",
        "鍵",
        "🔑",
        "e\u{301}",
        "é",
        "\u{fffd}",
        "\u{10ffff}",
        "new\nline",
        "nul\0",
        "nul",
        "nul\0\0",
        "quote'\"",
        "back\\slash",
        "{slot}",
        "a:b",
        "%00",
        "*",
    ];
    for name in names {
        suite.put(name, format!("value of {name}").as_bytes()).await;
    }
    for (name, found) in names.iter().zip(suite.get_multi(&names).await) {
        let value = found.map(|stored| String::from_utf8_lossy(&stored.value).into_owned());
        assert_eq!(value, Some(format!("value of {name}")), "the key {name:?} is told apart from all others");
    }
    assert_eq!(suite.delete(&names).await, names.len() as u64, "keys of any text are deleted");
}

async fn keeps_every_version(suite: &Suite<'_>) {
    for number in [0, 1, i64::MAX as u64, 1 << 63, u64::MAX] {
        let key = suite.key("versions");
        let put = Put { key: &key, value: b"v", version: Version(number), ttl: LONG };
        suite.store.set_multi(&[put]).await.expect("set");
        let found = suite.get("versions").await.map(|stored| stored.version.0);
        assert_eq!(found, Some(number), "the version {number} comes back as it was");
    }
}

async fn deletes(suite: &Suite<'_>) {
    suite.put("delete a", b"a").await;
    suite.put("delete b", b"b").await;
    suite.added("delete number", 1, LONG).await;
    suite.put("stays", b"c").await;
    let gone = suite.delete(&["delete a", "missing", "delete b", "delete a", "delete number"]).await;
    assert_eq!(gone, 3, "delete counts what was there, each once");
    assert_eq!(
        suite.get_multi(&["delete a", "delete b", "delete number"]).await,
        [None, None, None],
        "deleted"
    );
    assert_eq!(suite.value("stays").await.as_deref(), Some(&b"c"[..]), "delete leaves other keys alone");
    assert_eq!(
        suite.delete(&["delete a", "delete b"]).await,
        0,
        "what is deleted is not there to delete again"
    );
}
