//! What a hasty reader would pass over is seen.

use db_security::access::read_sql;
use std::collections::BTreeSet;

#[test]
fn what_is_hidden_from_a_hasty_reader_is_seen() {
    for (sql, statements, tables) in [
        ("SELECT 1; DELETE FROM a; SELECT 2 FROM c;", 3, vec!["a", "c"]),
        ("SELECT '; DELETE FROM a; --' FROM c", 1, vec!["c"]),
        ("SELECT $q$; DELETE FROM a; $q$ FROM c", 1, vec!["c"]),
        ("SELECT $a$ $b$ $a$, 1 FROM c -- $b$ FROM a", 1, vec!["c"]),
        ("SELECT E'\\'; DELETE FROM a; --' FROM c", 1, vec!["c"]),
        ("SELECT /* /* */ FROM a */ 1 FROM c", 1, vec!["c"]),
        ("SELECT 1 -- \n FROM c", 1, vec!["c"]),
        ("SELECT \"; FROM a\" FROM c", 1, vec!["c"]),
        ("WITH c AS (SELECT 1 FROM a) SELECT 1 FROM c", 1, vec!["a"]),
        ("WITH a AS (SELECT 1 FROM a) SELECT 1 FROM a", 1, vec!["a"]),
        ("WITH c AS (SELECT 1) DELETE FROM c", 1, vec!["c"]),
        ("SELECT 1 FROM (SELECT 1 FROM (WITH q AS (SELECT 1 FROM a) SELECT 1 FROM q) r) s", 1, vec!["a"]),
        ("SELECT 1 ORDER BY (SELECT 1 FROM a)", 1, vec!["a"]),
        ("SELECT 1 LIMIT (SELECT 1 FROM a) OFFSET (SELECT 1 FROM c)", 1, vec!["a", "c"]),
        ("VALUES (1) LIMIT (SELECT x FROM a)", 1, vec!["a"]),
        ("SELECT f((SELECT 1 FROM a)) OVER (ORDER BY (SELECT 1 FROM c))", 1, vec!["a", "c"]),
        ("INSERT INTO a (id) VALUES (1) RETURNING (SELECT 1 FROM c)", 1, vec!["a", "c"]),
    ] {
        let read = read_sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let touched: BTreeSet<&str> = read.touches.iter().map(|touch| &*touch.table).collect();
        assert_eq!((read.statements, touched.into_iter().collect::<Vec<_>>()), (statements, tables), "{sql}");
    }
}

#[test]
fn what_changes_more_than_rows_is_told_apart() {
    let read =
        read_sql("TRUNCATE a, s.t; DROP TABLE IF EXISTS b; DROP VIEW v; ALTER TABLE c RENAME COLUMN k TO l")
            .expect("read");
    let told = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    assert_eq!(told(&read.truncates), ["a", "s.t"]);
    assert_eq!(told(&read.administers), ["b", "c", "v"]);
    assert!(read.touches.is_empty());
}
