//! Values arrive as they were given, and names are names, whatever is in them.

use db_query::{Insert, Select, Setting, all, asc, col, func, set_local, value};
use db_testkit::fresh_db;
use sqlx::{Connection, Executor, PgConnection, Row};

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
                .returning(["id"])
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
async fn parameters_follow_their_clauses() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        // Each clause binds a number of its own; whatever the order of the calls, each must come back in its place.
        let row = conn
            .fetch_one(
                Select::of(value(1_i32).alias("a"))
                    .order_by(asc("a"))
                    .with("later", |q| q.select(value(30_i32).alias("n")))
                    .filter(value(2_i32).lt(3_i32))
                    .columns(value(4_i32).alias("b"))
                    .and_from("later")
                    .columns("later.n")
                    .limit(1)
                    .build()
                    .expect("valid"),
            )
            .await
            .expect("accepted");
        assert_eq!((row.get::<i32, _>(0), row.get::<i32, _>(1), row.get::<i32, _>(2)), (1, 4, 30));
    })
    .await;
}

#[tokio::test]
async fn settings_last_as_long_as_the_transaction() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let shown = || {
            Select::of(func("current_setting", value("work_mem")).alias("work_mem")).build().expect("valid")
        };
        let before: String = conn.fetch_one(shown()).await.expect("accepted").get(0);
        let mut tx = conn.begin().await.expect("a transaction");
        let local = set_local(&[(Setting::WorkMem, "77MB"), (Setting::EnableSeqscan, "off")]).expect("valid");
        assert_eq!(
            local.sql(),
            r#"SELECT "set_config"('work_mem', $1, TRUE), "set_config"('enable_seqscan', $2, TRUE)"#
        );
        tx.execute(local).await.expect("accepted");
        assert_eq!(tx.fetch_one(shown()).await.expect("accepted").get::<String, _>(0), "77MB");
        tx.commit().await.expect("committed");
        assert_eq!(conn.fetch_one(shown()).await.expect("accepted").get::<String, _>(0), before);
        for &setting in Setting::ALL {
            let known = Select::of(func("current_setting", value(setting.name())).alias("x")).build();
            conn.fetch_one(known.expect("valid")).await.expect("the server has the setting");
            assert_eq!(setting.name().parse(), Ok(setting));
        }
        let rest = Select::from("system_config").columns(all()).build().expect("valid");
        assert!(conn.fetch_optional(rest).await.expect("accepted").is_none());
    })
    .await;
}
