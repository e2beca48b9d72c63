//! One migration for many: it makes the same database, or is refused.

use crate::backup::server;
use crate::{apply, item, set};
use db_migrate::backup::ToolSearch;
use db_migrate::schema::{SnapshotOptions, snapshot};
use db_migrate::{Embedded, Options, SquashError, Squashed, squash};
use db_testkit::{FreshDb, empty_db};

const TABLES: Embedded = item(
    "0001_tables",
    "CREATE TYPE mood AS ENUM ('sad', 'well'); CREATE SCHEMA app;\n\
     CREATE TABLE app.people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood mood NOT NULL, note text);\n\
     INSERT INTO app.people (mood, note) VALUES ('well', E'a;\\n--\\n\\n\\nb$$'), ('sad', NULL);",
    "SELECT 1;",
);
const FUNCTION: Embedded = item(
    "0002_function",
    "CREATE FUNCTION app.count() RETURNS bigint LANGUAGE sql AS $$\n--\n-- PostgreSQL database dump complete\n--\n\
     SELECT count(*) FROM app.people\n$$;\n\
     CREATE VIEW app.well AS SELECT id FROM app.people WHERE mood = 'well';",
    "SELECT 1;",
);

async fn squashed(db: &FreshDb, items: &[Embedded], to: Option<&str>) -> Result<Squashed, SquashError> {
    squash(&server(db.url()), &set(items), to, &Options::default(), &ToolSearch::default()).await
}

#[tokio::test]
async fn it_makes_the_same_database() {
    empty_db(|db| async move {
        let found = squashed(&db, &[TABLES, FUNCTION], None).await.expect("it is proved");
        assert_eq!(found.rows, 2);
        assert_eq!(found.replaces.len(), 2);
        assert!(!found.sql.contains("SET lock_timeout"), "{}", found.sql);
        let mut conn = db.connect().await;
        let mut options = SnapshotOptions::default();
        options.exclude.push("public.db_migrations".to_owned());
        let untouched = snapshot(&mut conn, &options).await.expect("a snapshot");
        assert!(!untouched.to_string().contains("app"), "the database itself is not touched: {untouched}");

        apply(&mut conn, &[TABLES, FUNCTION]).await.expect("applied");
        let expected = snapshot(&mut conn, &options).await.expect("a snapshot");
        empty_db(|other| async move {
            let mut conn = other.connect().await;
            let sql: &'static str = found.sql.leak();
            apply(&mut conn, &[item("0001_all", sql, "SELECT 1;")]).await.expect("applied");
            assert_eq!(
                snapshot(&mut conn, &options).await.expect("a snapshot").to_string(),
                expected.to_string()
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_does_not_come_back_the_same_is_refused() {
    empty_db(|db| async move {
        // What a new database has from the start, pg_dump takes for granted.
        let less = item("0002_less", "DROP EXTENSION plpgsql;", "SELECT 1;");
        let error = squashed(&db, &[TABLES, less], None).await.expect_err("it would be there again");
        assert!(
            matches!(&error, SquashError::Differs { differences } if differences.contains("plpgsql")),
            "{error}"
        );
        let unknown = squashed(&db, &[TABLES, FUNCTION], Some("7")).await;
        assert!(matches!(unknown, Err(SquashError::Unknown { .. })), "{unknown:?}");
        let broken = item("0002_broken", "SELECT nothing;", "SELECT 1;");
        let error = squashed(&db, &[TABLES, broken], None).await.expect_err("it does not apply");
        assert!(matches!(error, SquashError::Apply(_)), "{error}");
    })
    .await;
}
