//! What every `KeyValue` must do, as one suite that each implementation runs.
//!
//! A store promises to keep nothing for certain, so the suite wants one that has room for all of it (some 10 MiB).

mod clearing;
mod conditions;
mod limits;
mod numbers;
mod times;
mod values;

use db_core::{KeyValue, KeyValueError, Put, Stored, Version};
use std::time::Duration;

/// Longer than the suite takes.
const LONG: Duration = Duration::from_secs(600);
/// Soon over; never waited for, only polled.
const SHORT: Duration = Duration::from_millis(40);

/// Runs the whole suite. Its keys begin with text that no other run has, so it may share a server with others.
///
/// # Panics
/// With the first promise that the store does not keep.
pub async fn key_value_conforms(store: &dyn KeyValue) {
    let suite = Suite { store, prefix: format!("suite-{:016x}/", rand::random::<u64>()) };
    values::check(&suite).await;
    conditions::check(&suite).await;
    numbers::check(&suite).await;
    times::check(&suite).await;
    limits::check(&suite).await;
    clearing::check(&suite).await;
    suite.store.clear(&suite.prefix).await.expect("the suite's own keys are removed");
}

/// The store with words for what the checks do to it; keys are given without the prefix.
struct Suite<'a> {
    store: &'a dyn KeyValue,
    prefix: String,
}

impl Suite<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn get(&self, name: &str) -> Option<Stored> {
        self.get_multi(&[name]).await.pop().expect("an answer for each key")
    }

    async fn get_multi(&self, names: &[&str]) -> Vec<Option<Stored>> {
        let keys: Vec<String> = names.iter().map(|name| self.key(name)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let found =
            self.store.get_multi(&keys).await.unwrap_or_else(|error| panic!("get {names:?}: {error}"));
        assert_eq!(found.len(), names.len(), "get {names:?}: an answer for each key, in their order");
        found
    }

    /// Only the bytes.
    async fn value(&self, name: &str) -> Option<Vec<u8>> {
        self.get(name).await.map(|stored| stored.value)
    }

    /// Puts it for a long time; tells the mark of the write.
    async fn put(&self, name: &str, value: &[u8]) -> Version {
        self.put_for(name, value, LONG).await
    }

    async fn put_for(&self, name: &str, value: &[u8], ttl: Duration) -> Version {
        let version = version();
        let key = self.key(name);
        let put = Put { key: &key, value, version, ttl };
        self.store.set_multi(&[put]).await.unwrap_or_else(|error| panic!("set {name:?}: {error}"));
        version
    }

    async fn delete(&self, names: &[&str]) -> u64 {
        let keys: Vec<String> = names.iter().map(|name| self.key(name)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.store.delete_multi(&keys).await.unwrap_or_else(|error| panic!("delete {names:?}: {error}"))
    }

    async fn add(&self, name: &str, by: i64, ttl: Duration) -> Result<i64, KeyValueError> {
        self.store.increment(&self.key(name), by, ttl).await
    }

    async fn added(&self, name: &str, by: i64, ttl: Duration) -> i64 {
        self.add(name, by, ttl).await.unwrap_or_else(|error| panic!("add {by} to {name:?}: {error}"))
    }

    async fn clear(&self, name: &str) -> u64 {
        let prefix = self.key(name);
        self.store.clear(&prefix).await.unwrap_or_else(|error| panic!("clear {name:?}: {error}"))
    }
}

/// A mark that no other write has.
fn version() -> Version {
    Version(rand::random())
}
