//! The shared store is away: nothing fails that the source can answer, and nothing untrue comes back with it.

use crate::common::{Source, ms, plain, process, read, store};
use db_cache::{Cache, Error};
use db_core::{KeyValue, Probe, Status};
use std::sync::Arc;

#[tokio::test(start_paused = true)]
async fn the_source_answers_and_this_process_keeps_it() {
    let (store, source) = (store(), Source::new());
    store.goes();
    let numbers = process(&store, plain(ms(1000)));
    assert_eq!(numbers.get("k").await.expect("no error"), None);
    assert_eq!(read(&numbers, &source).await, Some(1));
    let before = store.calls();
    assert_eq!(read(&numbers, &source).await, Some(1));
    assert_eq!((source.asked(), store.calls()), (1, before));
    assert!(numbers.stats().shared_failures > 0);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_removed_is_not_given_out_when_it_is_back() {
    let (store, source) = (store(), Source::new());
    let numbers = process(&store, plain(ms(60_000)));
    assert_eq!(read(&numbers, &source).await, Some(1));
    store.goes();
    let error = numbers.delete("k").await.expect_err("it may still be there");
    assert!(matches!(error, Error::NotRemoved { .. }), "{error}");
    assert_eq!(read(&numbers, &source).await, Some(2));
    store.comes_back();
    numbers.delete("other").await.expect("the store is back");
    let fresh = process(&store, plain(ms(60_000)));
    assert_eq!(numbers.get("k").await.expect("no error").as_deref(), Some(&2), "kept here");
    numbers.delete("k").await.expect("removed");
    assert_eq!(read(&fresh, &source).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn the_store_is_cleansed_before_it_is_read_again() {
    let (store, source) = (store(), Source::new());
    let mut policy = plain(ms(60_000));
    policy.local_bytes = 0;
    let numbers = process(&store, policy);
    assert_eq!(read(&numbers, &source).await, Some(1));
    store.goes();
    numbers.delete("k").await.expect_err("it may still be there");
    numbers.set("other", 7).await.expect_err("it may not be there");
    numbers.clear().await.expect_err("all may still be there");
    store.comes_back();
    assert_eq!(numbers.get("k").await.expect("no error"), None, "what the store has of it is untrue");
    assert_eq!(read(&numbers, &source).await, Some(2));
    assert_eq!(read(&numbers, &source).await, Some(2), "and from then on it is kept there");
}

#[tokio::test(start_paused = true)]
async fn the_probe_says_so() {
    let store = store();
    let cache =
        Cache::builder("app").shared(Arc::clone(&store) as Arc<dyn KeyValue>).build().expect("a name");
    assert_eq!(cache.probe().await.status, Status::Healthy);
    store.goes();
    let finding = cache.probe().await;
    assert_eq!(finding.status, Status::Degraded);
    assert!(finding.summary.starts_with("away does not answer"), "{finding:?}");
}
