//! What the linter says will fail fails, and what it says is quick rewrites nothing: PostgreSQL is asked.

use crate::{item, run, set};
use db_migrate::lint::{LintOptions, Severity, lint, read_catalogue};
use db_testkit::{FreshDb, empty_db};
use sqlx::PgConnection;

const SETUP: &str = "CREATE TABLE t (a int NOT NULL, b int, v varchar(10), n numeric(10, 2), s timestamp(3)); \
    INSERT INTO t VALUES (1, 1, 'x', 1, now()); CREATE TABLE parent (id int PRIMARY KEY); \
    CREATE TABLE child (id int CONSTRAINT child_fk REFERENCES parent); CREATE VIEW looks AS SELECT b FROM t; \
    CREATE INDEX i ON t (a); CREATE TYPE mood AS ENUM ('glad');";

/// Whether the server refuses it, in a transaction that is undone.
async fn fails(conn: &mut PgConnection, sql: &str) -> bool {
    run(conn, "BEGIN").await;
    let outcome = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *conn).await;
    run(conn, "ROLLBACK").await;
    outcome.is_err()
}

async fn says_it_fails(fresh: &FreshDb, sql: &'static str) -> bool {
    let mut conn = fresh.connect().await;
    let catalogue = read_catalogue(&mut conn).await.expect("the catalogue can be read");
    let report = lint(&set(&[item("0001_m", sql, "SELECT 1;")]), Some(&catalogue), &LintOptions::default());
    report.findings().any(|one| one.severity == Severity::Error && one.message.starts_with("this fails"))
}

#[tokio::test]
async fn failures_are_foreseen_and_none_is_made_up() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(&mut conn, SETUP).await;
        for sql in [
            "CREATE TABLE t (a int)",
            "CREATE TABLE IF NOT EXISTS t (a int)",
            "ALTER TABLE t ADD COLUMN a int",
            "ALTER TABLE t ADD COLUMN x int NOT NULL",
            "ALTER TABLE t ADD COLUMN x int NOT NULL DEFAULT 1",
            "ALTER TABLE t DROP COLUMN b",
            "ALTER TABLE t DROP COLUMN b CASCADE",
            "ALTER TABLE t DROP COLUMN nothing",
            "ALTER TABLE t DROP COLUMN IF EXISTS nothing",
            "ALTER TABLE t ALTER COLUMN b TYPE bigint",
            "DROP TABLE t",
            "DROP TABLE parent",
            "DROP TABLE child; DROP TABLE parent",
            "ALTER TABLE child DROP CONSTRAINT child_fk; DROP TABLE parent",
            "ALTER TABLE child DROP CONSTRAINT other",
            "DROP VIEW looks; DROP TABLE t",
            "DROP INDEX i; CREATE INDEX i ON t (b)",
            "CREATE INDEX i ON t (b)",
            "CREATE INDEX i ON child (id)",
            "ALTER TABLE parent RENAME TO child",
            "ALTER TABLE parent RENAME TO other; ALTER TABLE other ADD x int",
            "ALTER TABLE parent RENAME TO other; ALTER TABLE parent ADD x int",
            "ALTER TYPE mood ADD VALUE 'glad'",
            "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'glad'",
            "CREATE TYPE m AS ENUM ('x'); ALTER TABLE t ADD COLUMN m m DEFAULT 'x'; INSERT INTO t (a, m) VALUES (2, 'x')",
            "ALTER TYPE mood ADD VALUE 'sad'; ALTER TABLE t ADD COLUMN m mood DEFAULT 'sad'",
            "CREATE TEMP TABLE t (x int); ALTER TABLE t ADD COLUMN a int; DROP TABLE t",
            "UPDATE pg_temp.nothing SET a = 1",
        ] {
            let foreseen = says_it_fails(&fresh, sql).await;
            let known = !sql.starts_with("UPDATE pg_temp");
            assert_eq!(foreseen, known && fails(&mut conn, sql).await, "{sql}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_type_that_is_called_quick_rewrites_nothing() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(&mut conn, SETUP).await;
        run(&mut conn, "DROP VIEW looks; INSERT INTO t SELECT 1, 1, 'x', 1, now() FROM generate_series(1, 20000); ANALYZE").await;
        for (column, to) in [
            ("v", "varchar(20)"),
            ("v", "varchar(5)"),
            ("v", "varchar"),
            ("v", "text"),
            ("v", "char(10)"),
            ("n", "numeric(12, 2)"),
            ("n", "numeric(12, 3)"),
            ("n", "numeric"),
            ("s", "timestamp"),
            ("s", "timestamp(2)"),
            ("b", "integer"),
            ("b", "bigint"),
        ] {
            let sql: &'static str = Box::leak(format!("ALTER TABLE t ALTER COLUMN {column} TYPE {to};").into_boxed_str());
            let catalogue = read_catalogue(&mut conn).await.expect("the catalogue can be read");
            let report = lint(&set(&[item("0001_m", sql, "SELECT 1;")]), Some(&catalogue), &LintOptions::default());
            let said = report.findings().any(|finding| finding.rule == "type-change-rewrites");
            run(&mut conn, "BEGIN").await;
            let before = file(&mut conn).await;
            run(&mut conn, sql).await;
            let rewritten = file(&mut conn).await != before;
            run(&mut conn, "ROLLBACK").await;
            assert_eq!(said, rewritten, "{sql}");
        }
    })
    .await;
}

/// The file of the table, another one when it was written anew.
async fn file(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT pg_relation_filenode('t')::int8").fetch_one(conn).await.expect("there is one")
}
