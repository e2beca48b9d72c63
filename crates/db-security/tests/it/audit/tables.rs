//! Tables that note each change of their rows.

use super::log::{drain, pool, verified};
use db_pool::Pool;
use db_testkit::fresh_db;
use serde_json::{Value, json};

const TABLE: &str = "CREATE TABLE people (id int, region text, email text, secret text, visits int, PRIMARY KEY (region, id))";

async fn run(pool: &Pool, sql: &'static str) {
    pool.run(sql).none().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

type Noted = (String, Option<String>, Option<Value>, Option<Value>);

async fn noted(pool: &Pool) -> Vec<Noted> {
    pool.run("SELECT action, entity_id, old_values, new_values FROM audit_inbox WHERE entity_type = 'people' ORDER BY seq")
        .all()
        .await
        .expect("read")
}

#[tokio::test]
async fn only_what_changed_is_noted_and_what_is_left_out_is_not() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, TABLE).await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{secret}', '{}', NULL)").await;
        run(&pool, "INSERT INTO people VALUES (1, 'eu', 'a@example.org', 'hunter2', 1)").await;
        run(&pool, "UPDATE people SET visits = 2").await;
        run(&pool, "UPDATE people SET secret = 'hunter3', visits = visits").await;
        run(&pool, "DELETE FROM people").await;
        run(&pool, "TRUNCATE people").await;
        run(&pool, "SELECT audit_disable_table('people')").await;
        run(&pool, "INSERT INTO people VALUES (2, 'eu', 'b', 'c', 1)").await;
        let key = Some(r#"["eu", 1]"#.to_owned());
        let whole = |visits| json!({"id": 1, "region": "eu", "email": "a@example.org", "visits": visits});
        let expected = [
            ("create".to_owned(), key.clone(), None, Some(whole(1))),
            ("update".to_owned(), key.clone(), Some(json!({"visits": 1})), Some(json!({"visits": 2}))),
            ("delete".to_owned(), key, Some(whole(2)), None),
            ("truncate".to_owned(), None, None, None),
        ];
        let noted: Vec<Noted> =
            noted(&pool).await.into_iter().filter(|(action, ..)| !action.starts_with("audit.")).collect();
        assert_eq!(noted, expected);
    })
    .await;
}

#[tokio::test]
async fn what_is_personal_is_in_the_clear_nowhere_in_the_log() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, TABLE).await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{secret}', '{email}', 'id')").await;
        run(&pool, "INSERT INTO people VALUES (1, 'eu', 'a@example.org', 'hunter2', 1), (2, 'eu', NULL, NULL, 1)").await;
        run(&pool, "UPDATE people SET email = 'b@example.org' WHERE id = 1").await;
        drain(&pool).await;
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.personal == 3, "{verdict:?}");
        let rows: Vec<(String, Option<String>)> = pool
            .run("SELECT to_jsonb(e)::text, subject FROM audit_events AS e WHERE action <> 'audit.enable' ORDER BY leaf")
            .all()
            .await
            .expect("read");
        for (text, subject) in &rows {
            assert!(!text.contains("example.org") && !text.contains("hunter"), "{text}");
            assert!(subject.is_some(), "{text}");
        }
        assert_eq!(rows.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn whoever_may_write_to_the_table_needs_no_right_to_the_log() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, TABLE).await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{}', NULL)").await;
        let role = format!("writer_{}", db.name());
        let mut lease = pool.acquire().await.expect("a lease");
        let conn = &mut *lease;
        let name: String = sqlx::query_scalar("SELECT quote_ident($1)")
            .bind(&role)
            .fetch_one(&mut *conn)
            .await
            .expect("a name");
        let sql = format!(
            "BEGIN; CREATE ROLE {name}; GRANT INSERT ON people TO {name}; SET LOCAL ROLE {name}; \
             SET LOCAL cairn.actor = 'ann'; SET LOCAL cairn.request = 'r7'; \
             INSERT INTO people VALUES (1, 'eu', NULL, NULL, 1); RESET ROLE"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *conn).await.expect("written");
        let who: (Option<String>, Option<String>) =
            sqlx::query_as("SELECT actor, request FROM audit_inbox WHERE action = 'create'")
                .fetch_one(&mut *conn)
                .await
                .expect("noted");
        assert_eq!(who, (Some("ann".to_owned()), Some("r7".to_owned())));
        sqlx::raw_sql("ROLLBACK").execute(conn).await.expect("rolled back");
    })
    .await;
}

#[tokio::test]
async fn a_session_that_plays_a_replica_is_noted_too_and_so_are_partitions() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(&pool, "CREATE TABLE people (id int PRIMARY KEY, region text) PARTITION BY RANGE (id)").await;
        run(&pool, "CREATE TABLE people_few PARTITION OF people FOR VALUES FROM (0) TO (100)").await;
        run(&pool, "SELECT audit_enable_table('people', 'people', '{}', '{}', NULL)").await;
        super::log::tamper(&pool, "INSERT INTO people_few VALUES (1, 'eu')").await;
        let noted = noted(&pool).await;
        assert!(
            noted.iter().any(|(action, id, ..)| action == "create" && id.as_deref() == Some("1")),
            "{noted:?}"
        );
    })
    .await;
}
