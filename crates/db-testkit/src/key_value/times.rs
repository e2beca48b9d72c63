//! What is put is there for its time, and then it is not. No check depends on how fast it runs: what is to end is
//! polled for, and what is to stay is looked at when something that was put later, for less, has ended.

use super::{LONG, SHORT, Suite, version};
use crate::eventually;
use db_core::{Expected, Put, Version};
use std::time::Duration;

pub(super) async fn check(suite: &Suite<'_>) {
    values_end(suite).await;
    the_last_write_tells_the_time(suite).await;
    conditional_writes_have_a_time(suite).await;
    what_has_ended_is_absent(suite).await;
    numbers_end_when_they_began_to(suite).await;
    takes_any_time(suite).await;
}

async fn values_end(suite: &Suite<'_>) {
    suite.put("long", b"l").await;
    suite.put_for("short", b"s", SHORT).await;
    gone(suite, "short").await;
    assert_eq!(
        suite.value("long").await.as_deref(),
        Some(&b"l"[..]),
        "what was put for longer is still there"
    );
    assert_eq!(suite.delete(&["short", "long"]).await, 1, "what has ended is not there to delete");
    suite.added("short", 1, LONG).await;
    suite.put_for("ended value", b"s", SHORT).await;
    gone(suite, "ended value").await;
    assert_eq!(suite.added("ended value", 2, LONG).await, 2, "a number begins where a value has ended");
    suite.put_for("cleared", b"s", SHORT).await;
    gone(suite, "cleared").await;
    assert_eq!(suite.clear("cleared").await, 0, "what has ended is not there to clear");
}

async fn the_last_write_tells_the_time(suite: &Suite<'_>) {
    suite.put_for("longer", b"first", SHORT).await;
    suite.put("longer", b"second").await;
    suite.put("shorter", b"first").await;
    suite.put_for("shorter", b"second", SHORT).await;
    gone(suite, "shorter").await;
    assert_eq!(suite.value("longer").await.as_deref(), Some(&b"second"[..]), "a write has its own time");
}

async fn conditional_writes_have_a_time(suite: &Suite<'_>) {
    assert!(set_if(suite, "short if", Expected::Absent, version(), SHORT).await, "an absent key is written");
    gone(suite, "short if").await;
    let seen = suite.put_for("longer if", b"first", SHORT).await;
    let done = set_if(suite, "longer if", Expected::Version(seen), version(), LONG).await;
    suite.put_for("witness", b"w", SHORT).await;
    gone(suite, "witness").await;
    // On a slow machine the first may have ended before it was replaced.
    assert_eq!(suite.get("longer if").await.is_some(), done, "a conditional write has its own time");
    let seen = suite.put("shorter if", b"first").await;
    assert!(set_if(suite, "shorter if", Expected::Version(seen), version(), SHORT).await, "it is replaced");
    gone(suite, "shorter if").await;
}

async fn what_has_ended_is_absent(suite: &Suite<'_>) {
    let seen = suite.put_for("ended", b"e", SHORT).await;
    gone(suite, "ended").await;
    assert!(
        !set_if(suite, "ended", Expected::Version(seen), version(), LONG).await,
        "its version is not there"
    );
    assert!(set_if(suite, "ended", Expected::Absent, version(), LONG).await, "what has ended is absent");
    suite.put_for("ended, unseen", b"e", SHORT).await;
    eventually("an ended value counts as absent for a conditional write, though nobody looked at it", || {
        set_if(suite, "ended, unseen", Expected::Absent, version(), LONG)
    })
    .await;
}

async fn numbers_end_when_they_began_to(suite: &Suite<'_>) {
    // A store that renewed it would count on for LONG.
    suite.added("renewed", 1, SHORT).await;
    eventually("a number ends at the time from its beginning, though it is added to", || async {
        suite.added("renewed", 1, LONG).await == 1
    })
    .await;
    suite.added("not cut", 1, LONG).await;
    suite.added("not cut", 1, SHORT).await;
    suite.put_for("witness", b"w", SHORT).await;
    gone(suite, "witness").await;
    assert_eq!(suite.added("not cut", 1, LONG).await, 3, "a later addition does not shorten a number's time");
    suite.added("number before", 1, SHORT).await;
    eventually("a value is put where a number has ended", || {
        set_if(suite, "number before", Expected::Absent, version(), LONG)
    })
    .await;
}

async fn takes_any_time(suite: &Suite<'_>) {
    for ttl in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(999)] {
        suite.put_for("at once", b"v", ttl).await;
        gone(suite, "at once").await;
        assert!(set_if(suite, "at once", Expected::Absent, version(), ttl).await, "written for {ttl:?}");
        gone(suite, "at once").await;
        suite.added("number at once", 1, ttl).await;
    }
    for ttl in [Duration::from_secs(3_000_000_000), Duration::MAX] {
        suite.put_for("for ages", b"v", ttl).await;
        assert!(suite.get("for ages").await.is_some(), "a value put for {ttl:?} is there");
        suite.delete(&["for ages", "number for ages"]).await;
        assert!(set_if(suite, "for ages", Expected::Absent, version(), ttl).await, "written for {ttl:?}");
        assert!(suite.get("for ages").await.is_some(), "a value written for {ttl:?} is there");
        suite.added("number for ages", 1, ttl).await;
        assert_eq!(suite.added("number for ages", 1, ttl).await, 2, "a number kept for {ttl:?} is there");
    }
}

async fn gone(suite: &Suite<'_>, name: &str) {
    eventually(&format!("{name:?} ends"), || async { suite.get(name).await.is_none() }).await;
}

async fn set_if(suite: &Suite<'_>, name: &str, expected: Expected, version: Version, ttl: Duration) -> bool {
    let key = suite.key(name);
    let put = Put { key: &key, value: b"conditional", version, ttl };
    let done = suite.store.set_if(expected, put).await;
    done.unwrap_or_else(|error| panic!("set {name:?} if {expected:?}: {error}"))
}
