//! `clear` takes a prefix by its letters, and removes all that is under it and nothing else.

use super::{LONG, Suite, version};
use db_core::Put;

/// More than any store removes in one round trip.
const MANY: usize = 2_500;
/// Clearing `prefix` removes `inside` and leaves `outside`, which a pattern or another order of letters would confuse.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("plain", &["plain", "plain1", "plain:x"], &["plai", "Plain1", "xplain", " plain"]),
    ("star*", &["star*", "star*a"], &["star", "stara", "star/b*"]),
    ("ask?", &["ask?a"], &["ask", "aska", "askab"]),
    ("set[ab]", &["set[ab]", "set[ab]c"], &["seta", "setb1", "set[", "set[a"]),
    ("not[^a]", &["not[^a]1"], &["notb", "not^"]),
    ("open[", &["open[a"], &["open", "opena"]),
    ("close]", &["close]a"], &["close", "closea"]),
    ("range[a-z]", &["range[a-z]1"], &["rangeb"]),
    ("back\\", &["back\\a", "back\\\\"], &["back", "backa"]),
    ("escaped\\*", &["escaped\\*a"], &["escaped*", "escaped*a", "escaped\\a"]),
    ("like%", &["like%a"], &["like", "likea", "like a"]),
    ("under_", &["under_a"], &["under", "undera", "under/a"]),
    ("brace{x}", &["brace{x}a"], &["bracex", "brace{"]),
    ("dot.+", &["dot.+a"], &["dotab", "dot.."]),
    ("quote'\"", &["quote'\"a"], &["quote", "quote'"]),
    ("nul\0", &["nul\0a", "nul\0"], &["nul", "nula"]),
    ("ключ", &["ключ", "ключи"], &["клю", "Ключ"]),
    ("é", &["é1"], &["e", "e\u{301}1", "ê"]),
    ("last", &["last\u{10ffff}", "last\u{7f}"], &["lasu"]),
    ("top\u{10ffff}", &["top\u{10ffff}", "top\u{10ffff}a"], &["top", "top\u{10fffe}", "tor"]),
];

pub(super) async fn check(suite: &Suite<'_>) {
    assert_eq!(suite.clear("nobody wrote this").await, 0, "clear of nothing removes nothing");
    for (prefix, inside, outside) in CASES {
        for name in inside.iter().chain(*outside) {
            suite.put(name, b"v").await;
        }
        assert_eq!(
            suite.clear(prefix).await,
            inside.len() as u64,
            "clear of {prefix:?} counts what it removes"
        );
        for name in *inside {
            assert!(suite.get(name).await.is_none(), "clear of {prefix:?} removes {name:?}");
        }
        for name in *outside {
            assert!(suite.get(name).await.is_some(), "clear of {prefix:?} leaves {name:?}");
        }
        suite.delete(outside).await;
    }
    removes_both_kinds(suite).await;
    removes_many(suite).await;
}

async fn removes_both_kinds(suite: &Suite<'_>) {
    suite.put("kinds/value", b"v").await;
    suite.added("kinds/number", 4, LONG).await;
    suite.added("kind of number", 4, LONG).await;
    assert_eq!(suite.clear("kinds/").await, 2, "clear removes values and numbers");
    assert_eq!(suite.added("kinds/number", 1, LONG).await, 1, "a number that was cleared begins at 0");
    assert_eq!(suite.added("kind of number", 1, LONG).await, 5, "a number elsewhere is as it was");
}

async fn removes_many(suite: &Suite<'_>) {
    let keys: Vec<String> = (0..MANY).map(|number| suite.key(&format!("many/{number}"))).collect();
    let puts: Vec<Put<'_>> =
        keys.iter().map(|key| Put { key, value: b"v", version: version(), ttl: LONG }).collect();
    suite.store.set_multi(&puts).await.expect("set of many");
    suite.put("manx", b"stays").await;
    assert_eq!(suite.clear("many/").await, MANY as u64, "clear removes as many as there are");
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let found = suite.store.get_multi(&keys).await.expect("get of many");
    assert!(found.len() == MANY && found.iter().all(Option::is_none), "clear leaves none of many");
    assert!(suite.get("manx").await.is_some(), "clear of many leaves others");
}
