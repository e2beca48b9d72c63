//! What is read off a text of SQL is what the server demands for it: no less, and no more but where that is said.

use db_query::{Access, Columns};
use db_security::access::{RawTouches, read_sql};
use db_testkit::{FreshDb, empty_db};
use sqlx::{AssertSqlSafe, PgConnection, Row, raw_sql};
use std::collections::{BTreeMap, BTreeSet};

const SCHEMA: &str = "CREATE TABLE a (id int PRIMARY KEY, x int, y text, z jsonb); \
    CREATE TABLE b (id int PRIMARY KEY, a_id int, w text, n int[]); \
    CREATE TABLE c (id int UNIQUE, k int); \
    CREATE VIEW v AS SELECT id AS vid, x AS vx FROM a; \
    CREATE SCHEMA s; CREATE TABLE s.t (id int, secret text); \
    CREATE TABLE \"Odd Name\" (\"Col\" int, col int)";

/// Statements for which no right that was read may be missing.
const EXACT: &[&str] = &[
    "SELECT @ x, - x, @x FROM a",
    "WITH q AS (SELECT k FROM c) SELECT x FROM a, q WHERE k = 1",
    "SELECT x FROM a, LATERAL (SELECT w FROM b WHERE a_id = x) l",
    "SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE a_id = x)",
    "SELECT x AS k, count(*) FROM a GROUP BY k",
    "SELECT x FROM a JOIN c ON true",
    "SELECT id, x FROM a",
    "SELECT * FROM a",
    "SELECT a.* FROM a JOIN c ON c.id = a.id",
    "SELECT q.x FROM a q WHERE q.y = 'it''s'",
    "SELECT count(*) FROM a",
    "SELECT count(q.*) FROM a AS q",
    "SELECT q FROM a q",
    "SELECT row_to_json(q) FROM a q",
    "SELECT 1 FROM a",
    "SELECT x AS id FROM a ORDER BY id",
    "SELECT x AS k FROM a ORDER BY a.y",
    "SELECT x + 1 AS k FROM a ORDER BY k DESC NULLS LAST LIMIT 3 OFFSET 1",
    "SELECT a.x, count(*) FROM a GROUP BY a.x HAVING max(a.id) > 1",
    "SELECT DISTINCT ON (x) id FROM a",
    "SELECT a.x, b.w FROM a JOIN b ON b.a_id = a.id",
    "SELECT a.x, b.w FROM a LEFT JOIN b ON b.a_id = a.id WHERE b.n IS NULL",
    "SELECT 1 FROM a, b WHERE a.id = b.a_id",
    "SELECT 1 FROM a CROSS JOIN c",
    "SELECT 1 FROM a JOIN c USING (id)",
    "SELECT q.x FROM (a JOIN c ON a.id = c.id) JOIN a q ON q.id = c.k",
    "SELECT q.x FROM (SELECT x FROM a WHERE id > 1) q",
    "SELECT * FROM (SELECT x FROM a) q",
    "SELECT a.id, l.w FROM a, LATERAL (SELECT b.w FROM b WHERE b.a_id = a.id LIMIT 1) l",
    "SELECT a.id FROM a LEFT JOIN LATERAL (SELECT b.w FROM b WHERE b.a_id = a.id) l ON true",
    "SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id)",
    "SELECT id FROM a WHERE x IN (SELECT k FROM c WHERE c.id > 2)",
    "SELECT id FROM a WHERE x = ANY (SELECT c.k FROM c)",
    "SELECT id FROM a WHERE x = ANY (ARRAY[1, 2])",
    "SELECT id, (SELECT max(b.w) FROM b WHERE b.a_id = a.id) FROM a",
    "SELECT ARRAY(SELECT c.k FROM c)",
    "SELECT CASE WHEN x > 1 THEN y ELSE 'n' END FROM a",
    "SELECT coalesce(y, 'n'), nullif(x, 1), greatest(id, 2) FROM a",
    "SELECT y::int, CAST(x AS text) FROM a",
    "SELECT z -> 'k' ->> 'l', z #>> '{a,b}', z @> '{}' FROM a",
    "SELECT n[1] FROM b",
    "SELECT b.n[1:2] FROM b",
    "SELECT substring(y FROM 1 FOR 2), trim(both 'x' FROM y), position('a' IN y), upper(y) FROM a",
    "SELECT substring(y, 1, 2), overlay(y PLACING 'a' FROM 1), ceil(x), floor(x) FROM a",
    "SELECT extract(epoch FROM now()) - x FROM a",
    "SELECT sum(x) FILTER (WHERE id > 1) OVER (PARTITION BY y ORDER BY id) FROM a",
    "SELECT rank() OVER w FROM a WINDOW w AS (PARTITION BY x ORDER BY y)",
    "SELECT sum(x) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM a",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM a",
    "SELECT string_agg(y, ',' ORDER BY id) FROM a",
    "SELECT x FROM a UNION SELECT k FROM c",
    "SELECT x FROM a UNION ALL SELECT k FROM c ORDER BY x LIMIT 1",
    "(SELECT x FROM a) EXCEPT (SELECT k FROM c INTERSECT SELECT a_id FROM b)",
    "SELECT g FROM generate_series(1, 3) AS g",
    "SELECT e.v FROM a, jsonb_array_elements_text(a.z) AS e(v)",
    "SELECT u FROM b, unnest(b.n) AS u",
    "SELECT u.o FROM b, unnest(b.n) WITH ORDINALITY AS u(e, o)",
    "SELECT vid FROM v",
    "SELECT * FROM v",
    "SELECT id FROM s.t",
    "SELECT s.t.id FROM s.t",
    "SELECT t.secret FROM s.t",
    "SELECT \"Col\" FROM \"Odd Name\"",
    "SELECT Col FROM \"Odd Name\"",
    "SELECT ID, X FROM A",
    "VALUES (1, 2), (3, 4)",
    "VALUES ((SELECT max(k) FROM c))",
    "WITH q AS (SELECT x FROM a) SELECT * FROM q",
    "WITH a AS (SELECT k FROM c) SELECT k FROM a",
    "WITH q AS MATERIALIZED (SELECT id FROM a), r AS (SELECT id FROM q) SELECT * FROM r",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
    "WITH RECURSIVE r AS (SELECT id, k FROM c UNION ALL SELECT r.id, c.k FROM r JOIN c ON c.id = r.k) SELECT * FROM r",
    "WITH q AS (DELETE FROM c WHERE k = 1 RETURNING id) SELECT id FROM q",
    "WITH q AS (INSERT INTO c (id) VALUES (1) RETURNING k) SELECT * FROM q",
    "WITH q AS (UPDATE a SET x = 1 WHERE id = 1 RETURNING y) SELECT y FROM q",
    "WITH q AS (SELECT k FROM c) INSERT INTO a (id) SELECT k FROM q",
    "WITH q AS (SELECT k FROM c) UPDATE a SET x = q.k FROM q WHERE a.id = q.k",
    "WITH q AS (SELECT k FROM c) DELETE FROM a USING q WHERE a.id = q.k",
    "SELECT id FROM a FOR UPDATE",
    "SELECT a.id FROM a, c WHERE a.id = c.id FOR UPDATE OF a",
    "SELECT a.id FROM a, c FOR SHARE OF c SKIP LOCKED",
    "SELECT q.id FROM (SELECT id FROM a) q FOR UPDATE",
    "SELECT q.id FROM ((SELECT id FROM a)) q FOR UPDATE",
    "SELECT q.x FROM (a CROSS JOIN (SELECT k FROM c) r) AS q FOR UPDATE",
    "INSERT INTO a (id, x) VALUES (1, 2)",
    "INSERT INTO a (id, x) VALUES (1, DEFAULT)",
    "INSERT INTO a VALUES (1, 2, 'y', '{}')",
    "INSERT INTO a DEFAULT VALUES",
    "INSERT INTO a (id) SELECT k FROM c",
    "INSERT INTO a (id) SELECT a.x FROM a",
    "INSERT INTO a (id) VALUES (1) RETURNING y",
    "INSERT INTO a (id) VALUES (1) RETURNING *",
    "INSERT INTO a (id) VALUES (1) ON CONFLICT DO NOTHING",
    "INSERT INTO a (id) VALUES (1) ON CONFLICT (id) DO NOTHING",
    "INSERT INTO a (id, x) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET x = excluded.x",
    "INSERT INTO a AS q (id, x) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET x = q.x + 1, y = 'n' WHERE q.y <> 'm'",
    "INSERT INTO a (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET x = (SELECT max(c.k) FROM c)",
    "UPDATE a SET x = 1",
    "UPDATE a SET x = DEFAULT",
    "UPDATE a SET x = x + 1 WHERE id = 1",
    "UPDATE a SET (x, y) = (1, 'b') WHERE id = 1",
    "UPDATE a SET x = c.k FROM c WHERE c.id = a.id",
    "UPDATE a AS q SET x = 1 WHERE q.y = 'n' RETURNING q.id",
    "UPDATE a SET x = (SELECT max(c.k) FROM c WHERE c.id = a.id)",
    "UPDATE s.t SET secret = 'n' WHERE t.id = 1",
    "DELETE FROM a",
    "DELETE FROM a WHERE id = 1",
    "DELETE FROM a AS q USING c WHERE q.id = c.id",
    "DELETE FROM a WHERE id IN (SELECT k FROM c WHERE c.id = 1) RETURNING y",
    "MERGE INTO a USING c ON a.id = c.id WHEN MATCHED THEN UPDATE SET x = c.k",
    "MERGE INTO a AS q USING (SELECT k FROM c) AS r ON q.id = r.k WHEN MATCHED AND q.x > 1 THEN DELETE \
     WHEN NOT MATCHED THEN INSERT (id, y) VALUES (r.k, 'n')",
    "MERGE INTO a USING c ON a.id = c.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (c.k, 1, 'n', '{}')",
    "EXPLAIN SELECT x FROM a",
    "EXPLAIN (ANALYZE, BUFFERS) SELECT x FROM a",
    "SELECT current_user, current_date, x FROM a",
    "SELECT x FROM a WHERE y LIKE 'n%' ESCAPE '!' OR y ILIKE 'M' OR y SIMILAR TO 'o' OR y ~ 'p'",
    "SELECT x FROM a WHERE (x, y) = (1, 'n') AND x BETWEEN 1 AND id AND y IS NOT NULL AND x IS DISTINCT FROM 2",
    "SELECT x FROM a WHERE x NOT IN (1, 2) AND NOT (x > 3) AND (x > 1) IS TRUE",
    "SELECT y COLLATE \"C\" FROM a",
    "SELECT now() AT TIME ZONE y FROM a",
    "SELECT interval '1 day' * x, date '2020-01-01' FROM a",
    "SELECT x FROM a GROUP BY GROUPING SETS ((x), ())",
    "SELECT x, y FROM a GROUP BY ROLLUP (x, y)",
    "SELECT $$it's$$ || y FROM a -- FROM s.t",
    "SELECT /* FROM s.t /* nested */ */ y FROM a",
    "SELECT E'a\\'b' || y FROM a",
    "SELECT x FROM a FETCH FIRST 2 ROWS ONLY",
    "SELECT make_interval(days => x) FROM a",
    "COPY (SELECT x FROM a) TO STDOUT",
];

