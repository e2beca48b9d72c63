//! A restricted statement gives what the same statement gives where the refused rows are not.

use db_query::{
    Access, BuildError, Delete, Field, Filter, Insert, Kind, Lock, Merge, Select, Statement, Table, Update,
    all, all_from, asc, col, constant, count_all, cte, exists, lateral, scalar, subquery, sum, table_as,
    value,
};
use db_testkit::fresh_db;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, raw_sql};

const P: Table = Table::new(
    "p",
    &[Field::new("id", Kind::Int4), Field::new("up", Kind::Int4), Field::new("o", Kind::Int4)],
);
const C: Table = Table::new(
    "c",
    &[Field::new("id", Kind::Int4), Field::new("p_id", Kind::Int4), Field::new("o", Kind::Int4)],
);

/// What may be seen of which table; of the others all.
fn allowed(table: &str) -> Option<Filter> {
    let filter = |json, table| Some(Filter::parse(json, table).expect("a filter"));
    match table {
        "p" => filter(r#"{"o": {"$in": [1, 2]}}"#, &P),
        "c" => filter(r#"{"$or": [{"o": 1}, {"o": {"$gt": 3}}]}"#, &C),
        _ => None,
    }
}

/// The same in SQL.
const KEPT: [(&str, &str); 3] = [("p", "o IN (1, 2)"), ("c", "o = 1 OR o > 3"), ("free", "true")];

fn statements() -> Vec<Result<Statement, BuildError>> {
    let p = || table_as("p", "x");
    let on = || col("x.id").eq_col("c.p_id");
    vec![
        Select::from("p").columns(["id", "o"]).build(),
        Select::from(p()).columns(all_from("x")).filter(col("x.id").gt(3_i32)).build(),
        Select::from("p").columns(["p.id"]).filter(col("p.o").gt(1_i32).or(col("p.id").eq(1_i32))).build(),
        Select::from(p()).columns(["x.id", "c.id"]).join("c", on()).build(),
        Select::from(p()).columns(["x.id", "c.id"]).left_join("c", on()).build(),
        Select::from(p()).columns(["x.id", "c.id"]).right_join("c", on()).build(),
        Select::from(p()).columns(["x.id", "c.id"]).full_join("c", on()).build(),
        Select::from("p")
            .columns(["p.id", "other.id"])
            .left_join(table_as("p", "other"), col("p.up").eq_col("other.id"))
            .build(),
        Select::from("free")
            .columns(["free.id", "c.id"])
            .left_join("c", col("free.id").eq_col("c.id"))
            .build(),
        Select::from("p").columns(["o"]).join_using("c", &["id", "o"]).build(),
        Select::from("p").columns(count_all().alias("n")).build(),
        Select::from("c")
            .columns(("o", sum(col("p_id")).alias("n")))
            .group_by(&["o"])
            .having(count_all().gt(1_i64))
            .build(),
        Select::from("free")
            .columns(["id"])
            .filter(exists(|q| q.from("p").columns(["p.id"]).filter(col("p.id").eq_col("free.id"))))
            .build(),
        Select::from("free")
            .columns(["id"])
            .filter(!exists(|q| q.from("p").columns(["p.id"]).filter(col("p.id").eq_col("free.id"))))
            .build(),
        Select::from("p")
            .columns((
                "id",
                scalar(|q| q.from("c").columns(count_all().alias("n")).filter(col("c.p_id").eq_col("p.id")))
                    .alias("n"),
            ))
            .build(),
        Select::from(subquery("s", |q| q.from("p").columns(["id"]))).columns(["s.id"]).build(),
        Select::from("p")
            .columns(["p.id", "l.id"])
            .cross_join(lateral("l", |q| {
                q.from("c").columns(["id"]).filter(col("c.p_id").eq_col("p.id")).order_by(asc("id")).limit(1)
            }))
            .build(),
        Select::from("p").columns(["id"]).union(|q| q.from("c").columns(["id"])).build(),
        Select::from("free").columns(["id"]).except(|q| q.from("p").columns(["id"])).build(),
        Select::from("free").columns(["id"]).intersect(|q| q.from("c").columns(["id"])).build(),
        Select::from("q").columns(["id"]).with("q", |q| q.from("p").columns(["id"])).build(),
        // A common table expression that is called as a table is.
        Select::from("p").columns(["id"]).with("p", |q| q.from("c").columns(["id"])).build(),
        Select::from("p").columns(["id"]).with("p", |q| q.from("p").columns(["id"])).build(),
        Select::from("chain")
            .columns(["id"])
            .with(cte("chain").recursive(), |q| {
                q.from("p")
                    .columns(["p.id"])
                    .filter(col("p.up").is_null())
                    .union(|q| q.from("chain").columns(["p.id"]).join("p", col("p.up").eq_col("chain.id")))
            })
            .build(),
        Select::from(p()).columns(["x.id"]).lock(Lock::for_update().of(&["x"])).build(),
        Select::from("p")
            .columns(["p.id"])
            .join("c", col("p.id").eq_col("c.p_id"))
            .lock(Lock::for_share().of(&["p"]))
            .build(),
        Select::from("p").columns(["id"]).lock(Lock::for_update().skip_locked()).build(),
        Update::table("p").set_expr("up", col("up") + constant(1)).all_rows().returning(["id", "up"]).build(),
        Update::table("p")
            .set("up", 7_i32)
            .filter(col("id").gt(2_i32))
            .filter(col("o").gt(0_i32).or(col("o").is_null()))
            .returning(all())
            .build(),
        Update::table("p")
            .alias("x")
            .set_expr("up", col("x.up") + constant(1))
            .from("c")
            .filter(on())
            .filter(col("c.id").gt(2_i32))
            .returning(["x.id"])
            .build(),
        Update::table("free")
            .set("o", 5_i32)
            .filter(exists(|q| q.from("p").columns(["p.id"]).filter(col("p.id").eq_col("free.id"))))
            .returning(["id"])
            .build(),
        Delete::from("c").all_rows().returning(["id"]).build(),
        Delete::from("c").filter(col("p_id").gt(2_i32)).build(),
        Delete::from("c")
            .alias("d")
            .using("p")
            .filter(col("d.p_id").eq_col("p.id"))
            .returning(["d.id"])
            .build(),
        Select::from("gone")
            .columns(["id"])
            .with("gone", |q| q.delete_from("c").all_rows().returning(["id"]))
            .build(),
        Select::from("new")
            .columns(["id"])
            .with("new", |q| q.update("p").set("up", 3_i32).all_rows().returning(["id"]))
            .order_by(asc("id"))
            .build(),
        Insert::into("free", &["id", "o"])
            .from_query(|q| q.from("p").columns(["id", "o"]))
            .returning(["id"])
            .build(),
        Merge::into("free", "c", col("free.id").eq_col("c.id")).when_matched_delete(()).build(),
    ]
}

/// What a statement answers, and what is in all tables after it, of the rows that may be seen.
async fn outcome(
    conn: &mut PgConnection,
    schema: &str,
    statement: Statement,
) -> (Vec<String>, Vec<String>, i64) {
    let text = statement.sql().to_owned();
    let mut tx = conn.begin().await.expect("begun");
    raw_sql(AssertSqlSafe(format!("SET LOCAL search_path = {schema}"))).execute(&mut *tx).await.expect("set");
    let rows = tx.fetch_all(statement).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let show = |row: &sqlx::postgres::PgRow| {
        let values: Vec<String> = (0..row.len())
            .map(|at| match row.try_get::<Option<i32>, _>(at) {
                Ok(value) => format!("{value:?}"),
                Err(_) => format!("{:?}", row.get::<Option<i64>, _>(at)),
            })
            .collect();
        values.join(",")
    };
    let mut rows: Vec<String> = rows.iter().map(show).collect();
    rows.sort();
    let (mut left, mut hidden) = (Vec::new(), 0);
    for (table, kept) in KEPT {
        let seen = format!("SELECT t::text FROM {table} t WHERE {kept} ORDER BY 1");
        left.extend(
            sqlx::query_scalar::<_, String>(AssertSqlSafe(seen)).fetch_all(&mut *tx).await.expect("read"),
        );
        let unseen = format!(
            "SELECT coalesce(sum(hashtext(t::text)), 0)::int8 FROM {table} t WHERE ({kept}) IS NOT TRUE"
        );
        hidden +=
            sqlx::query_scalar::<_, i64>(AssertSqlSafe(unseen)).fetch_one(&mut *tx).await.expect("read");
    }
    tx.rollback().await.expect("rolled back");
    (rows, left, hidden)
}

#[tokio::test]
async fn refused_rows_are_absent() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let seed = rand::random::<u64>();
        let mut random = SmallRng::seed_from_u64(seed);
        let mut script = String::new();
        for schema in ["whole", "kept"] {
            script += &format!(
                "CREATE SCHEMA {schema}; CREATE TABLE {schema}.p (id int, up int, o int); \
                 CREATE TABLE {schema}.c (id int, p_id int, o int); CREATE TABLE {schema}.free (id int, o int);"
            );
        }
        for id in 1..=30 {
            let mut some = |most| random.random_range(1..=most);
            let up = if some(3) == 1 { "NULL".to_owned() } else { some(30).to_string() };
            let o = if some(8) == 1 { "NULL".to_owned() } else { some(4).to_string() };
            script += &format!(
                "INSERT INTO whole.p VALUES ({id}, {up}, {o}); INSERT INTO whole.c VALUES ({id}, {}, {}); \
                 INSERT INTO whole.free VALUES ({id}, {});",
                some(30), some(5), some(4)
            );
        }
        for (table, kept) in KEPT {
            script += &format!("INSERT INTO kept.{table} SELECT * FROM whole.{table} WHERE {kept};");
        }
        raw_sql(AssertSqlSafe(script)).execute(&mut conn).await.expect("rows");
        let (_, _, before) = outcome(&mut conn, "whole", Select::of(constant(1).alias("n")).build().expect("valid")).await;
        for statement in statements() {
            let statement = statement.expect("valid");
            let text = statement.sql().to_owned();
            let expected = outcome(&mut conn, "kept", statement.clone()).await;
            let restricted = statement.clone().restrict(allowed).expect("restricted").statement;
            assert_ne!(restricted.sql(), text);
            let given = outcome(&mut conn, "whole", restricted.clone()).await;
            // An update may make a row one that may be seen no more, the same on both sides.
            assert_eq!((&given.0, &given.1), (&expected.0, &expected.1), "seed {seed}: {text}\n{}", restricted.sql());
            if !text.contains("\"o\" =") {
                assert_eq!(given.2, before, "seed {seed}: what was refused has changed: {}", restricted.sql());
            }
            let names = |statement: &Statement| statement.touches().into_iter().map(|touch| (touch.table, touch.access)).collect::<Vec<_>>();
            let (there, then) = (names(&statement), names(&restricted));
            assert!(there.iter().all(|touch| then.contains(touch)), "{text}: {then:?}");
            let again = restricted.restrict(allowed).expect("restricted twice").statement;
            let twice = outcome(&mut conn, "whole", again.clone()).await;
            assert_eq!((twice.0, twice.1), (expected.0, expected.1), "{}", again.sql());
        }
    })
    .await;
}

