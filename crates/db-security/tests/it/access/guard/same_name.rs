//! A rule for a function of one's own lets nobody call PostgreSQL's function of that name.

use super::{Place, no_values, refused_by_rules, who};
use db_security::access::{Mode, Refusal};
use db_testkit::empty_db;

#[tokio::test]
async fn a_name_stands_for_all_functions_that_have_it() {
    empty_db(|db| async move {
        let functions = ["set_config", "nextval", "pg_read_file", "lower"];
        let made = functions.map(|name| {
            format!("CREATE FUNCTION public.{name}(numbers int8[]) RETURNS int8 LANGUAGE plpgsql AS 'BEGIN RETURN 7; END'")
        });
        let rules = functions.map(|name| {
            format!(
                "[[rules]]\nname = \"{name}\"\nroles = [\"AGENT\"]\neffect = \"allow\"\npermissions = [\"execute\"]\n\
                 function = \"public.{name}\"\n"
            )
        });
        let place = Place::with_rules(&db, &made.join("; "), &rules.concat()).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        let ann = who(&guard, &place, "ann");
        let mut tx = ann.begin().await.expect("begun");
        for text in [
            "SELECT set_config('cairn.subject.who', 'bob', true)",
            "SELECT pg_catalog.set_config('cairn.subject.who', 'bob', true)",
            "SELECT nextval('links_id_seq')",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT set_config(ARRAY[1::int8])",
        ] {
            let error = tx.run_sql(text, no_values()).none().await.expect_err(text);
            assert!(matches!(refused_by_rules(&error), Refusal::Sly { .. }), "{text}: {error}");
        }
        for text in ["SELECT public.set_config(ARRAY[1::int8])", "SELECT lower(ARRAY[1::int8])"] {
            assert_eq!(tx.run_sql(text, no_values()).scalar::<i64>().await.expect(text), 7);
        }
        tx.run_sql("SELECT lower('A')", no_values()).none().await.expect("both may be called");
        tx.rollback().await.expect("undone");
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}