/// Statements that are taken to need more than they do.
const AMPLE: &[&str] = &[
    // A bare column may be of any table around it.
    "SELECT y FROM a WHERE EXISTS (SELECT 1 FROM b WHERE id = 1)",
    // Which columns those are, only the server knows.
    "SELECT 1 FROM a NATURAL JOIN c",
    "SELECT r.p FROM a AS r(p, q)",
    "SELECT r.p FROM (a CROSS JOIN c) AS r(p, q)",
    "INSERT INTO a VALUES (1, 2)",
    "INSERT INTO a (id) VALUES (1) ON CONFLICT ON CONSTRAINT a_pkey DO NOTHING",
];

/// Columns of every table, by the name that the statements give it.
fn columns() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("a", vec!["id", "x", "y", "z"]),
        ("b", vec!["id", "a_id", "w", "n"]),
        ("c", vec!["id", "k"]),
        ("v", vec!["vid", "vx"]),
        ("s.t", vec!["id", "secret"]),
        ("Odd Name", vec!["Col", "col"]),
    ])
}

/// A right on a column, or with none on the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    right: &'static str,
    column: Option<String>,
    table: String,
}

impl Grant {
    fn sql(&self) -> String {
        let table = match self.table.as_str() {
            "s.t" => "s.t".to_owned(),
            table => format!("\"{table}\""),
        };
        let column = self.column.as_ref().map(|column| format!(" (\"{column}\")")).unwrap_or_default();
        format!("{}{column} ON {table}", self.right)
    }
}

