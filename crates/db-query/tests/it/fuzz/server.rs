//! What the server's own grammar says of hostile and harmless statements.

use super::{SEED, build, number, pages, source::Source};
use db_query::Statement;
use db_testkit::fresh_db;
use sqlx::{AssertSqlSafe, Executor, PgConnection, SqlSafeStr};
use std::collections::BTreeMap;

/// Statements of this many cases.
const CASES: u64 = 3_000;

async fn statements(conn: &mut PgConnection, cases: u64) -> Vec<Statement> {
    let turns = pages::turns(conn).await;
    let first = number("DB_FUZZ_SEED", SEED);
    let shapes = (0..cases).map(|case| first.wrapping_add(case));
    shapes
        .flat_map(|shape| [Source::harmless(shape), Source::hostile(shape, 0)])
        .filter_map(|source| build(&source, &turns).ok())
        .collect()
}

fn code(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    code.unwrap_or_else(|| panic!("not of the server: {error}")).into_owned()
}

/// In a transaction that has failed the server reads a statement's grammar, and goes no further.
#[tokio::test]
async fn takes_the_grammar_of_every_statement() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let statements = statements(&mut conn, CASES).await;
        conn.execute("BEGIN").await.expect("a transaction");
        conn.execute("SELECT 1 / 0").await.expect_err("fails");
        for statement in &statements {
            let text = AssertSqlSafe(statement.sql()).into_sql_str();
            let error = conn.prepare(text).await.expect_err("nothing goes on");
            assert_eq!(code(&error), "25P02", "{error}: {}", statement.sql());
        }
        assert!(statements.len() > 4_000, "{} statements", statements.len());
    })
    .await;
}

/// Where names mean nothing the server says so; it never meets a syntax that it does not know.
#[tokio::test]
async fn knows_only_that_names_mean_nothing() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let mut codes: BTreeMap<String, usize> = BTreeMap::new();
        for statement in statements(&mut conn, CASES / 2).await {
            let text = statement.sql().to_owned();
            conn.execute("BEGIN").await.expect("a transaction");
            let outcome = conn.execute(statement).await;
            conn.execute("ROLLBACK").await.expect("rolled back");
            let code = outcome.as_ref().map_or_else(code, |_| "none".to_owned());
            let is_syntax = matches!(code.as_str(), "42601" | "42000");
            assert!(!is_syntax, "{:?}: {text}", outcome.map_err(|error| error.to_string()));
            *codes.entry(code).or_default() += 1;
        }
        println!("{codes:?}");
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relname = 'tasks'")
            .fetch_one(&mut conn)
            .await
            .expect("a count");
        assert_eq!(tables, 1, "tasks is still there");
    })
    .await;
}
