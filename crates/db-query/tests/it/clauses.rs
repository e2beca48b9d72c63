//! Every clause of every statement: its text, and that the server takes it.

use crate::check;
use db_query::{
    Bound, Delete, Insert, Lock, Merge, OnConflict, Op, PlanHint, Select, SqlType, Update, all, all_from,
    asc, case, col, constant, count_all, cte, cube, desc, excluded, exists, func, lateral, max, now, rollup,
    row_number, row_of, rows_of, scalar, subquery, sum, table_as, unnest, value, values, window,
};
use db_testkit::fresh_db;

#[tokio::test]
async fn of_a_select_stand_in_order_whatever_the_calls() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let select = Select::from("public.tasks")
            .limit(5)
            .order_by(desc("priority"))
            .order_by(asc("id").nulls_first())
            .filter(col("status").eq("pending"))
            .columns(["id"])
            .columns(("title", max(col("priority")).alias("top")))
            .group_by(&["id", "title"])
            .having(count_all().gt(0_i64))
            .filter(col("kind").ne("x"))
            .offset(2)
            .build();
        check(
            &mut conn,
            select,
            r#"SELECT "id", "title", max("priority") AS "top" FROM "public"."tasks" WHERE "status" = $2 AND "kind" <> $4 GROUP BY "id", "title" HAVING count(*) > $3 ORDER BY "priority" DESC, "id" ASC NULLS FIRST LIMIT $1 OFFSET $5"#,
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn of_joins() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let select = Select::from(table_as("tasks", "t"))
            .columns(("t.id", all_from("e")))
            .join(table_as("task_executions", "e"), col("e.task_id").eq_col("t.id"))
            .left_join("error_logs", col("error_logs.execution_id").eq_col("e.id"))
            .right_join(table_as("tasks", "p"), col("p.id").eq_col("t.parent_task_id"))
            .full_join(table_as("tasks", "f"), col("f.id").eq_col("t.id"))
            .cross_join(rows_of(func("generate_series", (value(1_i32), value(2_i32))), "n", &["n"]))
            .cross_join(lateral("latest", |q| {
                q.from("error_logs").columns(["created_at"]).filter(col("task_id").eq_col("t.id")).limit(1)
            }))
            .and_from("system_config")
            .build();
        check(
            &mut conn,
            select,
            r#"SELECT "t"."id", "e".* FROM "tasks" AS "t" JOIN "task_executions" AS "e" ON "e"."task_id" = "t"."id" LEFT JOIN "error_logs" ON "error_logs"."execution_id" = "e"."id" RIGHT JOIN "tasks" AS "p" ON "p"."id" = "t"."parent_task_id" FULL JOIN "tasks" AS "f" ON "f"."id" = "t"."id" CROSS JOIN "generate_series"($1, $2) AS "n" ("n") CROSS JOIN LATERAL (SELECT "created_at" FROM "error_logs" WHERE "task_id" = "t"."id" LIMIT $3) AS "latest" CROSS JOIN "system_config""#,
        )
        .await;
        let using = Select::from("tasks").columns(["kind"]).join_using(table_as("tasks", "u"), &["id", "kind"]).build();
        check(
            &mut conn,
            using,
            r#"SELECT "kind" FROM "tasks" JOIN "tasks" AS "u" USING ("id", "kind")"#,
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn of_queries_in_queries() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let select = Select::from("tasks")
            .filter(col("id").in_query(|q| q.from("recent").columns(["task_id"])))
            .filter(!exists(|q| q.from("error_logs").columns(constant(1).alias("one")).filter(col("task_id").eq_col("tasks.id"))))
            .columns((
                "title",
                scalar(|q| q.from("recent").columns(count_all().alias("n"))).alias("executions"),
            ))
            .with(cte("recent").columns(&["task_id"]).materialized(), |q| {
                q.from("task_executions").columns(["task_id"]).filter(col("attempt").gt(1_i32))
            })
            .with(cte("plain").not_materialized(), |q| q.select(constant(1).alias("x")))
            .and_from(subquery("s", |q| q.from("plain").columns(["x"])))
            .build();
        check(
            &mut conn,
            select,
            r#"WITH "recent" ("task_id") AS MATERIALIZED (SELECT "task_id" FROM "task_executions" WHERE "attempt" > $1), "plain" AS NOT MATERIALIZED (SELECT 1 AS "x") SELECT "title", (SELECT count(*) AS "n" FROM "recent") AS "executions" FROM "tasks" CROSS JOIN (SELECT "x" FROM "plain") AS "s" WHERE "id" IN (SELECT "task_id" FROM "recent") AND NOT (EXISTS (SELECT 1 AS "one" FROM "error_logs" WHERE "task_id" = "tasks"."id"))"#,
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn of_recursion() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let select = Select::from("chain")
            .columns(all())
            .with("start", |q| q.select(value(3_i32).alias("n")))
            .with(cte("chain").columns(&["n"]).recursive(), |q| {
                q.from("start").columns(["n"]).union_all(|q| {
                    q.from("chain").columns((col("n") - constant(1)).alias("n")).filter(col("n").gt(1_i32))
                })
            })
            .build();
        let rows = check(
            &mut conn,
            select,
            r#"WITH RECURSIVE "start" AS (SELECT $1 AS "n"), "chain" ("n") AS (SELECT "n" FROM "start" UNION ALL (SELECT "n" - 1 AS "n" FROM "chain" WHERE "n" > $2)) SELECT * FROM "chain""#,
        )
        .await;
        assert_eq!(rows.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn of_sets_and_windows_and_groups() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let sets = Select::of(constant(1).alias("n"))
            .intersect(|q| q.select(constant(1).alias("n")).order_by(asc("n")).limit(1))
            .union(|q| q.select(constant(2).alias("n")))
            .except(|q| q.select(constant(2).alias("n")))
            .order_by(desc("n"))
            .build();
        check(
            &mut conn,
            sets,
            r#"SELECT 1 AS "n" INTERSECT (SELECT 1 AS "n" ORDER BY "n" ASC LIMIT $1) UNION (SELECT 2 AS "n") EXCEPT (SELECT 2 AS "n") ORDER BY "n" DESC"#,
        )
        .await;
        let windows = Select::from("tasks")
            .columns((
                row_number().over(window().partition_by(&["queue", "kind"]).order_by(desc("priority")).order_by(asc("id"))).alias("row"),
                sum(col("priority")).over(window().rows(Bound::Preceding(2), Bound::Current)).alias("near"),
                max(col("attempts")).over("all_of_queue").alias("most"),
                count_all().only(col("status").eq("failed")).over(window()).alias("failed"),
            ))
            .window("all_of_queue", window().partition_by(&["queue"]).rows(Bound::Start, Bound::End))
            .build();
        check(
            &mut conn,
            windows,
            r#"SELECT row_number() OVER (PARTITION BY "queue", "kind" ORDER BY "priority" DESC, "id" ASC) AS "row", sum("priority") OVER ( ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS "near", max("attempts") OVER "all_of_queue" AS "most", count(*) FILTER (WHERE "status" = $1) OVER () AS "failed" FROM "tasks" WINDOW "all_of_queue" AS (PARTITION BY "queue" ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"#,
        )
        .await;
        for (group, expected) in [
            (rollup(&["queue", "kind"]), r#"ROLLUP ("queue", "kind")"#),
            (cube(&["queue", "kind"]), r#"CUBE ("queue", "kind")"#),
        ] {
            let groups = Select::from("tasks").columns(count_all().alias("n")).group_by(group).build();
            let expected = format!(r#"SELECT count(*) AS "n" FROM "tasks" GROUP BY {expected}"#);
            check(&mut conn, groups, &expected).await;
        }
        let distinct = Select::from("tasks").columns(["queue", "title"]).distinct_on(&["queue"]).order_by(asc("queue")).build();
        check(
            &mut conn,
            distinct,
            r#"SELECT DISTINCT ON ("queue") "queue", "title" FROM "tasks" ORDER BY "queue" ASC"#,
        )
        .await;
        let by_expr = Select::from("tasks").distinct().columns(count_all().alias("n")).group_by_expr(col("priority") % constant(2)).build();
        check(
            &mut conn,
            by_expr,
            r#"SELECT DISTINCT count(*) AS "n" FROM "tasks" GROUP BY "priority" % 2"#,
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn of_locks_and_hints() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let locked = Select::from(table_as("tasks", "t"))
            .columns(["t.id"])
            .join(table_as("task_executions", "e"), col("e.task_id").eq_col("t.id"))
            .lock(Lock::for_no_key_update().of(&["t"]).skip_locked())
            .lock(Lock::for_key_share().of(&["e"]).no_wait())
            .hint(PlanHint::Leading(&["t", "e"]))
            .hint(PlanHint::Rows(&["t", "e"], 10))
            .hint(PlanHint::IndexScan("t", "tasks_pkey"))
            .hint(PlanHint::Parallel("t", 2))
            .build();
        check(
            &mut conn,
            locked,
            r#"/*+ Leading("t" "e") Rows("t" "e" #10) IndexScan("t" "tasks_pkey") Parallel("t" 2) */ SELECT "t"."id" FROM "tasks" AS "t" JOIN "task_executions" AS "e" ON "e"."task_id" = "t"."id" FOR NO KEY UPDATE OF "t" SKIP LOCKED FOR KEY SHARE OF "e" NOWAIT"#,
        )
        .await;
        for (lock, expected) in [(Lock::for_update(), "FOR UPDATE"), (Lock::for_share(), "FOR SHARE")] {
            let select = Select::from("tasks").columns(["id"]).lock(lock).build();
            check(&mut conn, select, &format!(r#"SELECT "id" FROM "tasks" {expected}"#)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn of_an_insert() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let rows = Insert::into("system_config", &["key", "value", "description"])
            .row(|row| {
                row.value("a").expr(func("to_jsonb", value(1_i32))).default_value();
            })
            .row(|row| {
                row.value("b").value(sqlx::types::Json("x")).value(None::<String>);
            })
            .on_conflict_update(&["key"], &["value", "description"])
            .returning(["key", "value"])
            .build();
        let written = check(
            &mut conn,
            rows,
            r#"INSERT INTO "system_config" ("key", "value", "description") VALUES ($1, "to_jsonb"($2), DEFAULT), ($3, $4, $5) ON CONFLICT ("key") DO UPDATE SET "value" = EXCLUDED."value", "description" = EXCLUDED."description" RETURNING "key", "value""#,
        )
        .await;
        assert_eq!(written.len(), 2);
        let from_query = Insert::into("tasks", &["title", "queue", "unique_key"])
            .from_query(|q| {
                q.from(unnest("new", |arrays| {
                    arrays.column("title", vec!["a", "b"]).column_as("key", vec!["1", "2"], SqlType::Text);
                }))
                .columns(("title", constant("it's \\ here").alias("queue"), "key"))
            })
            .on_conflict(
                OnConflict::columns(&["queue", "unique_key"])
                    .only(col("unique_key").is_not_null().and(
                        col("status").eq_to(constant("pending")).or(col("status").eq_to(constant("in_progress"))),
                    ))
                    .do_nothing(),
            )
            .with("unused", |q| q.select(now().alias("t")))
            .build();
        check(
            &mut conn,
            from_query,
            r#"WITH "unused" AS (SELECT now() AS "t") INSERT INTO "tasks" ("title", "queue", "unique_key") SELECT "title", E'it''s \\ here' AS "queue", "key" FROM unnest($1, CAST($2 AS text[])) AS "new" ("title", "key") ON CONFLICT ("queue", "unique_key") WHERE ("unique_key" IS NOT NULL AND ("status" = 'pending' OR "status" = 'in_progress')) DO NOTHING"#,
        )
        .await;
        let conditional = Insert::into("system_config", &["key", "value"])
            .row(|row| {
                row.value("a").value(sqlx::types::Json(1));
            })
            .on_conflict(
                OnConflict::constraint("system_config_pkey")
                    .set(|sets| {
                        sets.set_excluded("value").set("description", "changed").set_expr("updated_at", now());
                    })
                    .filter(col("system_config.value").is_distinct_from(sqlx::types::Json(2))),
            )
            .build();
        check(
            &mut conn,
            conditional,
            r#"INSERT INTO "system_config" ("key", "value") VALUES ($1, $2) ON CONFLICT ON CONSTRAINT "system_config_pkey" DO UPDATE SET "value" = EXCLUDED."value", "description" = $3, "updated_at" = now() WHERE "system_config"."value" IS DISTINCT FROM $4"#,
        )
        .await;
        let nothing = Insert::into("system_config", &["key", "value"])
            .row(|row| {
                row.value("a").value(sqlx::types::Json(1));
            })
            .on_conflict_do_nothing()
            .build();
        check(
            &mut conn,
            nothing,
            r#"INSERT INTO "system_config" ("key", "value") VALUES ($1, $2) ON CONFLICT DO NOTHING"#,
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn of_an_update() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let update = Update::table("tasks")
            .alias("t")
            .set("title", "x")
            .set_expr("attempts", col("t.attempts") + constant(1))
            .set_expr(
                "metadata",
                case(col("ended.released").holds(), col("metadata")).otherwise(value(sqlx::types::Json(1))),
            )
            .from(unnest("ended", |arrays| {
                arrays.column("id", vec![uuid(1), uuid(2)]).column("released", vec![true, false]);
            }))
            .filter(col("t.id").eq_col("ended.id"))
            .filter(col("t.status").eq("pending"))
            .with("old", |q| q.delete_from("error_logs").filter(col("resolved").holds()).returning(["id"]))
            .hint(PlanHint::SeqScan("t"))
            .returning(("t.id", col("ended.released").alias("released")))
            .build();
        check(
            &mut conn,
            update,
            r#"/*+ SeqScan("t") */ WITH "old" AS (DELETE FROM "error_logs" WHERE "resolved" RETURNING "id") UPDATE "tasks" AS "t" SET "title" = $1, "attempts" = "t"."attempts" + 1, "metadata" = CASE WHEN "ended"."released" THEN "metadata" ELSE $2 END FROM unnest($3, $4) AS "ended" ("id", "released") WHERE "t"."id" = "ended"."id" AND "t"."status" = $5 RETURNING "t"."id", "ended"."released" AS "released""#,
        )
        .await;
        let every = Update::table("tasks").set_expr("updated_at", now()).all_rows().build();
        check(&mut conn, every, r#"UPDATE "tasks" SET "updated_at" = now()"#).await;
    })
    .await;
}

#[tokio::test]
async fn of_a_delete() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let delete = Delete::from("task_executions")
            .alias("e")
            .using(table_as("tasks", "t"))
            .filter(col("t.id").eq_col("e.task_id"))
            .filter(row_of((col("t.queue"), col("t.kind"))).eq_to(row_of((value("a"), value("b")))))
            .returning(["e.id"])
            .build();
        check(
            &mut conn,
            delete,
            r#"DELETE FROM "task_executions" AS "e" USING "tasks" AS "t" WHERE "t"."id" = "e"."task_id" AND ROW("t"."queue", "t"."kind") = ROW($1, $2) RETURNING "e"."id""#,
        )
        .await;
        check(&mut conn, Delete::from("error_logs").all_rows().build(), r#"DELETE FROM "error_logs""#).await;
    })
    .await;
}

#[tokio::test]
async fn of_a_merge() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let merge = Merge::into(
            "system_config",
            values("new", &["key", "text"], |rows| {
                rows.row(|row| {
                    row.value("a").value("1");
                })
                .row(|row| {
                    row.value("b").expr(value("2"));
                });
            }),
            col("system_config.key").eq_col("new.key"),
        )
        .when_matched_delete(col("new.text").eq("gone"))
        .when_matched_do_nothing(col("new.text").cmp(Op::Like, "keep%"))
        .when_matched_update((), |sets| {
            sets.set_expr("description", col("new.text"));
        })
        .when_not_matched_insert((), &["key", "value"], |row| {
            row.expr(col("new.key")).expr(func("to_jsonb", col("new.text")));
        })
        .build();
        check(
            &mut conn,
            merge,
            r#"MERGE INTO "system_config" USING (VALUES ($1, $2), ($3, $4)) AS "new" ("key", "text") ON "system_config"."key" = "new"."key" WHEN MATCHED AND "new"."text" = $5 THEN DELETE WHEN MATCHED AND "new"."text" LIKE $6 THEN DO NOTHING WHEN MATCHED THEN UPDATE SET "description" = "new"."text" WHEN NOT MATCHED THEN INSERT ("key", "value") VALUES ("new"."key", "to_jsonb"("new"."text"))"#,
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn that_change_rows_inside_a_select() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let select = Select::from("made")
            .columns(count_all().alias("n"))
            .with("made", |q| {
                q.insert_into("system_config", &["key", "value"])
                    .row(|row| {
                        row.value("k").value(sqlx::types::Json(1));
                    })
                    .on_conflict(OnConflict::columns(&["key"]).set(|sets| {
                        sets.set_expr("value", excluded("value"));
                    }))
                    .returning(["key"])
            })
            .with("touched", |q| q.update("tasks").set("title", "t").all_rows().returning(["id"]))
            .build();
        check(
            &mut conn,
            select,
            r#"WITH "made" AS (INSERT INTO "system_config" ("key", "value") VALUES ($1, $2) ON CONFLICT ("key") DO UPDATE SET "value" = EXCLUDED."value" RETURNING "key"), "touched" AS (UPDATE "tasks" SET "title" = $3 RETURNING "id") SELECT count(*) AS "n" FROM "made""#,
        )
        .await;
    })
    .await;
}

fn uuid(number: u128) -> sqlx::types::Uuid {
    sqlx::types::Uuid::from_u128(number)
}
