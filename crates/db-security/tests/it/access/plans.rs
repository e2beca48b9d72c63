//! What policies cost: attributes are asked for once a statement.

use super::{SCHEMA, become_subject, obey, policy, role, run};
use db_security::access::Subject;
use db_testkit::empty_db;

#[tokio::test]
async fn attributes_are_asked_for_once_a_statement() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        run(&mut conn, "CREATE INDEX ON items (team)").await;
        run(&mut conn, "INSERT INTO items (id, team) SELECT i, i FROM generate_series(100, 3000) AS i").await;
        run(&mut conn, "ANALYZE items").await;
        let agent = role(&db, "a");
        let rules = format!(
            r#"
            [[roles]]
            name = "{agent}"
            [[rules]]
            name = "own-team"
            roles = ["{agent}"]
            effect = "allow"
            permissions = ["read"]
            table = "items"
            rows = {{ team = {{ "$subject" = "team" }} }}
            when = {{ dept = "sales" }}
            valid_from = "2020-01-01T00:00:00Z"
            "#
        );
        run(&mut conn, "BEGIN").await;
        let policy = policy(&mut conn, &rules).await;
        obey(&mut conn, &policy).await.expect("applied");
        let subject =
            Subject::new(&agent).with("team", "7").expect("sound").with("dept", "sales").expect("sound");
        become_subject(&mut conn, &subject).await;
        let plan: Vec<String> = sqlx::query_scalar("EXPLAIN (COSTS OFF, VERBOSE) SELECT id FROM items")
            .fetch_all(&mut conn)
            .await
            .expect("a plan");
        let plan = plan.join("\n");
        // Each setting is read in an InitPlan, and what is compared with each row is its result: even the index serves.
        assert!(plan.contains("InitPlan") && plan.contains("Index Cond: (items.team = $"), "{plan}");
        let rows: Vec<&str> =
            plan.lines().filter(|line| line.contains("Filter:") || line.contains("Cond:")).collect();
        assert!(
            rows.iter().all(|line| !line.contains("current_setting") && !line.contains("now()")),
            "{plan}"
        );
        run(&mut conn, "ROLLBACK").await;
    })
    .await;
}
