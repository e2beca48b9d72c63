//! However many want a value at once, the source is asked once.

use crate::common::{Source, alone, ms, plain, process, read, slow, store, try_read};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn ten_thousand_who_miss_ask_once() {
    let (numbers, source) = (alone(plain(ms(1000))), Source::new());
    let all = join_all((0..10_000).map(|_| read(&numbers, &source))).await;
    assert!(all.iter().all(|value| *value == Some(1)));
    assert_eq!(source.asked(), 1);
    let stats = numbers.stats();
    assert_eq!((stats.loads, stats.joined, stats.misses), (1, 9_999, 1));
}

#[tokio::test(start_paused = true)]
async fn eight_processes_ask_once_among_them() {
    let (store, source) = (store(), Source::new());
    let fleet: Vec<_> = (0..8).map(|_| process(&store, plain(ms(60_000)))).collect();
    source.hold();
    let all = join_all(fleet.iter().flat_map(|one| (0..1_000).map(|_| read(one, &source))));
    let freed = async {
        source.was_asked(1).await;
        source.let_go();
    };
    let (all, ()) = tokio::join!(all, freed);
    assert!(all.iter().all(|value| *value == Some(1)));
    assert_eq!(source.asked(), 1);
    assert_eq!(fleet.iter().map(|one| one.stats().loads).sum::<u64>(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_began_may_go_and_the_others_have_it() {
    let (numbers, source) = (alone(plain(ms(1000))), Source::new());
    source.hold();
    let first = tokio::spawn({
        let (numbers, source) = (numbers.clone(), Arc::clone(&source));
        async move { read(&numbers, &source).await }
    });
    source.was_asked(1).await;
    let second = tokio::spawn({
        let (numbers, source) = (numbers.clone(), Arc::clone(&source));
        async move { read(&numbers, &source).await }
    });
    while numbers.stats().joined == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.expect_err("it was cut").is_cancelled());
    source.let_go();
    assert_eq!(second.await.expect("no panic"), Some(1));
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_before_it_was_made_untrue_is_not_kept() {
    let (numbers, source) = (alone(plain(ms(1000))), Source::new());
    source.hold();
    let old = tokio::spawn({
        let (numbers, source) = (numbers.clone(), Arc::clone(&source));
        async move { read(&numbers, &source).await }
    });
    source.was_asked(1).await;
    numbers.delete("k").await.expect("there is no store");
    // Whoever comes now must not be given what was read before.
    let new = tokio::spawn({
        let (numbers, source) = (numbers.clone(), Arc::clone(&source));
        async move { read(&numbers, &source).await }
    });
    source.was_asked(2).await;
    source.let_go();
    assert_eq!(old.await.expect("no panic"), Some(1), "they asked before");
    assert_eq!(new.await.expect("no panic"), Some(2));
    assert_eq!(read(&numbers, &source).await, Some(2));
    assert_eq!((source.asked(), numbers.stats().refused_fills), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_panics_fails_those_who_wait_and_nobody_after() {
    let (numbers, source) = (alone(plain(ms(1000))), Source::new());
    let failed =
        numbers.get_or_load("k", || async { panic!("in the test") as Result<_, std::io::Error> }).await;
    assert!(matches!(failed, Err(db_cache::LoadError::Panicked)), "{failed:?}");
    assert_eq!(read(&numbers, &source).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn too_many_loads_are_not_begun() {
    let mut policy = plain(ms(1000));
    policy.max_loads = 1;
    let (numbers, source) = (alone(policy), Source::new());
    source.hold();
    let first = tokio::spawn({
        let (numbers, source) = (numbers.clone(), Arc::clone(&source));
        async move { read(&numbers, &source).await }
    });
    source.was_asked(1).await;
    let other = numbers.get_or_load("other", || async { Ok::<_, std::io::Error>(Some(7)) }).await;
    assert!(other.expect_err("one is enough").to_string().contains("1 loads are under way in number"));
    source.let_go();
    assert_eq!(first.await.expect("no panic"), Some(1));
    assert_eq!(numbers.stats().sheds, 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_is_given_up_at_its_hard_timeout() {
    let mut policy = plain(ms(1000));
    policy.hard_timeout = ms(100);
    let (numbers, source) = (alone(policy), Source::new());
    source.hold();
    let error = try_read(&numbers, &source).await.expect_err("nobody answers");
    assert_eq!(error, "the source did not answer within 100ms");
    source.let_go();
    assert_eq!(read(&numbers, &source).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn that_there_is_none_is_kept_where_it_is_wanted() {
    for (negative, expected) in [(None, 3), (Some(ms(50)), 2)] {
        let mut policy = plain(ms(1000));
        policy.negative_ttl = negative;
        let (numbers, asked) = (alone(policy), Source::new());
        for pause in [0, 1, 100] {
            advance(ms(pause)).await;
            let asked = Arc::clone(&asked);
            let none = numbers.get_or_load("k", move || async move { asked.ask().await.map(|_| None) }).await;
            assert_eq!(none.expect("an answer"), None);
        }
        assert_eq!(asked.asked(), expected, "{negative:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_value_is_loaded_before_its_time_by_one_of_many() {
    let mut policy = plain(ms(1000));
    policy.early_refresh = 1.0;
    let (numbers, asked) = (alone(policy), Source::new());
    let ask = |numbers: &db_cache::Namespace<u64>| {
        let (numbers, asked) = (numbers.clone(), Arc::clone(&asked));
        async move {
            let load = move || async move {
                slow(ms(100)).await;
                asked.ask().await
            };
            numbers.get_or_load("k", load).await.expect("a value").map(|value| *value)
        }
    };
    assert_eq!(ask(&numbers).await, Some(1));
    advance(ms(950)).await;
    let near_the_end = join_all((0..100).map(|_| ask(&numbers))).await;
    assert!(near_the_end.iter().all(|value| *value == Some(1)), "it is fresh still");
    slow(ms(40)).await;
    advance(ms(60)).await;
    asked.was_asked(2).await;
    assert_eq!(ask(&numbers).await, Some(2), "and was loaded before it ended");
    assert_eq!(numbers.stats().misses, 1);
}