#[test]
fn the_text_says_what_is_left_out() {
    for (statement, expected) in [
        (
            Select::from(table_as("p", "x")).columns(["x.id"]).filter(col("x.id").eq(7_i32)).build(),
            r#"SELECT "x"."id" FROM (SELECT * FROM "p" AS "x" WHERE ("x"."o" = ANY($2))) AS "x" WHERE "x"."id" = $1"#,
        ),
        (
            Delete::from("p").all_rows().returning(["id"]).build(),
            r#"DELETE FROM "p" WHERE ("p"."o" = ANY($1)) RETURNING "id""#,
        ),
        (
            Update::table("s.p").set("up", 1_i32).filter(col("id").eq(2_i32)).build(),
            r#"UPDATE "s"."p" SET "up" = $1 WHERE "id" = $2"#,
        ),
        (
            Update::table("p").alias("x").set("up", 1_i32).filter(col("x.id").eq(2_i32)).build(),
            r#"UPDATE "p" AS "x" SET "up" = $1 WHERE "x"."id" = $2 AND ("x"."o" = ANY($3))"#,
        ),
    ] {
        let restricted = statement.expect("valid").restrict(allowed).expect("restricted");
        assert_eq!(restricted.statement.sql(), expected);
    }
}

#[test]
fn columns_of_the_condition_count_as_touched() {
    let restricted =
        Select::from("p").columns(["id"]).build().expect("valid").restrict(allowed).expect("restricted");
    let touches = restricted.statement.touches();
    assert_eq!(touches.len(), 1, "{touches:?}");
    assert!(
        matches!(&touches[0].columns, db_query::Columns::Named(names) if names.iter().eq(["id", "o"])),
        "{touches:?}"
    );
    let inner = |q: db_query::Start| q.from(table_as("p", "x")).columns(["x.id"]);
    let nested = Select::from("free").columns(["free.id"]).filter(exists(inner)).build().expect("valid");
    let touched: Vec<_> = nested.restrict(allowed).expect("restricted").statement.touches();
    let tables: Vec<&str> = touched.iter().map(|touch| &*touch.table).collect();
    assert_eq!(tables, ["free", "p"], "{touched:?}");
}