/// The rights that a reading calls for, column by column. Columns that a table does not have are not there to be granted.
fn grants(read: &RawTouches, every: &BTreeMap<&str, Vec<&str>>) -> BTreeSet<Grant> {
    let mut grants = BTreeSet::new();
    for touch in &read.touches {
        let there = every.get(&*touch.table).unwrap_or_else(|| panic!("a table {}", touch.table));
        let right = match touch.access {
            Access::Read => "SELECT",
            Access::Insert => "INSERT",
            Access::Update => "UPDATE",
            Access::Delete => "DELETE",
        };
        let grant = |column: Option<&str>| Grant {
            right,
            column: column.map(str::to_owned),
            table: touch.table.clone(),
        };
        match &touch.columns {
            _ if touch.access == Access::Delete => drop(grants.insert(grant(None))),
            Columns::All => grants.extend(there.iter().map(|column| grant(Some(column)))),
            Columns::Named(names) => {
                let named: Vec<&str> =
                    there.iter().copied().filter(|column| names.contains(*column)).collect();
                // A right on any column is one on the table, where none is named.
                let named = if named.is_empty() { vec![*there.last().expect("columns")] } else { named };
                grants.extend(named.into_iter().map(|column| grant(Some(column))));
            }
        }
    }
    grants
}

