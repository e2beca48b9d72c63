//! Old values, where the policy lets them stand in.

use crate::common::{Source, alone, ms, plain, process, read, store, try_read};
use std::sync::Arc;
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn an_old_value_is_given_out_while_it_is_loaded_anew() {
    let mut policy = plain(ms(100));
    policy.stale_while_revalidate = ms(1000);
    let (numbers, source) = (alone(policy), Source::new());
    assert_eq!(read(&numbers, &source).await, Some(1));
    advance(ms(101)).await;
    source.hold();
    assert_eq!(read(&numbers, &source).await, Some(1), "nobody waits");
    source.was_asked(2).await;
    assert_eq!(read(&numbers, &source).await, Some(1));
    source.let_go();
    while numbers.stats().loads < 2 || read(&numbers, &source).await != Some(2) {
        tokio::task::yield_now().await;
    }
    assert_eq!(source.asked(), 2, "once for all who came meanwhile");
    advance(ms(2000)).await;
    assert_eq!(read(&numbers, &source).await, Some(3), "one that is too old is given to nobody");
}

#[tokio::test(start_paused = true)]
async fn an_old_value_stands_in_when_the_source_fails() {
    for shared in [false, true] {
        let mut policy = plain(ms(100));
        policy.stale_if_error = ms(1000);
        let numbers = if shared { process(&store(), policy) } else { alone(policy) };
        let source = Source::new();
        assert_eq!(read(&numbers, &source).await, Some(1));
        advance(ms(101)).await;
        source.breaks(true);
        assert_eq!(read(&numbers, &source).await, Some(1), "shared: {shared}");
        source.breaks(false);
        assert_eq!(read(&numbers, &source).await, Some(3), "it is asked again each time");
        source.breaks(true);
        advance(ms(2000)).await;
        assert!(try_read(&numbers, &source).await.is_err(), "too old to stand in");
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_has_the_old_value_too() {
    let mut policy = plain(ms(100));
    policy.stale_if_error = ms(1000);
    let (store, source) = (store(), Source::new());
    assert_eq!(read(&process(&store, policy.clone()), &source).await, Some(1));
    advance(ms(101)).await;
    source.breaks(true);
    assert_eq!(read(&process(&store, policy.clone()), &source).await, Some(1));
    assert_eq!(read(&process(&store, policy), &source).await, Some(1), "and gave it back for the next one");
}

#[tokio::test(start_paused = true)]
async fn an_old_value_stands_in_for_a_slow_source_and_the_load_goes_on() {
    let mut policy = plain(ms(100));
    (policy.stale_if_error, policy.soft_timeout) = (ms(1000), Some(ms(20)));
    let (numbers, source) = (alone(policy), Source::new());
    assert_eq!(read(&numbers, &source).await, Some(1));
    advance(ms(101)).await;
    source.hold();
    assert_eq!(read(&numbers, &source).await, Some(1));
    source.let_go();
    while read(&numbers, &source).await != Some(2) {
        tokio::task::yield_now().await;
    }
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_process_loads_and_the_others_have_the_old_value_meanwhile() {
    let mut policy = plain(ms(100));
    policy.stale_while_revalidate = ms(1000);
    let (store, source) = (store(), Source::new());
    let one = process(&store, policy.clone());
    assert_eq!(read(&one, &source).await, Some(1));
    advance(ms(101)).await;
    source.hold();
    let first = tokio::spawn({
        let (other, source) = (process(&store, policy.clone()), Arc::clone(&source));
        async move { read(&other, &source).await }
    });
    source.was_asked(2).await;
    let third = process(&store, policy);
    assert_eq!(read(&third, &source).await, Some(1));
    source.let_go();
    assert_eq!(first.await.expect("no panic"), Some(1), "nor does whoever loads it");
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_untrue_never_stands_in() {
    let mut policy = plain(ms(100));
    (policy.stale_if_error, policy.stale_while_revalidate) = (ms(1000), ms(1000));
    let (store, source) = (store(), Source::new());
    let numbers = process(&store, policy);
    assert_eq!(read(&numbers, &source).await, Some(1));
    numbers.delete("k").await.expect("the store is there");
    source.breaks(true);
    assert!(try_read(&numbers, &source).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nor_what_another_process_made_untrue_while_it_was_loaded_in_vain() {
    let mut policy = plain(ms(100));
    policy.stale_if_error = ms(1000);
    let (store, source) = (store(), Source::new());
    let (first, other) = (process(&store, policy.clone()), process(&store, policy.clone()));
    assert_eq!(read(&first, &source).await, Some(1));
    advance(ms(101)).await;
    source.hold();
    let loading = tokio::spawn({
        let (one, source) = (process(&store, policy), Arc::clone(&source));
        async move { try_read(&one, &source).await }
    });
    source.was_asked(2).await;
    other.delete("k").await.expect("the store is there");
    source.breaks(true);
    source.let_go();
    assert!(loading.await.expect("no panic").is_err());
}

#[tokio::test(start_paused = true)]
async fn nor_what_this_process_has_of_it() {
    let mut policy = plain(ms(100));
    policy.stale_if_error = ms(100_000);
    let (store, source) = (store(), Source::new());
    let (one, other) = (process(&store, policy.clone()), process(&store, policy));
    assert_eq!(read(&one, &source).await, Some(1));
    advance(ms(101)).await;
    source.hold();
    let loading = tokio::spawn({
        let (one, source) = (one.clone(), Arc::clone(&source));
        async move { try_read(&one, &source).await }
    });
    source.was_asked(2).await;
    other.delete("k").await.expect("the store is there");
    source.breaks(true);
    source.let_go();
    assert!(loading.await.expect("no panic").is_err());
    assert!(try_read(&one, &source).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn while_it_is_loaded_anew_nothing_is_given_out_that_the_store_was_not_asked_for_in_time() {
    let mut policy = plain(ms(1000));
    (policy.local_ttl, policy.stale_while_revalidate) = (ms(100), ms(100_000));
    let (store, source) = (store(), Source::new());
    let (one, other) = (process(&store, policy.clone()), process(&store, policy));
    assert_eq!(read(&one, &source).await, Some(1));
    other.delete("k").await.expect("the store is there");
    advance(ms(50_000)).await;
    assert_eq!(read(&one, &source).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn an_old_value_of_the_store_is_given_out_by_whoever_loads_it_anew() {
    let mut policy = plain(ms(100));
    policy.stale_while_revalidate = ms(1000);
    let (store, source) = (store(), Source::new());
    assert_eq!(read(&process(&store, policy.clone()), &source).await, Some(1));
    advance(ms(101)).await;
    source.hold();
    let fresh = process(&store, policy);
    assert_eq!(read(&fresh, &source).await, Some(1), "nobody waits");
    source.was_asked(2).await;
    source.let_go();
    while read(&fresh, &source).await != Some(2) {
        tokio::task::yield_now().await;
    }
}
