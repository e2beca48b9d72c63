//! What the store in PostgreSQL does beside the seam's promises: it cleans up, gives up in time, and tells errors apart.

use db_cache::PostgresStore;
use db_core::{Classify, KeyValue, KeyValueError, Put, Retry, Version};
use db_pool::{Pool, PoolConfig};
use db_testkit::{FreshDb, empty_db, eventually, fresh_db};
use futures_util::future::{join, join_all};
use sqlx::{Connection, Executor};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(600);

pub(crate) async fn pool(db: &FreshDb, max_size: u32) -> Pool {
    let config = PoolConfig::from_url(db.url()).expect("a URL");
    Pool::connect(&config.max_size(NonZeroU32::new(max_size).expect("not zero"))).await.expect("connected")
}

fn put<'a>(key: &'a str, ttl: Duration) -> Put<'a> {
    Put { key, value: b"value", version: Version(7), ttl }
}

async fn rows(pool: &Pool) -> i64 {
    pool.run("SELECT count(*) FROM cache_entries").scalar().await.expect("counted")
}

async fn expire_all(pool: &Pool) {
    pool.run("UPDATE cache_entries SET expires_at = now() - interval '1 second'")
        .none()
        .await
        .expect("expired");
}

#[tokio::test]
async fn a_sweep_removes_what_has_expired_and_no_more_than_it_may() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        let store = PostgresStore::new(pool.clone());
        let keys: Vec<String> = (0..30).map(|number| format!("key {number}")).collect();
        let puts: Vec<Put<'_>> = keys.iter().map(|key| put(key, LONG)).collect();
        store.set_multi(&puts).await.expect("set");
        expire_all(&pool).await;
        store.set_multi(&[put("live", LONG)]).await.expect("set");
        assert_eq!(store.sweep(20).await.expect("swept"), 20);
        assert_eq!(store.sweep(20).await.expect("swept"), 10);
        assert_eq!(store.sweep(20).await.expect("swept"), 0);
        assert_eq!(rows(&pool).await, 1);
    })
    .await;
}

#[tokio::test]
async fn writes_sweep_in_the_background() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        let store = PostgresStore::new(pool.clone());
        let old: Vec<String> = (0..400).map(|number| format!("old {number}")).collect();
        store.set_multi(&old.iter().map(|key| put(key, LONG)).collect::<Vec<_>>()).await.expect("set");
        expire_all(&pool).await;
        let new: Vec<String> = (0..90).map(|number| format!("new {number}")).collect();
        store.set_multi(&new.iter().map(|key| put(key, LONG)).collect::<Vec<_>>()).await.expect("set");
        for _ in 0..10 {
            store.increment("counter", 1, LONG).await.expect("counted");
        }
        eventually("the old rows are gone", || async { rows(&pool).await == 91 }).await;
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_waits_is_given_up_and_leaves_its_connection() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let store = PostgresStore::new(pool.clone()).deadline(Duration::from_millis(200));
        store.set_multi(&[put("held", LONG)]).await.expect("set");
        expire_all(&pool).await;
        let mut other = db.connect().await;
        let mut holds = other.begin().await.expect("begun");
        holds.execute("SELECT FROM cache_entries FOR UPDATE").await.expect("locked");
        let began = Instant::now();
        let error = store.set_multi(&[put("held", LONG)]).await.expect_err("somebody holds the row");
        assert!(
            matches!(&error, KeyValueError::Unavailable { store, .. } if store == "postgres"),
            "{error:?}"
        );
        assert_eq!(error.retry(), Retry::Reconnect);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        eventually("the connection can be used again", || async {
            matches!(store.get_multi(&["held"]).await.as_deref(), Ok([None]))
        })
        .await;
        assert_eq!(store.sweep(10).await.expect("what is held is left alone"), 0);
        holds.rollback().await.expect("rolled back");
    })
    .await;
}

#[tokio::test]
async fn no_connection_and_a_refusal_are_told_apart() {
    empty_db(|db| async move {
        let pool = pool(&db, 1).await;
        let store = PostgresStore::new(pool.clone()).deadline(Duration::from_secs(10));
        let error = store.get_multi(&["key"]).await.expect_err("there is no table");
        let KeyValueError::Refused { store: name, reason } = &error else { panic!("{error:?}") };
        assert!(name == "postgres" && reason.contains("cache_entries"), "{reason}");
        pool.close().await;
        let error = store.get_multi(&["key"]).await.expect_err("the pool is closed");
        assert!(matches!(error, KeyValueError::Unavailable { .. }), "{error:?}");
    })
    .await;
}

/// A removal that began when a write was under way comes after it.
#[tokio::test]
async fn a_removal_that_waited_removes_what_was_written_meanwhile() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        let store = PostgresStore::new(pool.clone()).deadline(Duration::from_secs(20));
        for by_prefix in [false, true] {
            store.set_multi(&[put("key", LONG)]).await.expect("set");
            let mut other = db.connect().await;
            let mut writes = other.begin().await.expect("begun");
            writes.execute("UPDATE cache_entries SET value = 'new', version = 8").await.expect("written");
            let removal =
                async { if by_prefix { store.clear("k").await } else { store.delete_multi(&["key"]).await } };
            let commit = async {
                eventually("the removal waits", || async {
                    let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
                    pool.run(waiting).scalar().await.expect("asked")
                })
                .await;
                writes.commit().await.expect("committed");
            };
            let (removed, ()) = join(removal, commit).await;
            assert_eq!((removed.expect("removed"), rows(&pool).await), (1, 0), "by prefix: {by_prefix}");
        }
    })
    .await;
}

/// Whoever locks the same rows in another order than others ends in a deadlock sooner or later.
#[tokio::test]
async fn writers_of_the_same_keys_wait_for_each_other_and_never_in_a_circle() {
    fresh_db(|db| async move {
        let store = PostgresStore::new(pool(&db, 8).await).deadline(Duration::from_secs(20));
        let keys: Vec<String> = (0..60).map(|number| format!("key {number}")).collect();
        let writers = (0..8_usize).map(|writer| {
            let (store, keys) = (&store, &keys);
            async move {
                for round in 0..12 {
                    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    keys.rotate_left((writer * 17 + round) % 60);
                    if writer % 2 == 0 {
                        keys.reverse();
                    }
                    let done = match (writer + round) % 4 {
                        0 => store.delete_multi(&keys).await.map(drop),
                        1 => store.clear("key").await.map(drop),
                        _ => {
                            store.set_multi(&keys.iter().map(|key| put(key, LONG)).collect::<Vec<_>>()).await
                        }
                    };
                    done.unwrap_or_else(|error| panic!("writer {writer}: {error:?}"));
                }
            }
        });
        join_all(writers).await;
    })
    .await;
}
