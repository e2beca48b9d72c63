//! No text takes more stack or time than there is.

use db_security::access::read_sql;

#[test]
fn no_text_is_too_much_for_the_stack() {
    let sum = format!("SELECT {} FROM a", vec!["x"; 100_000].join(" + "));
    let casts = format!("SELECT x{} FROM a", "::int".repeat(450));
    let nested = format!("SELECT {}1{} FROM a", "(".repeat(10_000), ")".repeat(10_000));
    let subqueries = format!("{}SELECT x FROM a{}", "SELECT (".repeat(500), ")".repeat(500));
    let unions = vec!["SELECT x FROM a"; 200].join(" UNION ");
    for text in [sum, casts, nested, subqueries, unions] {
        read_sql(&text).expect_err("too much");
    }
    for word in ["NOT ", "- ", "@ ", "CASE WHEN x = 1 THEN ", "EXISTS (", "EXPLAIN ", "ARRAY["] {
        for times in [10, 30, 60, 200] {
            // Whatever it is taken for, it is read to its end.
            let _ = read_sql(&format!("SELECT {}x FROM a", word.repeat(times)));
            let _ = read_sql(&format!("{} SELECT x FROM a", word.repeat(times)));
        }
    }
    let condition = vec!["(x = 1)"; 300].join(" OR ");
    read_sql(&format!("SELECT x FROM a WHERE {condition}")).expect("a long condition is no trouble");
    let list = vec!["1"; 10_000].join(", ");
    read_sql(&format!("SELECT x FROM a WHERE x IN ({list})")).expect("nor is a long list");
}

#[test]
fn a_long_text_is_refused_unread() {
    let list = |ones: usize| format!("SELECT x FROM a WHERE x IN ({})", vec!["1"; ones].join(","));
    read_sql(&list(30_000)).expect("just short enough");
    let error = read_sql(&list(33_000)).expect_err("too long");
    assert!(error.to_string().contains("64 KiB"), "{error}");
    // What it holds is of no matter.
    let error = read_sql(&"(".repeat(1 << 20)).expect_err("too long");
    assert!(error.to_string().contains("64 KiB"), "{error}");
}
