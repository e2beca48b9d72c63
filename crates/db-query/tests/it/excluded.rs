//! What ON CONFLICT DO UPDATE takes from the row that was to be inserted needs the right to read it, and that is told.

use db_query::{Access, Columns, Insert, OnConflict, Statement, Touch, col, constant, excluded, now, scalar};
use db_testkit::fresh_db;
use sqlx::{AssertSqlSafe, Executor, PgConnection};

async fn run(conn: &mut PgConnection, sql: &str) {
    conn.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn upsert(conflict: impl db_query::Conflict) -> Statement {
    let insert = Insert::into("pairs", &["id", "a", "b"]).row(|row| {
        row.value(1_i32).value("x").value("y");
    });
    insert.on_conflict(conflict).build().expect("valid")
}

fn read(touches: &[Touch]) -> Vec<String> {
    let mut read = touches.iter().filter(|touch| touch.table == "pairs" && touch.access == Access::Read);
    match read.next().map(|touch| &touch.columns) {
        Some(Columns::Named(names)) => names.iter().cloned().collect(),
        other => panic!("{other:?}"),
    }
}

/// Gives a role the rights that are told, but for the right to read one column, and runs the statement as it.
async fn run_without(conn: &mut PgConnection, statement: &Statement, without: &str) -> Option<String> {
    run(conn, "BEGIN; CREATE ROLE cairn_excluded; GRANT SELECT ON others TO cairn_excluded").await;
    for touch in statement.touches().iter().filter(|touch| touch.table == "pairs") {
        let right = match touch.access {
            Access::Read => "SELECT",
            Access::Insert => "INSERT",
            _ => "UPDATE",
        };
        let Columns::Named(names) = &touch.columns else { panic!("{touch:?}") };
        for column in names.iter().filter(|column| right != "SELECT" || *column != without) {
            run(conn, &format!("GRANT {right} ({column}) ON pairs TO cairn_excluded")).await;
        }
    }
    run(conn, "SET LOCAL ROLE cairn_excluded").await;
    let outcome = conn.execute(statement.clone()).await;
    // The role is gone with the transaction: no other test ever sees it.
    run(conn, "ROLLBACK").await;
    outcome.err().and_then(|error| Some(error.as_database_error()?.code()?.into_owned()))
}

#[tokio::test]
async fn what_is_taken_from_excluded_is_read() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        run(
            &mut conn,
            "CREATE TABLE pairs (id int PRIMARY KEY, a text, b text, at timestamptz); CREATE TABLE others (a text)",
        )
        .await;
        let on = || OnConflict::columns(&["id"]);
        for (statement, expected) in [
            (upsert(on().update(&["a"])), &["a", "id"][..]),
            (
                upsert(on().set(|sets| {
                    sets.set_excluded("b").set_expr("at", now());
                })),
                &["b", "id"],
            ),
            (
                upsert(
                    on().set(|sets| {
                        sets.set("a", "n");
                    })
                    .filter(excluded("b").ne("z")),
                ),
                &["b", "id"],
            ),
            (
                upsert(on().set(|sets| {
                    let other = scalar(|q| {
                        q.from("others").columns(col("a")).filter(col("excluded.b").eq_col("others.a"))
                    });
                    sets.set_expr("a", other);
                })),
                // A bare name may be of the table around the subquery too.
                &["a", "b", "id"],
            ),
        ] {
            let named = read(&statement.touches());
            assert_eq!(named, expected, "{}", statement.sql());
            assert_eq!(run_without(&mut conn, &statement, "").await, None, "{}", statement.sql());
            let b = if named.contains(&"b".to_owned()) { "b" } else { "a" };
            let refused = run_without(&mut conn, &statement, b).await;
            assert_eq!(refused.as_deref(), Some("42501"), "without {b}: {}", statement.sql());
        }
        let nothing = upsert(on().do_nothing());
        assert_eq!(read(&nothing.touches()), ["id"]);
        let of_none = upsert(on().set(|sets| {
            sets.set_expr("a", constant("n"));
        }));
        assert_eq!(read(&of_none.touches()), ["id"]);
    })
    .await;
}
