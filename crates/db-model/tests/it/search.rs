//! Full-text search: what is found, and that no text is too long to be stored.

use crate::{rows, run};
use db_testkit::fresh_db;
use sqlx::{AssertSqlSafe, PgConnection};

async fn hits(conn: &mut PgConnection, table: &str, words: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table} WHERE search @@ websearch_to_tsquery('english', $1)");
    sqlx::query_scalar(AssertSqlSafe(sql)).bind(words).fetch_one(conn).await.expect("a count")
}

#[tokio::test]
async fn words_are_found_in_every_part() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        run(&mut conn, "UPDATE research_results SET summary = 'In short.', content = 'At length.'").await;
        for (table, words, expected) in [
            ("emails", "meetings", 1),
            ("emails", "monday", 1),
            ("emails", "tuesday", 0),
            ("research_queries", "trend", 1),
            ("research_results", "survey", 1),
            ("research_results", "short", 1),
            ("research_results", "length", 1),
            ("knowledge_entries", "trends", 1),
            ("knowledge_entries", "learning", 1),
            ("knowledge_entries", "growing", 1),
            ("knowledge_entries", "trends -growing", 0),
        ] {
            assert_eq!(hits(&mut conn, table, words).await, expected, "{words} in {table}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_subject_weighs_more_than_the_body() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        run(
            &mut conn,
            "INSERT INTO emails (user_id, direction, subject, body_text)
             SELECT id, 'outbound', 'body', 'budget' FROM users UNION ALL
             SELECT id, 'outbound', 'budget', 'body' FROM users",
        )
        .await;
        let subjects: Vec<String> = sqlx::query_scalar(
            "SELECT subject FROM emails WHERE search @@ plainto_tsquery('english', 'budget')
             ORDER BY ts_rank(search, plainto_tsquery('english', 'budget')) DESC",
        )
        .fetch_all(&mut conn)
        .await
        .expect("messages");
        assert_eq!(subjects, ["budget", "body"]);
    })
    .await;
}

#[tokio::test]
async fn no_text_is_too_long_to_be_stored() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        // Words that are all different, in letters of four bytes, with a hyphen so that each counts twice and a half.
        run(
            &mut conn,
            "CREATE TEMPORARY TABLE long AS SELECT string_agg(concat(
                 chr(131072 + n % 40000), chr(131072 + n * 7 % 40000), chr(131072 + n * 17 % 40000), '-',
                 chr(131072 + n * 11 % 40000), chr(131072 + n * 13 % 40000)), ' ') AS words
             FROM generate_series(1, 60000) AS n;
             UPDATE emails SET subject = words, body_text = words FROM long;
             UPDATE research_queries SET query_text = words FROM long;
             UPDATE research_results SET title = words, summary = words, content = words FROM long;
             UPDATE knowledge_entries SET title = words, content = words FROM long;",
        )
        .await;
        let lengths: Vec<i32> = sqlx::query_scalar(
            "SELECT length(body_text) FROM emails UNION ALL SELECT length(search) FROM emails ORDER BY 1 DESC",
        )
        .fetch_all(&mut conn)
        .await
        .expect("lengths");
        assert!(lengths[0] > 400_000 && lengths[1] > 10_000, "{lengths:?}");
    })
    .await;
}
