//! Which functions a text runs is read off it, those too that it calls by a name behind a dot.

use super::{
    Subject,
    statements::{AMPLE, EXACT},
};
use db_security::access::{RawTouches, read_sql};
use db_testkit::empty_db;
use sqlx::{AssertSqlSafe, PgConnection, raw_sql};
use std::collections::BTreeSet;

/// Functions that may be called by a row: of a table's, of any, and of a value.
const SPIES: &str = "\
    CREATE FUNCTION spy(a) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; \
    CREATE FUNCTION look(anyelement) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; \
    CREATE FUNCTION peek(record) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; \
    CREATE FUNCTION hear(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; \
    CREATE FUNCTION pair() RETURNS a LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";

/// Texts, the functions that they are read to call, and the names behind a dot with the tables that may have them.
const TOLD: &[(&str, &str, &str)] = &[
    ("SELECT now(), s.f(1), \"F\"(2), Lower('A')", "F lower now s.f", ""),
    ("SELECT * FROM generate_series(1, 2), s.g(1) AS q", "generate_series s.g", ""),
    ("SELECT * FROM LATERAL h(1) AS q", "h", ""),
    ("SELECT left('a', 1), coalesce(1), current_user", "left", ""),
    ("SELECT \"coalesce\"(1)", "coalesce", ""),
    ("SELECT 1 WHERE pg_sleep(1) IS NULL ORDER BY random()", "pg_sleep random", ""),
    ("SELECT extract(year FROM now())", "extract now", ""),
    ("SELECT a.spy FROM a", "", "spy:a"),
    ("SELECT q.spy, q.x FROM a q", "", "spy:a x:a"),
    ("SELECT s.t.spy FROM s.t", "", "spy:s.t"),
    ("SELECT x FROM a ORDER BY a.spy", "", "spy:a"),
    ("SELECT 1 FROM a GROUP BY a.spy HAVING max(a.look) > 1", "max", "look:a spy:a"),
    ("SELECT 1 FROM a JOIN c ON a.spy = c.id", "", "id:c spy:a"),
    ("DELETE FROM a WHERE a.spy = 1 RETURNING a.look", "", "look:a spy:a"),
    ("UPDATE a SET x = a.spy", "", "spy:a"),
    ("INSERT INTO a (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET x = excluded.spy", "", "spy:a"),
    ("INSERT INTO a (id) VALUES (1) RETURNING a.spy", "", "spy:a"),
    ("MERGE INTO a USING c ON a.id = c.id WHEN MATCHED THEN UPDATE SET x = c.look", "", "id:a id:c look:c"),
    ("SELECT q.spy FROM (SELECT * FROM a) q", "", "spy:a"),
    ("SELECT q.spy FROM (SELECT * FROM a, c) q", "", "spy:a|c"),
    ("SELECT q.spy FROM (SELECT x AS spy FROM a) q", "", ""),
    ("SELECT q.x, q.max FROM (SELECT x, max(id) FROM a GROUP BY x) q", "max", ""),
    ("SELECT q.x FROM (SELECT a.x::text FROM a) q", "", "x:a"),
    ("WITH q AS (SELECT * FROM a) SELECT q.look FROM q", "", "look:a"),
    ("WITH q AS (DELETE FROM a RETURNING id) SELECT q.id FROM q", "", ""),
    (
        "WITH RECURSIVE q AS (SELECT 1 AS n UNION ALL SELECT q.n + 1 FROM q WHERE q.n < 3) SELECT q.n FROM q",
        "",
        "",
    ),
    ("SELECT q.column2 FROM (VALUES (1, 2)) q", "", ""),
    ("SELECT q.spy FROM (VALUES (1, 2)) AS q (spy)", "", ""),
    ("SELECT q.v FROM unnest(ARRAY[1]) AS q (v)", "unnest", ""),
    ("SELECT q.spy FROM (a JOIN c ON true) q", "", "spy:a|c"),
];

