//! Values that are changed only if nobody else has changed them.

use crate::common::{Source, alone, ms, plain, process, read, store};
use db_cache::{Error, Namespace};
use std::sync::Arc;
use tokio::time::advance;

/// Alone, and with a store; two handles that see each other's changes at once.
fn pairs() -> Vec<(Namespace<u64>, Namespace<u64>)> {
    let (alone, store) = (alone(plain(ms(60_000))), store());
    let process = || process(&store, plain(ms(60_000)));
    vec![(alone.clone(), alone), (process(), process())]
}

async fn get(numbers: &Namespace<u64>) -> Option<u64> {
    numbers.entry("k").await.expect("the store is there").value().copied()
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_is_replaced_once() {
    for (one, other) in pairs() {
        let (first, second) = (one.entry("k").await.expect("there"), other.entry("k").await.expect("there"));
        assert_eq!((first.value(), second.value()), (None, None));
        assert!(first.replace(1).await.expect("there"));
        assert!(!second.replace(2).await.expect("there"), "it is not what was seen");
        assert_eq!((get(&one).await, get(&other).await), (Some(1), Some(1)));
        let (first, second) = (one.entry("k").await.expect("there"), other.entry("k").await.expect("there"));
        assert!(second.replace(3).await.expect("there"));
        assert!(!first.replace(4).await.expect("there"));
        assert_eq!((get(&one).await, get(&other).await), (Some(3), Some(3)));
    }
}

#[tokio::test(start_paused = true)]
async fn nor_is_what_was_put_or_removed_meanwhile() {
    for (one, other) in pairs() {
        one.set("k", 1).await.expect("there");
        let entry = one.entry("k").await.expect("there");
        other.set("k", 1).await.expect("there");
        assert!(!entry.replace(2).await.expect("there"), "another one, if an equal one");
        let entry = one.entry("k").await.expect("there");
        other.delete("k").await.expect("there");
        assert!(!entry.replace(2).await.expect("there"));
        let entry = one.entry("k").await.expect("there");
        other.set("k", 5).await.expect("there");
        other.delete("k").await.expect("there");
        if entry.replace(6).await.expect("there") {
            assert_eq!(get(&other).await, Some(6), "where nothing is as it was, it may be put");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_began_before_does_not_come_after() {
    for (one, other) in pairs() {
        let source = Source::new();
        let entry = one.entry("k").await.expect("there");
        source.hold();
        let loading = tokio::spawn({
            let (other, source) = (other.clone(), Arc::clone(&source));
            async move { read(&other, &source).await }
        });
        source.was_asked(1).await;
        let is_put = entry.replace(9).await.expect("there");
        source.let_go();
        assert_eq!(loading.await.expect("no panic"), Some(1));
        if is_put {
            assert_eq!((get(&one).await, get(&other).await), (Some(9), Some(9)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_old_is_none() {
    for (one, _) in pairs() {
        one.set("k", 1).await.expect("there");
        advance(ms(60_001)).await;
        let entry = one.entry("k").await.expect("there");
        assert_eq!(entry.value(), None);
        assert!(entry.replace(2).await.expect("there"));
        assert_eq!(get(&one).await, Some(2));
    }
}

#[tokio::test]
async fn all_of_many_changes_are_made() {
    for (one, other) in pairs() {
        let changes: Vec<_> = (0..64)
            .map(|at| {
                let numbers = if at % 2 == 0 { one.clone() } else { other.clone() };
                tokio::spawn(async move { numbers.update("k", |old| Some(old.unwrap_or(&0) + 1)).await })
            })
            .collect();
        for change in changes {
            change.await.expect("no panic").expect("in time");
        }
        assert_eq!(get(&one).await, Some(64));
        let left = one.update("k", |_| None).await.expect("there");
        assert_eq!(left.as_deref(), Some(&64), "nothing is changed");
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_of_the_store_it_is_an_error_and_neither_is_given_out() {
    let store = store();
    let numbers = process(&store, plain(ms(60_000)));
    numbers.set("k", 1).await.expect("there");
    let entry = numbers.entry("k").await.expect("there");
    store.goes();
    assert!(matches!(entry.replace(2).await, Err(Error::Store { .. })));
    assert!(matches!(numbers.entry("k").await, Err(Error::Store { .. })));
    store.comes_back();
    assert_eq!(get(&numbers).await, None);
}
