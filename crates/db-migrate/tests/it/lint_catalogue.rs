//! What the linter knows of a database is what the database has.

use crate::{item, outside, run, set};
use db_migrate::Embedded;
use db_migrate::lint::{LintOptions, lint, read_catalogue};
use db_testkit::{FreshDb, empty_db};

/// The rules that fire, each with a piece of its message.
async fn check(fresh: &FreshDb, items: &[Embedded], expected: &[(&str, &str)]) {
    let mut conn = fresh.connect().await;
    let catalogue = read_catalogue(&mut conn).await.expect("the catalogue can be read");
    let report = lint(&set(items), Some(&catalogue), &LintOptions::default());
    let found: Vec<_> = report.findings().map(|finding| (finding.rule, finding.message.as_str())).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((rule, message), (wanted, text)) in found.iter().zip(expected) {
        assert!(rule == wanted && message.contains(text), "{text}: {found:#?}");
    }
}

const BIG: &str = "CREATE TABLE big (a int, b int, v varchar(10)); CREATE TABLE small (a int PRIMARY KEY); \
    INSERT INTO big SELECT n, n, 'x' FROM generate_series(1, 20000) AS n; INSERT INTO small VALUES (1);";

#[tokio::test]
async fn sizes_are_estimated_with_and_without_statistics() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(&mut conn, BIG).await;
        let index =
            [item("0001_i", "CREATE INDEX i ON big (a); CREATE INDEX j ON small (a, a);", "SELECT 1;")];
        check(&fresh, &index, &[("index-not-concurrent", "writes to public.big (about")]).await;
        run(&mut conn, "ANALYZE").await;
        check(&fresh, &index, &[("index-not-concurrent", "public.big (about 20,000 rows")]).await;
        run(&mut conn, "TRUNCATE big").await;
        check(&fresh, &index, &[]).await;
    })
    .await;
}

#[tokio::test]
async fn a_partitioned_table_is_as_big_as_its_partitions() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(
            &mut conn,
            "CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10000) \
             PARTITION BY RANGE (a); CREATE TABLE p11 PARTITION OF p1 DEFAULT; CREATE TABLE p2 PARTITION OF p DEFAULT; \
             INSERT INTO p SELECT generate_series(1, 20000); ANALYZE;",
        )
        .await;
        let index = [item("0001_i", "CREATE INDEX i ON p (a);", "DROP INDEX i;")];
        check(&fresh, &index, &[("index-not-concurrent", "public.p (about 20,000 rows")]).await;
    })
    .await;
}

#[tokio::test]
async fn constraints_types_and_indexes_are_known() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(&mut conn, BIG).await;
        run(
            &mut conn,
            "ALTER TABLE big ADD CONSTRAINT a_known CHECK (a IS NOT NULL); ALTER TABLE big ADD CONSTRAINT b_unknown \
             CHECK (b IS NOT NULL) NOT VALID; CREATE INDEX b_index ON big (b); ANALYZE;",
        )
        .await;
        let sql = "ALTER TABLE big ALTER a SET NOT NULL;\n\
                   ALTER TABLE big ALTER b SET NOT NULL;\n\
                   ALTER TABLE big ALTER v TYPE text;\n\
                   ALTER TABLE big ALTER a TYPE bigint;\n\
                   ALTER TABLE big ADD FOREIGN KEY (b) REFERENCES small NOT VALID;\n\
                   ALTER TABLE big ADD FOREIGN KEY (a) REFERENCES small NOT VALID;\n\
                   CREATE INDEX CONCURRENTLY twin ON big (b);";
        check(
            &fresh,
            &[outside("0001_m", sql)],
            &[
                ("not-null-scans", "public.big (about 20,000 rows"),
                ("type-change-rewrites", "a is integer, not bigint"),
                ("foreign-key-without-index", "no index begins with (a)"),
                ("duplicate-index", "public.big has b_index"),
                ("concurrent-with-others", "half applied"),
            ],
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_invalid_index_is_not_taken_for_one() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(&mut conn, "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1);").await;
        let failed = sqlx::raw_sql("CREATE UNIQUE INDEX CONCURRENTLY once ON t (a)").execute(&mut conn).await;
        assert!(failed.is_err(), "two rows are the same");
        let sql = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS once ON t (a);";
        let invalid = [("concurrent-over-invalid", "public.once exists and is invalid")];
        check(&fresh, &[outside("0001_m", sql)], &invalid).await;
    })
    .await;
}

#[tokio::test]
async fn views_and_functions_keep_their_tables() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(
            &mut conn,
            "CREATE TABLE t (a int, b int); CREATE SCHEMA app; CREATE VIEW app.looks AS SELECT a FROM t; CREATE TYPE mood AS \
             ENUM ('sad'); CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        )
        .await;
        check(
            &fresh,
            &[item("0001_m", "ALTER TABLE t DROP COLUMN b;\nALTER TABLE t DROP COLUMN a;", "SELECT 1;")],
            &[("dropped-with-dependents", "view app.looks depends on public.t.a")],
        )
        .await;
        check(
            &fresh,
            &[item("0001_m", "ALTER TYPE mood ADD VALUE 'sad';\nALTER TABLE t ADD a int;", "SELECT 1;")],
            &[("exists-already", "a value 'sad' of mood"), ("exists-already", "a column a of public.t")],
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn names_are_looked_for_in_the_search_path() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(&mut conn, "CREATE SCHEMA app; CREATE TABLE app.t (a int); INSERT INTO app.t VALUES (1)").await;
        let catalogue = read_catalogue(&mut conn).await.expect("read");
        assert_eq!(catalogue.relations(), 1);
        let drop = set(&[item("0001_m", "DROP TABLE t;", "SELECT 1;")]);
        let rules = |catalogue| -> Vec<&str> {
            lint(&drop, Some(&catalogue), &LintOptions::default()).findings().map(|one| one.rule).collect()
        };
        assert_eq!(rules(catalogue.clone()), ["does-not-exist", "drop-table"][..1]);
        assert_eq!(rules(catalogue.with_search_path(vec!["app".into()])), ["drop-table"]);
    })
    .await;
}

#[tokio::test]
async fn a_locked_table_does_not_hold_it_up() {
    empty_db(|fresh| async move {
        let mut conn = fresh.connect().await;
        run(&mut conn, "CREATE TABLE t (a int); INSERT INTO t VALUES (1);").await;
        let mut other = fresh.connect().await;
        run(&mut other, "BEGIN; LOCK TABLE t").await;
        // Never analysed and out of reach: its size is not known, and that is said.
        let index = [item("0001_i", "CREATE INDEX i ON t (a);", "DROP INDEX i;")];
        check(&fresh, &index, &[("index-not-concurrent", "of a size that is not known")]).await;
    })
    .await;
}
