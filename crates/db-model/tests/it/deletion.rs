//! What goes with a row that is deleted, what stays, and what a deleted row leaves free.

use crate::{rows, run};
use db_testkit::fresh_db;
use sqlx::{Connection, PgConnection};

/// Statements, and after each a question with its answer, on one row of each table.
const DELETED: &[(&str, &str, &str)] = &[
    // An account takes with it whatever belongs to it, and leaves the evidence.
    ("DELETE FROM users", "SELECT count(*) FROM user_profiles", "0"),
    ("DELETE FROM users", "SELECT count(*) FROM user_sessions", "0"),
    ("DELETE FROM users", "SELECT count(*) FROM user_preferences", "0"),
    ("DELETE FROM users", "SELECT count(*) FROM email_threads", "0"),
    ("DELETE FROM users", "SELECT count(*) FROM emails", "0"),
    ("DELETE FROM users", "SELECT count(*) - count(user_id) FROM security_events", "1"),
    ("DELETE FROM emails", "SELECT count(*) FROM email_participants", "0"),
    ("DELETE FROM emails", "SELECT count(*) FROM email_attachments", "0"),
    ("DELETE FROM emails", "SELECT count(*) FROM email_analysis", "0"),
    // A message outlives its thread, and keeps its owner.
    ("DELETE FROM email_threads", "SELECT count(user_id) - count(thread_id) FROM emails", "1"),
    ("DELETE FROM research_queries", "SELECT count(*) FROM research_results", "0"),
    (
        "DELETE FROM knowledge_entry_sources; DELETE FROM research_sources",
        "SELECT count(*) - count(source_id) FROM research_results",
        "1",
    ),
    ("DELETE FROM knowledge_entries", "SELECT count(*) FROM knowledge_entry_sources", "0"),
    (
        "INSERT INTO knowledge_entries (topic, title, content, supersedes)
         SELECT topic, 'newer', content, id FROM knowledge_entries;
         DELETE FROM knowledge_entries WHERE supersedes IS NULL",
        "SELECT count(*) - count(supersedes) FROM knowledge_entries",
        "1",
    ),
    ("DELETE FROM agents", "SELECT count(*) FROM agent_metrics", "0"),
    ("DELETE FROM agents", "SELECT count(*) - count(agent_id) FROM decisions", "1"),
    ("DELETE FROM agents", "SELECT count(*) - count(agent_id) FROM plans", "1"),
    ("DELETE FROM agents", "SELECT count(*) - count(agent_id) FROM learning_events", "1"),
    ("DELETE FROM tasks", "SELECT count(*) - count(task_id) FROM decisions", "1"),
    ("DELETE FROM tasks", "SELECT count(*) - count(task_id) FROM learning_events", "1"),
    ("DELETE FROM tasks", "SELECT count(*) FROM plans", "0"),
    ("DELETE FROM plans", "SELECT count(*) FROM plan_steps", "0"),
    // What is marked as deleted frees its name.
    (
        "UPDATE users SET deleted_at = now(); INSERT INTO users (email, username) SELECT email, username FROM users",
        "SELECT count(*) FROM users",
        "2",
    ),
    (
        "UPDATE agents SET deleted_at = now(); INSERT INTO agents (name, kind) SELECT name, kind FROM agents",
        "SELECT count(*) FROM agents",
        "2",
    ),
];

async fn check(conn: &mut PgConnection, (statement, question, answer): (&'static str, &'static str, &str)) {
    let mut tx = conn.begin().await.expect("a transaction");
    run(&mut tx, statement).await;
    let found: i64 = sqlx::query_scalar(question).fetch_one(&mut *tx).await.expect("an answer");
    assert_eq!(found.to_string(), answer, "{statement}: {question}");
    tx.rollback().await.expect("undone");
}

#[tokio::test]
async fn what_goes_and_what_stays() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        for case in DELETED {
            check(&mut conn, *case).await;
        }
    })
    .await;
}

#[tokio::test]
async fn steps_change_places_in_one_transaction() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        rows::one_of_each(&mut conn).await;
        run(
            &mut conn,
            "BEGIN; SET CONSTRAINTS plan_steps_position_key DEFERRED;
             UPDATE plan_steps SET depends_on = '{}', position = 1 WHERE title = 'write';
             UPDATE plan_steps SET position = 2, depends_on = '{1}' WHERE title = 'read'; COMMIT;",
        )
        .await;
        let titles: Vec<String> = sqlx::query_scalar("SELECT title FROM plan_steps ORDER BY position")
            .fetch_all(&mut conn)
            .await
            .expect("steps");
        assert_eq!(titles, ["write", "read"]);
    })
    .await;
}