/// Whether the server lets the role plan a statement; `Err` for what is not about rights.
async fn allowed(conn: &mut PgConnection, role: &str, grants: &[&Grant], sql: &str) -> Result<bool, String> {
    let mut script = "BEGIN; ".to_owned();
    for grant in grants {
        script += &format!("GRANT {} TO \"{role}\"; ", grant.sql());
    }
    script += &format!("SET LOCAL ROLE \"{role}\"");
    raw_sql(AssertSqlSafe(script)).execute(&mut *conn).await.expect("granted");
    let text = match (sql.strip_prefix("EXPLAIN"), sql.strip_prefix("COPY (")) {
        (Some(_), _) => sql.to_owned(),
        (_, Some(query)) => format!("EXPLAIN {}", query.trim_end_matches(") TO STDOUT")),
        _ => format!("EXPLAIN {sql}"),
    };
    let planned = raw_sql(AssertSqlSafe(text)).execute(&mut *conn).await;
    raw_sql("ROLLBACK").execute(&mut *conn).await.expect("rolled back");
    match planned {
        Ok(_) => Ok(true),
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
            if code.as_deref() == Some("42501") { Ok(false) } else { Err(format!("{sql}: {error}")) }
        }
    }
}

struct Subject {
    conn: PgConnection,
    role: String,
}

impl Subject {
    async fn make(db: &FreshDb) -> Self {
        let mut conn = db.connect().await;
        let role = format!("raw_{}", db.name());
        raw_sql(SCHEMA).execute(&mut conn).await.expect("made");
        let make = format!(
            "DROP ROLE IF EXISTS \"{role}\"; CREATE ROLE \"{role}\"; GRANT USAGE ON SCHEMA s TO \"{role}\""
        );
        raw_sql(AssertSqlSafe(make)).execute(&mut conn).await.expect("a role");
        Self { conn, role }
    }

    async fn drop(mut self) {
        let drop = format!("DROP OWNED BY \"{0}\"; DROP ROLE \"{0}\"", self.role);
        raw_sql(AssertSqlSafe(drop)).execute(&mut self.conn).await.expect("dropped");
    }
}

