//! Several processes share a store.

use crate::common::{Source, ms, plain, process, read, slow, store};
use std::sync::Arc;
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn what_one_has_loaded_the_other_finds() {
    let (store, source) = (store(), Source::new());
    let (one, other) = (process(&store, plain(ms(1000))), process(&store, plain(ms(1000))));
    assert_eq!((read(&one, &source).await, read(&other, &source).await), (Some(1), Some(1)));
    let before = store.calls();
    assert_eq!(read(&other, &source).await, Some(1), "out of the process itself");
    assert_eq!((store.calls(), other.stats().local_hits, other.stats().shared_hits), (before, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_one_loads_while_the_other_makes_it_untrue_is_kept_nowhere() {
    let (store, source) = (store(), Source::new());
    let (one, other) = (process(&store, plain(ms(1000))), process(&store, plain(ms(1000))));
    source.hold();
    let old = tokio::spawn({
        let (one, source) = (one.clone(), Arc::clone(&source));
        async move { read(&one, &source).await }
    });
    source.was_asked(1).await;
    other.delete("k").await.expect("the store is there");
    source.let_go();
    assert_eq!(old.await.expect("no panic"), Some(1), "they asked before");
    assert_eq!(one.stats().refused_fills, 1);
    assert_eq!((read(&other, &source).await, read(&one, &source).await), (Some(2), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_while_it_loads_holds_nobody_up() {
    let (store, source) = (store(), Source::new());
    source.hold();
    let dying = std::thread::spawn({
        let (store, source) = (Arc::clone(&store), Arc::clone(&source));
        move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            runtime.block_on(async {
                let one = process(&store, plain(ms(60_000)));
                let reading = tokio::spawn({
                    let (one, source) = (one.clone(), Arc::clone(&source));
                    async move { read(&one, &source).await }
                });
                source.was_asked(1).await;
                reading.abort();
            });
            // Whatever it has under way ends with it.
        }
    });
    dying.join().expect("it ends");
    source.let_go();
    let other = process(&store, plain(ms(60_000)));
    assert_eq!(read(&other, &source).await, Some(2));
    assert_eq!(other.stats().awaited, 1, "it waited until the lease had ended");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_takes_longer_than_a_lease_keeps_it() {
    let (store, source) = (store(), Source::new());
    let (one, other) = (process(&store, plain(ms(60_000))), process(&store, plain(ms(60_000))));
    source.hold();
    let reads = async { tokio::join!(read(&one, &source), read(&other, &source)) };
    let freed = async {
        source.was_asked(1).await;
        slow(ms(5_000)).await;
        source.let_go();
    };
    let (values, ()) = tokio::join!(reads, freed);
    assert_eq!(values, (Some(1), Some(1)));
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_lets_the_other_try() {
    let (store, source) = (store(), Source::new());
    let (one, other) = (process(&store, plain(ms(1000))), process(&store, plain(ms(1000))));
    source.breaks(true);
    let error = crate::common::try_read(&one, &source).await.expect_err("it is broken");
    assert_eq!(error, "the source failed: the source is broken");
    source.breaks(false);
    assert_eq!(read(&other, &source).await, Some(2));
    assert_eq!(other.stats().awaited, 0, "the lease was given back");
}

#[tokio::test(start_paused = true)]
async fn a_process_asks_the_store_again_after_its_own_time() {
    let (store, source) = (store(), Source::new());
    let mut policy = plain(ms(60_000));
    policy.local_ttl = ms(100);
    let (one, other) = (process(&store, policy.clone()), process(&store, policy));
    assert_eq!((read(&one, &source).await, read(&other, &source).await), (Some(1), Some(1)));
    one.delete("k").await.expect("the store is there");
    assert_eq!(read(&other, &source).await, Some(1), "nobody told it");
    advance(ms(101)).await;
    assert_eq!(read(&other, &source).await, Some(2));
}
