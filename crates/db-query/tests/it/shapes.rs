//! One shape is one prepared statement, however the values differ.

use db_query::{Insert, Select, Statement, col, desc, unnest};
use db_testkit::fresh_db;
use sqlx::{Executor, Row};

fn search(words: &[&str], above: i16, limit: u32) -> Statement {
    Select::from("tasks")
        .columns(["id", "title"])
        .filter(col("title").any(words.to_vec()))
        .filter(col("priority").gt(above))
        .order_by(desc("created_at"))
        .limit(limit)
        .build()
        .expect("valid")
}

fn insert(titles: &[&str]) -> Statement {
    Insert::into("tasks", &["title"])
        .from_query(|q| {
            q.from(unnest("new", |arrays| {
                arrays.column("title", titles.to_vec());
            }))
            .columns(["title"])
        })
        .build()
        .expect("valid")
}

#[tokio::test]
async fn whatever_the_values() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        assert_eq!(search(&["a"], 1, 2).fingerprint(), search(&["b", "c"], 3, 40).fingerprint());
        assert_ne!(search(&["a"], 1, 2).fingerprint(), insert(&["a"]).fingerprint());
        for round in 1..20_u32 {
            let words: Vec<String> = (0..round).map(|word| format!("word {word}")).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            conn.execute(insert(&words)).await.expect("accepted");
            conn.fetch_all(search(&words, i16::try_from(round).expect("small"), round))
                .await
                .expect("accepted");
        }
        let prepared = conn
            .fetch_all(
                "SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%tasks%' ORDER BY 1",
            )
            .await
            .expect("the server tells");
        let prepared: Vec<String> = prepared
            .iter()
            .map(|row| row.get(0))
            .filter(|text: &String| !text.contains("pg_prepared"))
            .collect();
        assert_eq!(prepared, [insert(&[]).sql(), search(&[], 0, 0).sql()]);
    })
    .await;
}

#[tokio::test]
async fn a_statement_may_run_again_as_a_clone() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let statement = insert(&["a", "b"]);
        for _ in 0..2 {
            assert_eq!(conn.execute(statement.clone()).await.expect("accepted").rows_affected(), 2);
        }
        assert_eq!(statement.parameters(), 1);
    })
    .await;
}