#[test]
fn what_cannot_be_left_out_is_refused_or_told() {
    let merge = Merge::into("p", "free", col("p.id").eq_col("free.id")).when_matched_delete(()).build();
    let upsert = Insert::into("p", &["id"])
        .row(|row| {
            row.value(1_i32);
        })
        .on_conflict_update(&["id"], &["o"])
        .build();
    let of = |table: &str| (table == "s.p").then(|| allowed("p")).flatten();
    let by_schema = Select::from("s.p").columns(["s.p.id"]).build();
    for (statement, of) in
        [(merge, &allowed as &dyn Fn(&str) -> Option<Filter>), (upsert, &allowed), (by_schema, &of)]
    {
        let refused = statement.expect("valid").restrict(of).expect_err("it cannot be");
        assert!(matches!(refused, BuildError::Misplaced { .. }), "{refused}");
    }
    let insert = Insert::into("p", &["id"])
        .row(|row| {
            row.value(1_i32);
        })
        .build()
        .expect("valid");
    assert_eq!(insert.restrict(allowed).expect("it reads nothing").unchecked, ["p"]);
    let update = Update::table("p").set_expr("up", value(1_i32)).all_rows().build().expect("valid");
    assert_eq!(update.restrict(allowed).expect("restricted").unchecked, ["p"]);
    let mut sent = Select::from("p").columns(["id"]).build().expect("valid");
    let _ = sqlx::Execute::take_arguments(&mut sent);
    assert!(matches!(sent.restrict(allowed), Err(BuildError::Misplaced { .. })));
}

