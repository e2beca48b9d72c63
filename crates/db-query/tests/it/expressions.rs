//! Every expression: its text, and that the server takes it.

use crate::check;
use db_query::{
    Condition, Expr, Op, Select, SqlType, TextConfig, all_of, any_of, array_agg, asc, avg, case,
    clock_timestamp, coalesce, col, condition as condition_of, constant, constant_null, count, func,
    greatest, headline, json_agg, json_array, least, lower, make_interval, max, min, now, percentile, rank,
    string_agg, sum, to_tsvector, value, websearch,
};
use db_testkit::fresh_db;
use sqlx::{PgConnection, types::Json};

async fn condition(conn: &mut PgConnection, condition: Condition<impl Expr>, expected: &str) {
    let select = Select::from("tasks").columns(["id"]).filter(condition).build();
    check(conn, select, &format!(r#"SELECT "id" FROM "tasks" WHERE {expected}"#)).await;
}

async fn column(conn: &mut PgConnection, expr: db_query::Operand<impl Expr>, expected: &str) {
    let select = Select::from("tasks").columns(expr.alias("x")).build();
    check(conn, select, &format!(r#"SELECT {expected} AS "x" FROM "tasks""#)).await;
}

#[tokio::test]
async fn that_are_true_or_false() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        condition(conn, col("title").eq("a"), r#""title" = $1"#).await;
        condition(conn, col("title").ne("a"), r#""title" <> $1"#).await;
        condition(conn, col("priority").lt(1_i16), r#""priority" < $1"#).await;
        condition(conn, col("priority").le(1_i16), r#""priority" <= $1"#).await;
        condition(conn, col("priority").gt(1_i16), r#""priority" > $1"#).await;
        condition(conn, col("priority").ge(1_i16), r#""priority" >= $1"#).await;
        condition(conn, col("title").any(vec!["a", "b"]), r#""title" = ANY($1)"#).await;
        condition(conn, col("title").none_of(vec!["a"]), r#""title" <> ALL($1)"#).await;
        condition(
            conn,
            func("string_to_array", (col("title"), value(","))).has("a"),
            r#"$1 = ANY("string_to_array"("title", $2))"#,
        )
        .await;
        condition(conn, col("assigned_to").is_null(), r#""assigned_to" IS NULL"#).await;
        condition(conn, col("assigned_to").is_not_null(), r#""assigned_to" IS NOT NULL"#).await;
        condition(
            conn,
            col("assigned_to").is_distinct_from(None::<&str>),
            r#""assigned_to" IS DISTINCT FROM $1"#,
        )
        .await;
        condition(
            conn,
            col("assigned_to").is_not_distinct_from("a"),
            r#""assigned_to" IS NOT DISTINCT FROM $1"#,
        )
        .await;
        condition(conn, col("priority").between(1_i16, 3_i16), r#""priority" BETWEEN $1 AND $2"#).await;
        condition(
            conn,
            col("title").eq("a").or(col("kind").eq("b").and(!col("queue").eq("c"))),
            r#"("title" = $1 OR ("kind" = $2 AND NOT ("queue" = $3)))"#,
        )
        .await;
        condition(conn, col("assigned_to").eq("a").is_not_true(), r#"("assigned_to" = $1) IS NOT TRUE"#)
            .await;
        condition(conn, col("assigned_to").eq("a").is_true(), r#"("assigned_to" = $1) IS TRUE"#).await;
        condition(
            conn,
            all_of(["a", "b"].map(|x| col("title").ne(x))),
            r#"("title" <> $1 AND "title" <> $2)"#,
        )
        .await;
        condition(conn, any_of(["a", "b"].map(|x| col("title").eq(x))), r#"("title" = $1 OR "title" = $2)"#)
            .await;
        condition(conn, col("lease_token").eq_to(constant(-1)), r#""lease_token" = (-1)"#).await;
    })
    .await;
}

#[tokio::test]
async fn of_every_operator() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let mut seen = 0;
        for &op in Op::ALL {
            let text = op.as_str();
            assert_eq!(text.parse(), Ok(op));
            seen += 1;
            match op {
                Op::Contains | Op::ContainedBy => {
                    condition(
                        &mut conn,
                        col("metadata").cmp(op, Json(1)),
                        &format!(r#""metadata" {text} $1"#),
                    )
                    .await;
                }
                Op::HasKey => condition(&mut conn, col("metadata").cmp(op, "k"), r#""metadata" ? $1"#).await,
                Op::HasAnyKey | Op::HasAllKeys => {
                    condition(
                        &mut conn,
                        col("metadata").cmp(op, vec!["k"]),
                        &format!(r#""metadata" {text} $1"#),
                    )
                    .await;
                }
                Op::Overlaps => {
                    let array = func("string_to_array", (col("title"), constant(",")));
                    condition(
                        &mut conn,
                        array.cmp(op, vec!["k"]),
                        r#""string_to_array"("title", ',') && $1"#,
                    )
                    .await;
                }
                Op::Search | Op::PathExists => {
                    let path = value("$.a").cast(SqlType::Jsonpath);
                    condition(
                        &mut conn,
                        col("metadata").cmp_to(op, path),
                        &format!(r#""metadata" {text} CAST($1 AS jsonpath)"#),
                    )
                    .await;
                }
                _ => condition(&mut conn, col("title").cmp(op, "a"), &format!(r#""title" {text} $1"#)).await,
            }
        }
        assert_eq!(seen, 25);
    })
    .await;
}

#[tokio::test]
async fn that_are_values() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        column(
            conn,
            (col("priority") + constant(1)) * constant(2) - col("attempts") / constant(3) % constant(4),
            r#"(("priority" + 1) * 2) - (("attempts" / 3) % 4)"#,
        )
        .await;
        column(conn, col("title").concat(col("kind")), r#""title" || "kind""#).await;
        column(conn, col("title").collate("C"), r#"("title" COLLATE "C")"#).await;
        column(conn, col("title").collate("pg_catalog.C"), r#"("title" COLLATE "pg_catalog"."C")"#).await;
        column(conn, col("metadata").get(value("a")), r#""metadata" -> $1"#).await;
        column(
            conn,
            col("metadata").get(constant("a")).get_text(constant(0)),
            r#"("metadata" -> 'a') ->> 0"#,
        )
        .await;
        column(conn, col("metadata").at(&["a", "b"]), r#""metadata" #> $1"#).await;
        column(conn, col("metadata").text_at(&["a", "b"]), r#""metadata" #>> $1"#).await;
        column(conn, lower(col("title")), r#"lower("title")"#).await;
        column(conn, coalesce((col("assigned_to"), value("x"))), r#"coalesce("assigned_to", $1)"#).await;
        column(conn, now() - make_interval(value(1.5_f64)), "now() - make_interval(secs => $1)").await;
        column(conn, clock_timestamp(), "clock_timestamp()").await;
        column(
            conn,
            greatest((col("priority"), least((col("attempts"), constant(3))))),
            r#"greatest("priority", least("attempts", 3))"#,
        )
        .await;
        column(conn, json_array((col("title"), constant_null())), r#"jsonb_build_array("title", NULL)"#)
            .await;
        column(conn, condition_of(col("title").eq("a")), r#""title" = $1"#).await;
        column(
            conn,
            case(col("priority").gt(5_i16), constant("high"))
                .when(col("priority").gt(2_i16), value("mid"))
                .end(),
            r#"CASE WHEN "priority" > $1 THEN 'high' WHEN "priority" > $2 THEN $3 END"#,
        )
        .await;
        column(conn, constant(true), "TRUE").await;
        // Wide enough for what its type promises.
        column(
            conn,
            constant(2_000_000_000_i64) * constant(-2_i64),
            "CAST(2000000000 AS int8) * CAST(-2 AS int8)",
        )
        .await;
        column(
            conn,
            func("pg_catalog.version", ()).cast(SqlType::Text),
            r#"CAST("pg_catalog"."version"() AS text)"#,
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn of_every_type() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        for (to, expected) in [
            (SqlType::Bool, "bool"),
            (SqlType::Int2, "int2"),
            (SqlType::Int4, "int4"),
            (SqlType::Int8, "int8"),
            (SqlType::Float4, "float4"),
            (SqlType::Float8, "float8"),
            (SqlType::Numeric, "numeric"),
            (SqlType::Text, "text"),
            (SqlType::Bytea, "bytea"),
            (SqlType::Uuid, "uuid"),
            (SqlType::Timestamptz, "timestamptz"),
            (SqlType::Date, "date"),
            (SqlType::Interval, "interval"),
            (SqlType::Jsonb, "jsonb"),
            (SqlType::Jsonpath, "jsonpath"),
            (SqlType::Tsvector, "tsvector"),
            (SqlType::Tsquery, "tsquery"),
            (SqlType::Regconfig, "regconfig"),
            (SqlType::Regclass, "regclass"),
            (SqlType::Named("varchar".parse().expect("a name")), r#""varchar""#),
            (SqlType::Uuid.array(), "uuid[]"),
        ] {
            column(&mut conn, value(None::<String>).cast(to), &format!("CAST($1 AS {expected})")).await;
        }
    })
    .await;
}

#[tokio::test]
async fn that_aggregate() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        column(conn, count(col("queue")).distinct(), r#"count(DISTINCT "queue")"#).await;
        column(
            conn,
            sum(col("priority")).only(col("kind").eq("a")),
            r#"sum("priority") FILTER (WHERE "kind" = $1)"#,
        )
        .await;
        column(conn, avg(col("priority")), r#"avg("priority")"#).await;
        column(conn, min(col("title")), r#"min("title")"#).await;
        column(conn, max(col("title")), r#"max("title")"#).await;
        column(
            conn,
            array_agg(col("title")).ordered(asc("priority")),
            r#"array_agg("title" ORDER BY "priority" ASC)"#,
        )
        .await;
        column(conn, json_agg(col("title")), r#"jsonb_agg("title")"#).await;
        column(
            conn,
            percentile(value(0.5), col("priority")),
            r#"percentile_cont($1) WITHIN GROUP (ORDER BY "priority")"#,
        )
        .await;
        column(conn, string_agg(col("title"), ", "), r#"string_agg("title", $1)"#).await;
    })
    .await;
}

#[tokio::test]
async fn that_search() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let english = TextConfig::english;
        let query = || websearch(english(), value("it's \"two words\" -not"));
        condition(
            conn,
            to_tsvector(english(), col("title")).matches(query()),
            r#"to_tsvector('english', "title") @@ websearch_to_tsquery('english', $1)"#,
        )
        .await;
        column(
            conn,
            rank(to_tsvector(TextConfig::simple(), col("title")), query()),
            r#"ts_rank_cd(to_tsvector('simple', "title"), websearch_to_tsquery('english', $1))"#,
        )
        .await;
        column(
            conn,
            headline(english(), col("title"), query()),
            r#"ts_headline('english', "title", websearch_to_tsquery('english', $1))"#,
        )
        .await;
        for name in ["", "english'", "a b", "pg_catalog.english"] {
            assert!(TextConfig::parse(name).is_err(), "{name:?}");
        }
        assert_eq!(TextConfig::parse("simple"), Ok(TextConfig::simple()));
    })
    .await;
}
