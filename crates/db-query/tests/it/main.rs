//! Built statements, run by sqlx against a server: it accepts their grammar, and values arrive as they were given.

use db_query::{Delete, Insert, Op, Select, Update, all, col, count_all, desc, max, now, sum};
use db_testkit::fresh_db;
use sqlx::{Executor, PgConnection, Row};

async fn title_of(conn: &mut PgConnection, title: &str) -> Option<String> {
    let statement =
        Select::from("tasks").columns(["title"]).filter(col("title").eq(title)).build().expect("valid");
    conn.fetch_optional(statement).await.expect("accepted").map(|row| row.get(0))
}

#[tokio::test]
async fn values_are_never_part_of_the_text() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        for hostile in ["'; DROP TABLE tasks; --", "\\'; SELECT 1", "$1", "naïve ☃", "line\nbreak"] {
            let insert = Insert::into("tasks", &["title", "priority"])
                .row(|row| {
                    row.value(hostile).value(3_i16);
                })
                .returning(&["id"])
                .build()
                .expect("valid");
            conn.fetch_one(insert).await.expect("accepted");
            assert_eq!(title_of(&mut conn, hostile).await.as_deref(), Some(hostile));
        }
    })
    .await;
}

#[tokio::test]
async fn hostile_names_are_names() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let name = r#"odd " name; DROP TABLE tasks"#;
        let create = format!("CREATE TABLE {} (\"a b\" int)", db_query::Ident::parse(name).expect("a name"));
        conn.execute(sqlx::AssertSqlSafe(create)).await.expect("created");
        let insert = Insert::into(name, &["a b"]).row(|row| {
            row.value(7_i32);
        });
        conn.execute(insert.build().expect("valid")).await.expect("accepted");
        let select =
            Select::from(name).columns(["a b"]).filter(col("a b").any(vec![7_i32])).build().expect("valid");
        assert_eq!(conn.fetch_one(select).await.expect("accepted").get::<i32, _>(0), 7);
        assert_eq!(title_of(&mut conn, "none").await, None, "tasks is still there");
    })
    .await;
}

#[tokio::test]
async fn every_clause_is_accepted() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let select = Select::from("public.tasks")
            .columns(["tasks.status"])
            .columns(count_all("n"))
            .columns(sum("tasks.priority", "total"))
            .columns(max("tasks.priority", "top"))
            .left_join("task_executions", col("task_executions.task_id").eq_col("tasks.id"))
            .filter(col("tasks.title").cmp(Op::ILike, "a%").or(col("tasks.assigned_to").is_null()))
            .filter(col("tasks.requirements").cmp(Op::Contains, sqlx::types::Json(vec![1])))
            .group_by("tasks.status")
            .order_by(desc("n"))
            .limit(3)
            .build()
            .expect("valid");
        assert!(conn.fetch_all(select).await.expect("accepted").is_empty());

        let upsert = Insert::into("system_config", &["key", "value"])
            .row(|row| {
                row.value("a").value(sqlx::types::Json(1));
            })
            .row(|row| {
                row.value("b").value(sqlx::types::Json(2));
            })
            .on_conflict_update(&["key"], &["value"])
            .build()
            .expect("valid");
        assert_eq!(conn.execute(upsert).await.expect("accepted").rows_affected(), 2);

        let update = Update::table("system_config")
            .set("description", "changed")
            .set_expr("updated_at", now())
            .filter(col("key").ne("b"))
            .returning(&["key"])
            .build()
            .expect("valid");
        assert_eq!(conn.fetch_one(update).await.expect("accepted").get::<String, _>(0), "a");

        let delete = Delete::from("system_config").all_rows().returning(&["key"]).build().expect("valid");
        assert_eq!(conn.fetch_all(delete).await.expect("accepted").len(), 2);
        let rest = Select::from("system_config").columns(all()).build().expect("valid");
        assert!(conn.fetch_optional(rest).await.expect("accepted").is_none());
    })
    .await;
}