/// What may be done to rows of `p`, by what is done.
fn by_access(table: &str, access: Access) -> Option<Filter> {
    let team = match access {
        Access::Read => 1,
        Access::Update => 2,
        Access::Delete => 3,
        Access::Insert => 4,
    };
    (table == "p").then(|| Filter::parse(&format!(r#"{{"o": {team}}}"#), &P).expect("a filter"))
}

#[test]
fn each_place_gets_the_conditions_of_what_is_done_there() {
    let numbered = |built: Result<Statement, BuildError>| {
        let restricted = built.expect("valid").restrict_each(by_access).expect("restricted");
        let mut sql = restricted.statement.sql().to_owned();
        // The values are in order of their parameters, which the debug text does not show.
        sql.retain(|char| char != '"');
        (sql, restricted.unchecked)
    };
    let x = || table_as("p", "x");
    for (statement, expected, unchecked) in [
        (
            Select::from("p").columns(["id"]).build(),
            "SELECT id FROM (SELECT * FROM p WHERE (p.o = $1)) AS p",
            0,
        ),
        (
            Select::from(x()).columns(["x.id"]).lock(Lock::for_update().of(&["x"])).build(),
            "SELECT x.id FROM (SELECT * FROM p AS x WHERE (x.o = $1) AND (x.o = $2)) AS x FOR UPDATE OF x",
            0,
        ),
        (
            Select::from(subquery("s", |q| q.from("p").columns(["id"])))
                .columns(["s.id"])
                .lock(Lock::for_update())
                .build(),
            "SELECT s.id FROM (SELECT id FROM (SELECT * FROM p WHERE (p.o = $1) AND (p.o = $2)) AS p) AS s FOR UPDATE",
            0,
        ),
        (
            Select::from(x())
                .columns(["x.id"])
                .join("free", col("free.id").eq_col("x.id"))
                .lock(Lock::for_update().of(&["free"]))
                .build(),
            "SELECT x.id FROM (SELECT * FROM p AS x WHERE (x.o = $1)) AS x JOIN free ON free.id = x.id FOR UPDATE OF free",
            0,
        ),
        // Nothing of it is read, so that who may change but not see may change.
        (Update::table("p").set("up", 1_i32).all_rows().build(), "UPDATE p SET up = $1 WHERE (p.o = $2)", 1),
        (
            Update::table("p").set("up", 1_i32).filter(col("id").eq(2_i32)).build(),
            "UPDATE p SET up = $1 WHERE id = $2 AND (p.o = $3) AND (p.o = $4)",
            1,
        ),
        (
            Update::table("p").set("up", 1_i32).all_rows().returning(all()).build(),
            "UPDATE p SET up = $1 WHERE (p.o = $2) AND (p.o = $3) RETURNING *",
            1,
        ),
        (
            Update::table("p")
                .alias("x")
                .set("up", 1_i32)
                .from("free")
                .filter(col("free.id").eq(1_i32))
                .build(),
            "UPDATE p AS x SET up = $1 FROM free WHERE free.id = $2 AND (x.o = $3)",
            1,
        ),
        (Delete::from("p").all_rows().build(), "DELETE FROM p WHERE (p.o = $1)", 0),
        (
            Delete::from("p")
                .filter(exists(|q| q.from("free").columns(["free.id"]).filter(col("p.id").eq_col("free.id"))))
                .build(),
            "DELETE FROM p WHERE EXISTS (SELECT free.id FROM free WHERE p.id = free.id) AND (p.o = $1) AND (p.o = $2)",
            0,
        ),
    ] {
        let (sql, told) = numbered(statement);
        assert_eq!(sql, expected);
        assert_eq!(told.len(), unchecked, "{sql}");
    }
}