/// Names behind a dot of what is not seen to have such a column.
const REFUSED: &[&str] = &[
    "SELECT q.ts_stat FROM unnest(ARRAY['SELECT set_config(''role'', ''none'', false)::tsvector']) q",
    "SELECT q.nextval FROM unnest(ARRAY['a_id_seq'::regclass]) q",
    "SELECT q.hear FROM generate_series(1, 2) q",
    "SELECT hear.hear FROM generate_series(1, 2) hear",
    "SELECT generate_series.hear FROM generate_series(1, 2)",
    "SELECT unnest.ts_stat FROM unnest(ARRAY['SELECT 1'])",
    "SELECT u.hear FROM unnest(ARRAY[1]) WITH ORDINALITY AS u (e, o)",
    "SELECT q.hear FROM unnest(ARRAY[1]) AS q (v)",
    "SELECT p.spy FROM pair() p",
    "SELECT p.x FROM pair() p",
    "SELECT q.look FROM (SELECT 1 AS x) q",
    "SELECT q.spy FROM (SELECT spy.x FROM a AS spy) q",
    "SELECT q.x FROM (SELECT x AS y FROM a) q",
    "SELECT q.look FROM (VALUES (1, 2)) q",
    "SELECT q.column1 FROM (VALUES (1, 2)) AS q (v)",
    "WITH q AS (SELECT 1 AS n) SELECT q.peek FROM q",
    "WITH q (m) AS (SELECT 1 AS n) SELECT q.n FROM q",
    "WITH q (m) AS (SELECT * FROM a) SELECT q.id FROM q",
    "WITH q AS (SELECT 1 AS n UNION SELECT 2 AS look) SELECT q.look FROM q",
    "WITH q AS (SELECT 1 AS n ORDER BY (SELECT 2 AS look)) SELECT q.look FROM q",
    "WITH q AS (SELECT 1 AS n WHERE EXISTS (SELECT 2 AS look)) SELECT q.look FROM q",
    "WITH RECURSIVE q AS (SELECT 1 AS n UNION ALL SELECT q.look FROM q) SELECT q.n FROM q",
    "SELECT q.id FROM a AS q (p)",
    "SELECT q.id FROM (a JOIN c USING (id)) AS q (p)",
    "SELECT q.id FROM (a AS r (p) CROSS JOIN c) AS q",
    "SELECT s.id FROM (SELECT * FROM a AS q (p)) s",
    "SELECT 1 FROM a, LATERAL (SELECT q.look FROM (SELECT a.x) q) r",
    "INSERT INTO a (id) SELECT q.hear FROM generate_series(1, 2) q",
    "UPDATE a SET x = q.hear FROM generate_series(1, 2) q",
    "SELECT row_to_json(q.hear) FROM generate_series(1, 2) q",
    "SELECT q.hear[1] FROM generate_series(1, 2) q",
    "SELECT DISTINCT ON (q.hear) 1 FROM generate_series(1, 2) q",
    "SELECT sum(1) OVER (ORDER BY q.hear) FROM generate_series(1, 2) q",
    "SELECT count(*) FILTER (WHERE q.hear > 1) FROM generate_series(1, 2) q",
    "SELECT 1 LIMIT (SELECT q.hear FROM generate_series(1, 2) q)",
];

fn names(read: &RawTouches) -> String {
    let of = |name: &db_query::Qualified| {
        let tables = name.tables.iter().cloned().collect::<Vec<_>>().join("|");
        format!("{}:{tables}", name.column)
    };
    let mut names: Vec<String> = read.qualified.iter().map(of).collect();
    names.sort();
    names.join(" ")
}

#[test]
fn functions_are_named() {
    for (sql, functions, qualified) in TOLD {
        let read = read_sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let called = read.functions.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!((&*called, &*names(&read)), (*functions, *qualified), "{sql}");
    }
}

#[test]
fn a_name_that_may_be_a_functions_is_refused() {
    let taken: Vec<String> = REFUSED
        .iter()
        .filter_map(|sql| read_sql(sql).ok().map(|read| format!("{sql}: {}", names(&read))))
        .collect();
    assert!(taken.is_empty(), "{}", taken.join("\n"));
    let error = read_sql("SELECT q.value\nFROM json_each('{}') AS q").expect_err("any columns");
    assert!(error.to_string().contains("as in q (value)"), "{error}");
}

/// The functions that a plan calls, as the server writes it out; its own words are in capitals.
async fn called(conn: &mut PgConnection, sql: &str) -> Option<BTreeSet<String>> {
    let text = sql.strip_prefix("EXPLAIN").filter(|rest| !rest.starts_with(" (")).unwrap_or(sql);
    if text.starts_with("COPY") || text.starts_with("EXPLAIN") {
        return None;
    }
    let lines: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN (VERBOSE, COSTS OFF) {text}")))
            .fetch_all(conn)
            .await
            .ok()?;
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let mut found = BTreeSet::new();
    for line in lines {
        // Literals may hold anything.
        let bare: String = line.split('\'').step_by(2).collect();
        for (at, _) in bare.match_indices('(') {
            let name: String = bare[..at].chars().rev().take_while(|letter| is_word(*letter)).collect();
            let name: String = name.chars().rev().collect();
            found.extend((!name.is_empty()).then_some(name));
        }
    }
    Some(found)
}

#[tokio::test]
async fn the_server_calls_what_was_read() {
    empty_db(async |db| {
        let mut subject = Subject::make(&db).await;
        raw_sql(SPIES).execute(&mut subject.conn).await.expect("made");
        let real: Vec<String> = sqlx::query_scalar("SELECT DISTINCT proname::text FROM pg_proc")
            .fetch_all(&mut subject.conn)
            .await
            .expect("functions");
        let texts = EXACT.iter().chain(AMPLE).copied().chain(TOLD.iter().map(|(sql, ..)| *sql));
        let (mut wrong, mut planned, mut calls) = (Vec::new(), 0, 0);
        for sql in texts {
            let read = read_sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            let Some(called) = called(&mut subject.conn, sql).await else { continue };
            planned += 1;
            let mut told: BTreeSet<&str> =
                read.functions.iter().map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
            told.extend(read.qualified.iter().map(|name| name.column.as_str()));
            for name in called.iter().filter(|name| real.contains(name)) {
                calls += 1;
                if !told.contains(name.as_str()) {
                    wrong.push(format!("{sql}: calls {name}, and {told:?} was read"));
                }
            }
        }
        // What is refused above is what the server would have run.
        let mut would_call = 0;
        for sql in REFUSED {
            would_call += usize::from(called(&mut subject.conn, sql).await.is_some());
        }
        subject.drop().await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(planned > 100 && calls > 30 && would_call > 20, "{planned} {calls} {would_call}");
    })
    .await;
}