#[tokio::test]
async fn the_server_demands_what_was_read() {
    empty_db(async |db| {
        let mut subject = Subject::make(&db).await;
        let version: i32 = sqlx::query("SELECT current_setting('server_version_num')::int4")
            .fetch_one(&mut subject.conn)
            .await
            .expect("asked")
            .get(0);
        let every = columns();
        let mut wrong = Vec::new();
        let statements = EXACT.iter().map(|sql| (*sql, true)).chain(AMPLE.iter().map(|sql| (*sql, false)));
        for (sql, exact) in statements {
            if sql.starts_with("MERGE") && version < 150_000 {
                continue;
            }
            let read = match read_sql(sql) {
                Ok(read) => read,
                Err(error) => {
                    wrong.push(format!("{sql}: {error}"));
                    continue;
                }
            };
            let grants = grants(&read, &every);
            let all: Vec<&Grant> = grants.iter().collect();
            let Subject { conn, role } = &mut subject;
            match allowed(conn, role, &all, sql).await {
                Ok(true) => {}
                Ok(false) => {
                    wrong.push(format!("{sql}: refused with {:?}", read.touches));
                    continue;
                }
                Err(error) => {
                    wrong.push(error);
                    continue;
                }
            }
            let mut spare = Vec::new();
            for left_out in &all {
                let others: Vec<&Grant> = all.iter().copied().filter(|grant| grant != left_out).collect();
                if allowed(conn, role, &others, sql).await == Ok(true) {
                    spare.push(left_out.sql());
                }
            }
            if exact != spare.is_empty() {
                wrong.push(format!("{sql}: allowed without {spare:?}"));
            }
        }
        subject.drop().await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    })
    .await;
}

