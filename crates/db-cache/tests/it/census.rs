//! Every store tells what takes its room.

use db_cache::Memory;
use db_core::{Census, KeyValue, Put, Share, Version};
use parking_lot::Mutex;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(600);

/// Each kind of entry, in two applications; sums are of keys and values, and a few bytes more that a store writes to them.
pub(crate) async fn census_is_right(store: &(impl KeyValue + Census)) {
    let keys: Vec<String> = (0..2_500).map(|number| format!("app:user:{number:05}")).collect();
    let put = |key, value| Put { key, value, version: Version(7), ttl: LONG };
    let users: Vec<Put<'_>> = keys.iter().map(|key| put(key, &[1; 10])).collect();
    for users in users.chunks(500) {
        store.set_multi(users).await.expect("set");
    }
    store.set_multi(&[put("app:%tag:table:7", b""), put("app:ä*:x", &[1; 30_000])]).await.expect("set");
    store.set_multi(&[put("apple:user:1", b"x"), put("app", b"x")]).await.expect("set");
    store.increment("app:hits:1", 5, LONG).await.expect("counted");

    let counted = Mutex::new(Vec::new());
    let shares = store.census("app:", &|entries| counted.lock().push(entries)).await.expect("a census");
    let names: Vec<_> = shares.iter().map(|share| (share.name.as_deref(), share.entries)).collect();
    assert_eq!(names[..2], [(Some("user"), 2_500), (Some("ä*"), 1)], "{shares:?}");
    assert_eq!(names.len(), 4, "{shares:?}");
    for (name, least) in [("user", 2_500 * 24), ("ä*", 30_000 + 9), ("%tag", 16), ("hits", 11)] {
        let Share { entries, bytes, .. } = find(&shares, name);
        assert!((least..=least + entries * 16).contains(bytes), "{name}: {bytes} is not about {least}");
    }
    let counted = counted.into_inner();
    assert!(counted.is_sorted() && counted.last() == Some(&2_503), "{counted:?}");

    let shares = store.census("app:user:", &|_| {}).await.expect("a census");
    assert!(shares.len() <= 1_001, "names are told apart up to a limit: {}", shares.len());
    assert_eq!(shares.iter().map(|share| share.entries).sum::<u64>(), 2_500);
    assert_eq!(store.census("none:", &|_| {}).await.expect("a census"), []);
}

fn find<'s>(shares: &'s [Share], name: &str) -> &'s Share {
    shares.iter().find(|share| share.name.as_deref() == Some(name)).expect("a share of this name")
}

#[tokio::test]
async fn memory_tells_what_takes_its_room() {
    let memory = Memory::new(64 << 20);
    census_is_right(&memory).await;
    assert_eq!(memory.figures().await.expect("none of its own"), []);
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_tells_what_takes_its_room() {
    db_testkit::fresh_db(|db| async move {
        let store = db_cache::PostgresStore::new(crate::postgres::pool(&db, 2).await);
        census_is_right(&store).await;
        let figures = store.figures().await.expect("its own");
        assert!(
            figures.iter().any(|(name, size)| name == "table_size" && size.contains("kB")),
            "{figures:?}"
        );
    })
    .await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn redis_tells_what_takes_its_room() {
    let server = crate::redis_server::Server::start(&[]);
    let store = crate::redis_server::store(&server);
    // What others have put there is nothing of ours.
    server.cli(&["LPUSH", "app:list:1", "x"]);
    census_is_right(&store).await;
    let figures = store.figures().await.expect("its own");
    let has = |wanted: &str| figures.iter().any(|(name, _)| name == wanted);
    assert!(has("used_memory") && has("maxmemory") && has("evicted_keys"), "{figures:?}");
}
