//! Values that are made untrue by what they have in common.

use crate::common::{Away, Source, cache, ms, plain, slow, store};
use db_cache::{Cache, Error, Namespace, Policy};
use std::sync::Arc;
use tokio::time::advance;

fn policy() -> Policy {
    plain(ms(600_000))
}

fn numbers(cache: &Cache, policy: Policy) -> Namespace<u64> {
    cache.namespace("number", policy).expect("a policy")
}

async fn load(numbers: &Namespace<u64>, key: &str, tags: &[&str], source: &Arc<Source>) -> Option<u64> {
    let source = Arc::clone(source);
    let tagged = numbers.tagged(tags).expect("few tags");
    let landed = tagged.get_or_load(key, move || source.ask()).await;
    landed.expect("a value").map(|value| *value)
}

async fn get(numbers: &Namespace<u64>, key: &str) -> Option<u64> {
    numbers.get(key).await.expect("a short key").map(|value| *value)
}

/// Caches of two processes; without a store they are the same one.
fn pairs() -> Vec<(Cache, Cache)> {
    let alone = Cache::builder("app").build().expect("a name");
    let store = store();
    vec![(alone.clone(), alone), (cache(&store), cache(&store))]
}

#[tokio::test(start_paused = true)]
async fn all_that_have_a_tag_are_untrue_at_once_and_no_others() {
    for (one, _) in pairs() {
        let (numbers, source) = (numbers(&one, policy()), Source::new());
        for (key, tags) in [("a", &["red", "big"][..]), ("b", &["red"]), ("c", &["big"]), ("d", &[])] {
            load(&numbers, key, tags, &source).await;
        }
        assert_eq!(load(&numbers, "a", &["red", "big"], &source).await, Some(1), "kept until then");
        one.delete_tags(["red"]).await.expect("the store is there");
        let mut left = Vec::new();
        for key in ["a", "b", "c", "d"] {
            left.push(get(&numbers, key).await);
        }
        assert_eq!(left, [None, None, Some(3), Some(4)]);
        assert_eq!(numbers.get_multi(["a", "c"]).await.expect("short keys"), [None, Some(Arc::new(3))]);
        assert_eq!(load(&numbers, "a", &["red", "big"], &source).await, Some(5), "loaded anew");
        assert_eq!(get(&numbers, "a").await, Some(5), "and kept by a new mark");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_that_of_every_namespace() {
    for (one, _) in pairs() {
        let (first, source) = (numbers(&one, policy()), Source::new());
        let second = one.namespace::<u64>("other", policy()).expect("a policy");
        load(&first, "k", &["red"], &source).await;
        load(&second, "k", &["red"], &source).await;
        one.delete_tags(["red"]).await.expect("the store is there");
        assert_eq!((get(&first, "k").await, get(&second, "k").await), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_finds_it_untrue_too() {
    let store = store();
    let (one, other) = (cache(&store), cache(&store));
    let (mine, theirs, source) = (numbers(&one, policy()), numbers(&other, policy()), Source::new());
    load(&mine, "k", &["red"], &source).await;
    one.delete_tags(["red"]).await.expect("the store is there");
    assert_eq!(get(&theirs, "k").await, None, "the shared store has it still, and its mark is gone");
    assert_eq!(load(&theirs, "k", &["red"], &source).await, Some(2));
    assert_eq!(get(&mine, "k").await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn what_this_process_keeps_is_given_out_no_longer_than_its_own_policy_says() {
    let store = store();
    let (one, other) = (cache(&store), cache(&store));
    let mut brief = policy();
    brief.local_ttl = ms(1_000);
    let (mine, theirs, source) = (numbers(&one, policy()), numbers(&other, brief), Source::new());
    load(&theirs, "k", &["red"], &source).await;
    one.delete_tags(["red"]).await.expect("the store is there");
    assert_eq!(get(&mine, "k").await, None);
    assert_eq!(get(&theirs, "k").await, Some(1), "nobody has told");
    advance(ms(1_001)).await;
    assert_eq!(get(&theirs, "k").await, None, "asked, it finds another mark");
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_before_is_not_kept_after() {
    for (one, other) in pairs() {
        let (numbers, source) = (numbers(&one, policy()), Source::new());
        source.hold();
        let loading = tokio::spawn({
            let (numbers, source) = (numbers.clone(), Arc::clone(&source));
            async move { load(&numbers, "k", &["red"], &source).await }
        });
        source.was_asked(1).await;
        other.delete_tags(["red"]).await.expect("the store is there");
        source.let_go();
        assert_eq!(loading.await.expect("no panic"), Some(1), "whoever asked before gets it");
        advance(ms(60_001)).await;
        assert_eq!(get(&numbers, "k").await, None, "and nobody after");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_put_has_its_tags_too() {
    for (one, _) in pairs() {
        let numbers = numbers(&one, policy());
        let tagged = numbers.tagged(["red"]).expect("few tags");
        tagged.set_multi([("a", 1), ("b", 2)]).await.expect("the store is there");
        assert_eq!((get(&numbers, "a").await, get(&numbers, "b").await), (Some(1), Some(2)));
        one.delete_tags(["red"]).await.expect("the store is there");
        assert_eq!((get(&numbers, "a").await, get(&numbers, "b").await), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_untrue_stands_in_for_nobody() {
    let mut policy = policy();
    (policy.ttl, policy.stale_if_error, policy.stale_while_revalidate) = (ms(100), ms(60_000), ms(60_000));
    for (one, _) in pairs() {
        let (numbers, source) = (numbers(&one, policy.clone()), Source::new());
        load(&numbers, "k", &["red"], &source).await;
        advance(ms(101)).await;
        source.breaks(true);
        let tagged = numbers.tagged(["red"]).expect("few tags");
        let ask = |source: &Arc<Source>| {
            let source = Arc::clone(source);
            tagged.get_or_load("k", move || source.ask())
        };
        assert_eq!(ask(&source).await.expect("the old one").as_deref(), Some(&1));
        one.delete_tags(["red"]).await.expect("the store is there");
        assert!(ask(&source).await.is_err(), "what was made untrue is given to nobody");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_nothing_is_given_out_that_it_may_know_to_be_untrue() {
    let store: Arc<Away> = store();
    let one = cache(&store);
    let (numbers, source) = (numbers(&one, policy()), Source::new());
    load(&numbers, "k", &["red"], &source).await;
    store.goes();
    let refused = one.delete_tags(["red"]).await;
    assert!(matches!(refused, Err(Error::NotRemoved { .. })), "{refused:?}");
    assert_eq!(get(&numbers, "k").await, None);
    store.comes_back();
    assert_eq!(get(&numbers, "k").await, None, "the mark is removed before it is read");
    let other = cache(&store).namespace::<u64>("number", policy()).expect("a policy");
    assert_eq!(get(&other, "k").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_asked_though_no_mark_can_be_had() {
    let store = store();
    let one = cache(&store);
    let (numbers, source) = (numbers(&one, policy()), Source::new());
    store.goes();
    assert_eq!(load(&numbers, "k", &["red"], &source).await, Some(1));
    assert_eq!(load(&numbers, "k", &["red"], &source).await, Some(2), "without a mark it is not kept");
    store.comes_back();
    assert_eq!(load(&numbers, "k", &["red"], &source).await, Some(3));
    assert_eq!(load(&numbers, "k", &["red"], &source).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn many_that_ask_at_once_begin_one_mark_and_one_load() {
    let store = store();
    let source = Source::new();
    let all: Vec<_> = (0..8)
        .map(|_| {
            let (numbers, source) = (numbers(&cache(&store), policy()), Arc::clone(&source));
            tokio::spawn(async move { load(&numbers, "k", &["red", "big"], &source).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.expect("no panic"), Some(1));
    }
    slow(ms(1)).await;
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn too_many_are_refused_and_the_same_twice_are_one() {
    let cache = Cache::builder("app").build().expect("a name");
    let numbers = numbers(&cache, policy());
    let error = numbers.tagged(0..33).expect_err("one too many").to_string();
    assert_eq!(error, "33 tags for one value are more than 32");
    assert!(numbers.tagged((0..33).map(|number| number % 32)).is_ok());
    let long = numbers.tagged(["x".repeat(600)]);
    assert!(matches!(long, Err(Error::KeyTooLong { .. })), "{long:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_put_while_the_store_is_away_leaves_nothing_of_before() {
    let store = store();
    let numbers = numbers(&cache(&store), policy());
    numbers.set("k", 1).await.expect("the store is there");
    store.goes();
    let refused = numbers.tagged(["red"]).expect("few tags").set("k", 2).await;
    assert!(matches!(refused, Err(Error::NotRemoved { .. })), "{refused:?}");
    assert_eq!(get(&numbers, "k").await, None);
    store.comes_back();
    assert_eq!(get(&numbers, "k").await, None);
}
