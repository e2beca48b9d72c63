//! Numbers are added to in one step, stay within 64 bits, and are never taken for values.

use super::{LONG, Suite};
use db_core::KeyValueError;
use futures_util::future::join_all;

const AT_ONCE: i64 = 24;

pub(super) async fn check(suite: &Suite<'_>) {
    adds(suite).await;
    begins_anew(suite).await;
    adds_one_after_the_other(suite).await;
    stays_within_64_bits(suite).await;
    is_no_value(suite).await;
}

async fn adds(suite: &Suite<'_>) {
    for (by, sum) in [(5, 5), (-7, -2), (0, -2), (2, 0), (1 << 40, 1 << 40)] {
        assert_eq!(suite.added("number", by, LONG).await, sum, "adding {by} gives {sum}");
    }
    assert_eq!(suite.added("zero", 0, LONG).await, 0, "a number begins at 0");
}

async fn begins_anew(suite: &Suite<'_>) {
    suite.added("again", 9, LONG).await;
    assert_eq!(suite.delete(&["again"]).await, 1, "a number is deleted");
    assert_eq!(suite.added("again", 1, LONG).await, 1, "a number begins at 0 again after a delete");
    suite.put("value once", b"7").await;
    suite.delete(&["value once"]).await;
    assert_eq!(suite.added("value once", 1, LONG).await, 1, "a number begins where a value was deleted");
}

async fn adds_one_after_the_other(suite: &Suite<'_>) {
    let mut sums = join_all((0..AT_ONCE).map(|_| suite.added("at once", 1, LONG))).await;
    sums.sort_unstable();
    assert_eq!(sums, (1..=AT_ONCE).collect::<Vec<_>>(), "of many who add at once each gets a sum of its own");
}

async fn stays_within_64_bits(suite: &Suite<'_>) {
    for (name, end, one_more) in [("largest", i64::MAX, 1), ("smallest", i64::MIN, -1)] {
        assert_eq!(suite.added(name, end, LONG).await, end, "the {name} number is held");
        let error = suite.add(name, one_more, LONG).await.expect_err("no such number");
        let told = matches!(&error, KeyValueError::Overflow { key } if *key == suite.key(name));
        assert!(told, "past the {name} number it is Overflow with the key: {error:?}");
        assert_eq!(suite.added(name, 0, LONG).await, end, "an overflow leaves the number as it was");
        assert_eq!(suite.added(name, -one_more, LONG).await, end - one_more, "and it can be added to");
    }
}

async fn is_no_value(suite: &Suite<'_>) {
    suite.put("a value", b"7").await;
    suite.added("a number", 7, LONG).await;

    let error = suite.add("a value", 1, LONG).await.expect_err("a value is no number");
    is_wrong_kind(&error, &suite.key("a value"), "value");
    assert_eq!(suite.value("a value").await.as_deref(), Some(&b"7"[..]), "what was no number is as it was");

    let keys = [suite.key("a value"), suite.key("a number")];
    let found = suite.store.get_multi(&[&keys[0], &keys[1]]).await;
    is_wrong_kind(&found.expect_err("a number is no value"), &keys[1], "number");
    assert_eq!(suite.added("a number", 0, LONG).await, 7, "what was no value is as it was");
}

fn is_wrong_kind(error: &KeyValueError, expected_key: &str, expected: &str) {
    let told =
        matches!(error, KeyValueError::WrongKind { key, found } if key == expected_key && *found == expected);
    assert!(told, "a {expected} where something else was asked for is WrongKind, with both: {error:?}");
}
