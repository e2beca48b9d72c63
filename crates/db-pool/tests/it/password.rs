//! Passwords that change while the pool runs.

use crate::config;
use async_trait::async_trait;
use db_core::{BoxError, PasswordProvider, Secret};
use db_pool::{Error, Fault, Pool};
use db_testkit::fresh_db;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

/// Counts how often it is asked, and fails on demand.
#[derive(Debug, Default)]
struct Counting {
    asked: AtomicU32,
    fails: bool,
}

#[async_trait]
impl PasswordProvider for Counting {
    async fn password(&self) -> Result<Option<Secret>, BoxError> {
        self.asked.fetch_add(1, Relaxed);
        if self.fails { Err("the vault is sealed".into()) } else { Ok(Some(Secret::new("hunter2"))) }
    }
}

#[tokio::test]
async fn it_is_asked_for_each_new_connection() {
    fresh_db(|db| async move {
        let provider = Arc::new(Counting::default());
        let asked = Arc::clone(&provider);
        let pool = Pool::connect(&config(&db, 2).password(asked)).await.expect("connected");
        let (one, two) = (pool.acquire().await.expect("one"), pool.acquire().await.expect("two"));
        drop((one, two));
        drop(pool.acquire().await.expect("idle"));
        assert_eq!(provider.asked.load(Relaxed), 2);
    })
    .await;
}

#[tokio::test]
async fn a_failing_provider_is_named() {
    fresh_db(|db| async move {
        let provider = Arc::new(Counting { fails: true, ..Counting::default() });
        let error = Pool::connect(&config(&db, 1).password(provider)).await.expect_err("no password");
        assert!(matches!(&error, Error::Connect(error) if error.fault == Fault::Provider), "{error}");
    })
    .await;
}
