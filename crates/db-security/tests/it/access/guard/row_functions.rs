//! A function that is called by a name behind a dot is refused like one that is called with parentheses.

use super::{Place, no_values, refused_by_rules, run, who};
use db_query::{Select, func, rows_of, subquery, value};
use db_security::access::{GuardError, Mode, Refusal};
use db_testkit::empty_db;

/// Runs a text as the subject in place of its own, or as another role, where it is called.
fn sly(sets: &str) -> String {
    format!("SELECT q.ts_stat::text FROM unnest(ARRAY['SELECT {}::tsvector']) q", sets.replace('\'', "''"))
}

#[tokio::test]
async fn a_text_gets_to_no_function_by_a_row() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let spies = "CREATE FUNCTION spy(items) RETURNS int8 LANGUAGE plpgsql SECURITY DEFINER AS
                'BEGIN RETURN (SELECT count(*) FROM public.items); END';
             CREATE FUNCTION look(anyelement) RETURNS int8 LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'";
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        // Everybody may call them: only the guard is in the way.
        run(&mut db.connect().await, spies).await;
        let ann = who(&guard, &place, "ann");
        let mut tx = ann.begin().await.expect("begun");
        for text in [
            &*sly("set_config('cairn.subject.who', 'bob', true)"),
            &sly("set_config('role', 'none', true)"),
            &sly("to_tsvector('simple', kind) FROM links"),
            "SELECT i.id FROM (SELECT q.ts_stat::text AS x FROM unnest(ARRAY['SELECT 1']) q) s
                 LEFT JOIN items i ON s.x IS NOT NULL",
            "SELECT q.nextval FROM unnest(ARRAY['links_id_seq'::regclass]) q",
            "SELECT q.lo_create FROM unnest(ARRAY[0::oid]) q",
            "SELECT items.spy FROM items",
            "SELECT i.spy FROM items AS i",
            "SELECT s.spy FROM (SELECT * FROM items) AS s",
            "SELECT id FROM items ORDER BY items.look",
            "WITH s AS (SELECT id FROM items) SELECT s.look FROM s",
            "UPDATE items SET note = items.look::text RETURNING id",
        ] {
            let error = tx.run_sql(text, no_values()).all::<(i64,)>().await.expect_err(text);
            assert!(
                matches!(error, GuardError::Refused(_) | GuardError::NotUnderstood(_)),
                "{text}: {error:?}"
            );
        }
        let seen: Vec<(String,)> =
            tx.run_sql("SELECT DISTINCT owner FROM items", no_values()).all().await.expect("hers");
        assert_eq!(seen, [("ann".to_owned(),)]);
        for text in [
            "SELECT items.id FROM items",
            "SELECT s.id FROM (SELECT * FROM items) AS s",
            "SELECT s.n FROM (SELECT count(*) AS n FROM items) AS s",
            "WITH RECURSIVE s (n) AS (SELECT 1::int8 UNION ALL SELECT s.n + 1 FROM s WHERE s.n < 3) SELECT s.n FROM s",
            "SELECT q.v::int8 FROM unnest(ARRAY[1, 2]) AS q (v)",
        ] {
            tx.run_sql(text, no_values()).all::<(i64,)>().await.expect(text);
        }
        tx.rollback().await.expect("undone");
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn a_built_statement_gets_to_no_function_by_a_row() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        let ann = who(&guard, &place, "ann");
        let texts = || func("unnest", value(vec!["SELECT 1".to_owned()]));
        for (case, built) in [
            ("a table's", Select::from("items").columns(["items.spy"]).build()),
            (
                "a subquery's",
                Select::from(subquery("s", |q| q.from("items").columns(["id"])))
                    .columns(["s.nextval"])
                    .build(),
            ),
            (
                "a star's",
                Select::from(subquery("s", |q| q.from("items").columns(db_query::all())))
                    .columns(["s.spy"])
                    .build(),
            ),
            ("a value's", Select::from(rows_of(texts(), "q", &[])).columns(["q.ts_stat"]).build()),
            ("another's", Select::from(rows_of(texts(), "q", &["v"])).columns(["q.ts_stat"]).build()),
            (
                "of a with",
                Select::from("s").columns(["s.look"]).with("s", |q| q.from("items").columns(["id"])).build(),
            ),
        ] {
            let error = ann.run(built.expect(case)).all::<(i64,)>().await.expect_err(case);
            assert!(matches!(refused_by_rules(&error), Refusal::NoColumn { .. }), "{case}: {error}");
            assert!(error.to_string().contains("may be a function"), "{error}");
        }
        for (case, built) in [
            ("a table's", Select::from("items").columns(["items.id"]).build()),
            (
                "a subquery's",
                Select::from(subquery("s", |q| q.from("items").columns(["id"]))).columns(["s.id"]).build(),
            ),
            (
                "a star's",
                Select::from(subquery("s", |q| q.from("items").columns(db_query::all())))
                    .columns(["s.id"])
                    .build(),
            ),
            (
                "a value's",
                Select::from(rows_of(func("generate_series", (value(1_i64), value(2_i64))), "q", &["v"]))
                    .columns(["q.v"])
                    .build(),
            ),
            (
                "a union's",
                Select::from("s")
                    .columns(["s.id"])
                    .with("s", |q| q.from("items").columns(["id"]).union(|q| q.from("items").columns(["id"])))
                    .build(),
            ),
        ] {
            let run = ann.run(built.expect(case)).all::<(i64,)>().await;
            run.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        }
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}
