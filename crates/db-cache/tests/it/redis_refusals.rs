//! A Redis that answers, and will not: what it says comes through, what it still serves is served, and no secret is told.

use crate::redis_server::{Server, get, is_unavailable, options, put, refusal, store};
use db_cache::{RedisOptions, RedisStore};
use db_core::{KeyValue, Secret};
use db_testkit::eventually;
use std::time::Duration;

const SECRET: &str = "hunter2-%40-long";

fn with_url(url: &str) -> (RedisStore, RedisOptions) {
    let options = options(url);
    (RedisStore::new(&options).expect("a store"), options)
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::start(&["--requirepass", "hunter2-@-long"]);
    let at = format!("@127.0.0.1:{}", server.port());
    let (right, options) = with_url(&format!("redis://:{SECRET}{at}"));
    put(&right, "key", "value").await.expect("the right password");
    let shown = format!("{options:?} {right:?}");
    assert!(!shown.contains("hunter2"), "{shown}");

    for url in [format!("redis://:hunter2-wrong{at}"), format!("redis://nobody:hunter2-wrong{at}")] {
        let (wrong, _) = with_url(&url);
        for _ in 0..3 {
            let result = get(&wrong, "key").await;
            let shown = format!("{result:?} {wrong:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
            let error = result.expect_err("the wrong password");
            assert!(!error.to_string().contains("hunter2"), "{error}");
            let reason = refusal::<()>(Err(error));
            assert!(reason.contains("password"), "{reason}");
        }
        assert_eq!(wrong.statistics().round_trips, 0, "nothing is asked of a server that lets nobody in");
        assert!(wrong.statistics().refused > 0);
    }

    let (none, _) = with_url(&format!("redis://127.0.0.1:{}", server.port()));
    let reason = refusal(get(&none, "key").await);
    assert!(reason.contains("NOAUTH"), "{reason}");
}

#[tokio::test]
async fn a_user_has_a_name_and_a_password_that_may_come_later() {
    let server = Server::start(&[]);
    let (store, _) = with_url(&format!("redis://cache:{SECRET}@127.0.0.1:{}", server.port()));
    refusal(get(&store, "key").await);
    server.cli(&["ACL", "SETUSER", "cache", "on", ">hunter2-@-long", "~app:*", "+@all"]);
    eventually("let in, by itself", || async { put(&store, "app:key", "value").await.is_ok() }).await;
    let reason = refusal(put(&store, "other", "value").await);
    assert!(reason.contains("NOPERM"), "{reason}");
    put(&store, "app:key", "value").await.expect("what is allowed is done");
    assert_eq!(store.statistics().timeouts, 0);
}

#[tokio::test]
async fn a_full_one_refuses_writes_and_still_reads() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let store = store(&server);
    put(&store, "key", "value").await.expect("put");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..30 {
        let reason = refusal(put(&store, "more", "value").await);
        assert!(reason.starts_with("OOM"), "{reason}");
        let reason = refusal(store.increment("number", 1, Duration::from_secs(9)).await);
        assert!(reason.starts_with("OOM"), "{reason}");
        assert_eq!(get(&store, "key").await.expect("get").as_deref(), Some("value"));
    }
    assert_eq!(store.statistics().openings, 0, "it answers");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    put(&store, "more", "value").await.expect("put");
}

#[tokio::test]
async fn a_replica_refuses_writes_and_is_asked_whether_it_still_is_one() {
    let master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    replica.until("it is in step", |text| text.contains("master_link_status:up"), &["INFO", "replication"]);
    let store = store(&replica);
    assert_eq!(get(&store, "key").await.expect("a replica reads"), None);
    let reason = refusal(put(&store, "key", "value").await);
    assert!(reason.starts_with("READONLY"), "{reason}");
    let reason = refusal(store.increment("number", 1, Duration::from_secs(9)).await);
    assert!(reason.starts_with("READONLY"), "{reason}");
    eventually("connected anew", || async {
        let _ = put(&store, "key", "value").await;
        store.statistics().connects > 1
    })
    .await;
    assert_eq!(store.statistics().openings, 0, "it answers");
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    eventually("it is the master now", || async { put(&store, "key", "value").await.is_ok() }).await;
}

#[tokio::test]
async fn one_that_loads_is_left_alone_until_it_has_loaded() {
    let mut server = Server::start(&["--loading-process-events-interval-bytes", "1024"]);
    let fill = "for i = 1, 2000 do redis.call('SET', 'filler' .. i, string.rep('x', 200)) end";
    server.cli(&["EVAL", fill, "0"]);
    server.cli(&["SAVE"]);
    let store = store(&server);
    put(&store, "key", "value").await.expect("put");
    server.kill();
    server.add("--key-load-delay", "500");
    server.spawn();
    server.until("it loads", |text| text.contains("LOADING"), &["PING"]);
    let mut loading = false;
    for _ in 0..200 {
        match get(&store, "key").await {
            Err(error) if error.to_string().contains("LOADING") => {
                loading = true;
                break;
            }
            other => assert!(is_unavailable(&other), "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(loading, "what it says comes through: {:?}", store.statistics());
    eventually("it has loaded", || async { get(&store, "key").await.is_ok() }).await;
}

#[tokio::test]
async fn one_that_is_busy_with_a_script_is_left_alone() {
    let server = Server::start(&["--busy-reply-threshold", "10"]);
    let store = store(&server);
    put(&store, "key", "value").await.expect("put");
    let port = server.port().to_string();
    let mut script = std::process::Command::new("redis-cli")
        .args(["-p", &port, "EVAL", "while true do end", "0"])
        .spawn()
        .expect("redis-cli");
    server.until("it is busy", |text| text.contains("BUSY"), &["PING"]);
    for _ in 0..20 {
        let _ = get(&store, "key").await;
    }
    let before = store.statistics();
    let reason = refusal(get(&store, "key").await);
    assert!(reason.starts_with("BUSY"), "{reason}");
    assert_eq!(store.statistics().round_trips, before.round_trips, "it is given up");
    assert!(before.openings == 1 && before.round_trips <= 8, "{before:?}");
    eventually("it is tried, and is none until it answers", || async {
        store.statistics().failed_connects >= 2
    })
    .await;
    assert_eq!(store.statistics().round_trips, before.round_trips, "callers are spared that");
    server.until("it is told to stop", |text| !text.contains("BUSY"), &["SCRIPT", "KILL"]);
    script.wait().expect("ended");
    eventually("it serves again", || async { get(&store, "key").await.is_ok() }).await;
}

#[tokio::test]
async fn what_has_no_room_for_more_connections_serves_by_those_that_are_there() {
    let server = Server::start(&["--maxclients", "1"]);
    let store = store(&server);
    put(&store, "key", "value").await.expect("put");
    for _ in 0..10 {
        let all = futures_util::future::join_all((0..1_000).map(|_| get(&store, "key"))).await;
        assert!(all.iter().all(Result::is_ok));
    }
    let statistics = store.statistics();
    assert!(statistics.failed_connects >= 1 && statistics.openings == 0, "{statistics:?}");
    assert!(statistics.failed_connects < 20, "not at every call: {statistics:?}");
}

#[tokio::test]
async fn secrets_of_sentinels_are_not_shown() {
    let options = options("redis://u:hunter2@127.0.0.1:1").sentinel("main", []);
    let options = options.sentinel_login(Some("sentinel"), Secret::from("hunter2"));
    let store = RedisStore::new(&options).expect("a store");
    let error = get(&store, "key").await.expect_err("nobody listens there");
    let shown = format!("{options:?} {store:?} {error:?} {error}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
