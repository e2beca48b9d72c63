//! Numbers that several add to.

use crate::common::{cache, ms, store};
use db_cache::{Cache, Error};
use db_core::{Classify, KeyValueError, Retry};
use db_testkit::eventually;

#[tokio::test]
async fn each_has_its_own_sum_for_its_time() {
    let store = store();
    let alone = Cache::builder("app").build().expect("a name");
    for (one, other) in [(alone.clone(), alone), (cache(&store), cache(&store))] {
        let counter = |cache: &Cache| cache.counter("sign-ins", ms(60_000)).expect("a name");
        let (mine, theirs) = (counter(&one), counter(&other));
        assert_eq!(mine.get("ada").await.expect("there"), 0);
        assert_eq!(mine.add("ada", 2).await.expect("there"), 2);
        assert_eq!(theirs.add("ada", -5).await.expect("there"), -3);
        assert_eq!(theirs.add("bob", 1).await.expect("there"), 1);
        assert_eq!(mine.get("ada").await.expect("there"), -3);
        mine.reset("ada").await.expect("there");
        assert_eq!(theirs.get("ada").await.expect("there"), 0);
        let brief = one.counter("attempts", ms(20)).expect("a name");
        brief.add("ada", 4).await.expect("there");
        eventually("it begins anew after its time", async || brief.get("ada").await.expect("there") == 0)
            .await;
    }
}

#[tokio::test]
async fn what_cannot_be_counted_is_an_error() {
    let store = store();
    let one = cache(&store);
    let counter = one.counter("sign-ins", ms(60_000)).expect("a name");
    counter.add("ada", i64::MAX).await.expect("there");
    let error = counter.add("ada", 1).await.expect_err("too much");
    assert!(matches!(error, Error::Store { source: KeyValueError::Overflow { .. } }), "{error:?}");
    assert_eq!(error.retry(), Retry::Never);
    store.goes();
    let error = counter.add("ada", 1).await.expect_err("the store is away");
    assert_eq!(error.retry(), Retry::Reconnect);
    assert!(one.counter("sign-ins", ms(0)).is_err());
    assert!(one.counter("Sign ins", ms(1)).is_err());
}