/// Texts that must not be taken for what they are not; none of them may be understood.
const REFUSED: &[&str] = &[
    "TABLE a",
    "UPDATE a SET x = 1 WHERE a.ctid = '(0,1)'",
    "SELECT ctid FROM a",
    "",
    ";",
    "-- nothing",
    "SELECT U&\"\\0061\" FROM a",
    "SELECT U&'\\0061' FROM a",
    "SELECT '\\' FROM a -- '",
    "SELECT 'a\\'; DROP TABLE a; --'",
    "SELECT E'\\x27; DELETE FROM a; --'",
    "SELECT E'\\u0027' FROM a",
    "SELECT 'a' 'b' FROM a",
    "SELECT 'a'\n'b' FROM a",
    "SELECT N'a' FROM a",
    "SELECT 1into FROM a",
    "SELECT $1x FROM a",
    "SELECT -- comment\rx FROM a",
    "SELECT x\u{a0}FROM a",
    "SELECT x FROM a\u{b}",
    "SELECT x FROM a /* open",
    "SELECT x FROM a /* /* open */",
    "SELECT $q$ open FROM a",
    "SELECT x FROM ü",
    "SELECT x FROM \"a.b\"",
    "SELECT x FROM \"a\"\"b\"",
    "SELECT x FROM 'a'",
    "SELECT x FROM `a`",
    "SELECT x FROM [a]",
    "SELECT x FROM db.s.a",
    "SELECT * FROM ONLY a",
    "SELECT * FROM a*",
    "TABLE \"A\"",
    "TABLE ONLY a",
    "SELECT q.x FROM (TABLE a) q",
    "SELECT q.x FROM (TABLE s . t) q",
    "(TABLE a ) )",
    "SELECT x FROM a TABLESAMPLE system (10)",
    "SELECT nobody.x FROM a",
    "SELECT (a).x FROM a",
    "SELECT (f(x)).y FROM a",
    "SELECT x OPERATOR(s.+) 1 FROM a",
    "SELECT x === 1 FROM a",
    "SELECT x::s.kind FROM a",
    "SELECT x::kind FROM a",
    "SELECT x INTO q FROM a",
    "CREATE TABLE q AS SELECT x FROM a",
    "CREATE VIEW q AS SELECT x FROM a",
    "SELECT query_to_xml('SELECT * FROM a', true, true, '')",
    "SELECT * FROM dblink('', 'SELECT 1') AS q(x int)",
    "SELECT pg_catalog.query_to_xml('SELECT * FROM a', true, true, '')",
    "DO $$ BEGIN DELETE FROM a; END $$",
    "CALL p()",
    "EXECUTE q",
    "PREPARE q AS SELECT x FROM a",
    "DEALLOCATE q",
    "DECLARE q CURSOR FOR SELECT x FROM a",
    "FETCH q",
    "COPY a TO PROGRAM 'sh'",
    "COPY a FROM '/etc/passwd'",
    "COPY a TO '/tmp/a'",
    "SET ROLE admin",
    "SET x = 1",
    "SET SESSION AUTHORIZATION admin",
    "RESET ALL",
    "RESET ROLE",
    "SHOW ALL",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT q",
    "SELECT 1; COMMIT",
    "LISTEN q",
    "NOTIFY q",
    "LOCK TABLE a",
    "VACUUM a",
    "ANALYZE a",
    "GRANT SELECT ON a TO q",
    "REVOKE SELECT ON a FROM q",
    "CREATE ROLE q",
    "DROP ROLE q",
    "DROP TABLE a CASCADE",
    "TRUNCATE a CASCADE",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE INDEX ON a (f(x))",
    "ALTER TABLE a ADD COLUMN q int DEFAULT f()",
    "ALTER TABLE a OWNER TO q",
    "EXPLAIN DROP TABLE a",
    "EXPLAIN EXECUTE q",
    "DESCRIBE a",
    "(SELECT x FROM a) ORDER BY y",
    "SELECT x FROM a FOR UPDATE OF q",
    "SELECT * EXCLUDE (x) FROM a",
    "SELECT x FROM a QUALIFY x > 1",
    "SELECT TOP 1 x FROM a",
    "FROM a SELECT x",
    "FROM a",
    "DELETE a FROM a",
    "DELETE FROM a ORDER BY x",
    "UPDATE a SET x = 1 LIMIT 1",
    "UPDATE a JOIN b ON true SET x = 1",
    "INSERT OVERWRITE a SELECT x FROM b",
    "REPLACE INTO a VALUES (1)",
    "INSERT INTO a SET x = 1",
    "INSERT INTO a (id) VALUES (1) ON DUPLICATE KEY UPDATE x = 1",
    "DELETE FROM a WHERE CURRENT OF q",
    "SELECT ?",
    "SELECT :x",
];

#[test]
fn what_may_mean_something_else_is_refused() {
    let taken: Vec<String> = REFUSED
        .iter()
        .filter_map(|sql| read_sql(sql).ok().map(|read| format!("{sql:?}: {read:?}")))
        .collect();
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}

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
fn functions_are_named() {
    for (sql, expected) in [
        ("SELECT now(), s.f(1), \"F\"(2), Lower('A')", vec!["F", "lower", "now", "s.f"]),
        ("SELECT * FROM generate_series(1, 2), s.g(1) AS q", vec!["generate_series", "s.g"]),
        ("SELECT * FROM LATERAL h(1) AS q", vec!["h"]),
        ("SELECT left('a', 1), coalesce(1), current_user", vec!["left"]),
        ("SELECT \"coalesce\"(1)", vec!["coalesce"]),
        ("SELECT 1 WHERE pg_sleep(1) IS NULL ORDER BY random()", vec!["pg_sleep", "random"]),
        ("SELECT extract(year FROM now())", vec!["extract", "now"]),
    ] {
        let read = read_sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(read.functions.iter().collect::<Vec<_>>(), expected, "{sql}");
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

#[test]
fn a_refusal_says_where_and_not_what_was_written() {
    let error = read_sql("SELECT x\n  FROM a WHERE 'secret\\' = y").expect_err("refused");
    assert_eq!((error.line, error.column), (2, 16), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    let error = read_sql("SELECT x FROM a;\nSELECT nobody.x FROM a").expect_err("refused");
    assert_eq!(error.line, 2, "{error}");
}

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
