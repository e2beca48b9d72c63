//! One suite for every store: what the pool relies on behind the seam.

use crate::config;
use async_trait::async_trait;
use db_core::{BoxError, PasswordProvider, Secret};
use db_pool::{DirectStore, Fault, MobcStore, PoolConfig, Store};
use db_testkit::{FreshDb, eventually, fresh_db};
use futures_util::FutureExt;
use sqlx::PgConnection;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

type Make = fn(&PoolConfig) -> Arc<dyn Store>;

const STORES: [(&str, Make); 2] = [
    ("direct", |config| Arc::new(DirectStore::new(config))),
    ("mobc", |config| Arc::new(MobcStore::new(config))),
];

/// Runs a test over each store, each on a database of its own.
async fn each<F: Future<Output = ()>>(test: impl Fn(&'static str, Make, Arc<FreshDb>) -> F + Copy) {
    for (name, make) in STORES {
        fresh_db(|db| async move { test(name, make, Arc::new(db)).await }).await;
    }
}

async fn pid(conn: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(conn).await.expect("answers")
}

/// Waits until the server has no such session any more.
async fn eventually_gone(db: &FreshDb, name: &str, pid: i32) {
    eventually(&format!("{name}: the session is gone"), || async {
        let sessions =
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM pg_stat_activity WHERE pid = $1").bind(pid);
        sessions.fetch_one(&mut db.connect().await).await.expect("counted") == 0
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_opened_checked_and_retired() {
    each(|name, make, db| async move {
        let store = make(&config(&db, 1));
        let mut live = store.open().await.expect(name);
        let first = pid(&mut live).await;
        let mut live = store.check(live).await.expect("it answers");
        assert_eq!(pid(&mut live).await, first, "{name}: the same comes back from a check");
        store.retire(live).await;
        eventually_gone(&db, name, first).await;
    })
    .await;
}

#[tokio::test]
async fn a_dead_connection_does_not_pass_the_check() {
    each(|name, make, db| async move {
        let store = make(&config(&db, 1));
        let mut live = store.open().await.expect(name);
        let dead = pid(&mut live).await;
        let end = sqlx::query("SELECT pg_terminate_backend($1)").bind(dead);
        end.execute(&mut db.connect().await).await.expect("ended");
        eventually_gone(&db, name, dead).await;
        assert!(store.check(live).await.is_none(), "{name}");
    })
    .await;
}

#[tokio::test]
async fn a_dropped_connection_ends_its_session() {
    each(|name, make, db| async move {
        let store = make(&config(&db, 1));
        let mut live = store.open().await.expect(name);
        let first = pid(&mut live).await;
        drop(live);
        eventually_gone(&db, name, first).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_can_be_taken_out_and_outlives_the_store() {
    each(|name, make, db| async move {
        let store = make(&config(&db, 1));
        let mut taken = store.open().await.expect(name).into_inner();
        drop(store);
        assert!(pid(&mut taken).await > 0);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_classified() {
    each(|name, make, db| async move {
        let url = db.url().replace(db.name(), "no_such_database");
        let store = make(&PoolConfig::from_url(&url).expect("a URL"));
        let error = store.open().await.err().expect(name);
        assert_eq!((error.fault, error.attempts), (Fault::UnknownDatabase, 1), "{name}: {error}");
        assert!(error.server.contains("no_such_database"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_opening_that_is_cut_leaves_no_session() {
    each(|name, make, db| async move {
        let store = make(&config(&db, 1));
        assert!(store.open().now_or_never().is_none(), "{name}: it takes a while");
        eventually(&format!("{name}: nothing is left"), || async {
            let others = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            sqlx::query_scalar::<_, i64>(others).fetch_one(&mut db.connect().await).await.expect("counted")
                == 0
        })
        .await;
    })
    .await;
}

#[derive(Debug, Default)]
struct Counting(AtomicU32);

#[async_trait]
impl PasswordProvider for Counting {
    async fn password(&self) -> Result<Option<Secret>, BoxError> {
        self.0.fetch_add(1, Relaxed);
        Ok(None)
    }
}

#[tokio::test]
async fn the_password_is_asked_for_each_time() {
    each(|name, make, db| async move {
        let asked = Arc::new(Counting::default());
        let provider = Arc::clone(&asked);
        let store = make(&config(&db, 1).password(provider));
        drop((store.open().await.expect(name), store.open().await.expect(name)));
        assert_eq!(asked.0.load(Relaxed), 2, "{name}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_be_dropped_outside_a_runtime() {
    each(|name, make, db| async move {
        let live = make(&config(&db, 1)).open().await.expect(name);
        let thread = std::thread::spawn(move || drop(live));
        assert!(thread.join().is_ok(), "{name}: it panicked");
    })
    .await;
}
