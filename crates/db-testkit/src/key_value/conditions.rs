//! A conditional write is one step: it is done where the condition holds, and otherwise leaves everything as it is.

use super::{LONG, Suite, version};
use db_core::{Expected, Put, Stored, Version};
use futures_util::future::join_all;

const AT_ONCE: usize = 24;

pub(super) async fn check(suite: &Suite<'_>) {
    finds_nothing(suite).await;
    finds_its_version(suite).await;
    finds_something_else(suite).await;
    one_wins_an_absent_key(suite).await;
    one_wins_a_version(suite).await;
    loses_no_update(suite).await;
}

async fn finds_nothing(suite: &Suite<'_>) {
    let first = version();
    assert!(set_if(suite, "cas", Expected::Absent, b"first", first).await, "an absent key is written");
    let stored = Some(Stored { version: first, value: b"first".to_vec() });
    assert_eq!(suite.get("cas").await, stored, "what was written is there with its version");
    assert!(
        !set_if(suite, "cas", Expected::Absent, b"no", version()).await,
        "a key that is there is not absent"
    );
    assert_eq!(suite.get("cas").await, stored, "a refused write leaves all as it is");
}

async fn finds_its_version(suite: &Suite<'_>) {
    let first = suite.put("versioned", b"first").await;
    let second = version();
    let done = set_if(suite, "versioned", Expected::Version(first), b"second", second).await;
    assert!(done, "a write over the expected version is done");
    let stored = Some(Stored { version: second, value: b"second".to_vec() });
    assert_eq!(suite.get("versioned").await, stored, "the new version is there");
    let done = set_if(suite, "versioned", Expected::Version(first), b"third", version()).await;
    assert!(!done, "a version that was there before is not there");
    assert_eq!(suite.get("versioned").await, stored, "a refused write leaves all as it is");
}

async fn finds_something_else(suite: &Suite<'_>) {
    let done = set_if(suite, "never", Expected::Version(Version(0)), b"no", version()).await;
    assert!(!done, "nothing has no version, not even 0");
    assert_eq!(suite.get("never").await, None, "a refused write makes no key");

    let old = suite.put("deleted", b"old").await;
    suite.delete(&["deleted"]).await;
    let done = set_if(suite, "deleted", Expected::Version(old), b"no", version()).await;
    assert!(!done, "a version is gone once its key is deleted");
    assert_eq!(suite.get("deleted").await, None, "a refused write brings nothing back");
    assert!(set_if(suite, "deleted", Expected::Absent, b"new", version()).await, "a deleted key is absent");

    suite.added("number here", 3, LONG).await;
    for expected in [Expected::Absent, Expected::Version(Version(0)), Expected::Version(Version(3))] {
        let done = set_if(suite, "number here", expected, b"no", version()).await;
        assert!(!done, "a number is neither nothing nor a version ({expected:?})");
    }
    assert_eq!(suite.added("number here", 0, LONG).await, 3, "a refused write leaves the number");
}

async fn one_wins_an_absent_key(suite: &Suite<'_>) {
    let versions: Vec<Version> = (0..AT_ONCE).map(|_| version()).collect();
    let tries = versions.iter().map(|version| set_if(suite, "race", Expected::Absent, b"mine", *version));
    let won = join_all(tries).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "of many that want an absent key one gets it");
    let winner = versions.iter().zip(&won).find(|(_, won)| **won).map(|(version, _)| *version);
    assert_eq!(suite.get("race").await.map(|stored| stored.version), winner, "the one that was told so");
}

async fn one_wins_a_version(suite: &Suite<'_>) {
    let seen = suite.put("race of versions", b"seen").await;
    let versions: Vec<Version> = (0..AT_ONCE).map(|_| version()).collect();
    let expected = Expected::Version(seen);
    let tries = versions.iter().map(|version| set_if(suite, "race of versions", expected, b"mine", *version));
    let won = join_all(tries).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "of many that saw one version one replaces it");
    let winner = versions.iter().zip(&won).find(|(_, won)| **won).map(|(version, _)| *version);
    assert_eq!(suite.get("race of versions").await.map(|stored| stored.version), winner, "the one told so");
}

/// Several that read, add and write, each until its write is done: the sum tells that none was overwritten unseen.
async fn loses_no_update(suite: &Suite<'_>) {
    const WRITERS: u8 = 6;
    const ROUNDS: u8 = 4;
    suite.put("sum", &[0]).await;
    let writers = (0..WRITERS).map(|_| async {
        for _ in 0..ROUNDS {
            loop {
                let seen = suite.get("sum").await.expect("there");
                let next = [seen.value[0] + 1];
                if set_if(suite, "sum", Expected::Version(seen.version), &next, version()).await {
                    break;
                }
            }
        }
    });
    join_all(writers).await;
    let sum = suite.value("sum").await;
    assert_eq!(sum, Some(vec![WRITERS * ROUNDS]), "no write over a version that somebody has replaced");
}

async fn set_if(suite: &Suite<'_>, name: &str, expected: Expected, value: &[u8], version: Version) -> bool {
    let key = suite.key(name);
    let put = Put { key: &key, value, version, ttl: LONG };
    let done = suite.store.set_if(expected, put).await;
    done.unwrap_or_else(|error| panic!("set {name:?} if {expected:?}: {error}"))
}
