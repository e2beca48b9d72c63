//! What somebody has set in their transaction for longer than it lasts is not there for the next.

use super::{Place, no_values, who};
use db_pool::TransactionOptions;
use db_security::access::{GuardError, Mode};
use db_testkit::empty_db;

/// All that says who asks and what names mean.
const SESSION: &str =
    "SELECT concat_ws('/', current_user, nullif(current_setting('cairn.subject.who', true), ''),
    nullif(current_setting('cairn.subject.more', true), ''), nullif(current_setting('cairn.actor', true), ''),
    current_setting('search_path'))";

#[tokio::test]
async fn a_session_is_nobodys_again_after_a_transaction() {
    empty_db(|db| async move {
        let place = Place::with_rules(
            &db,
            "CREATE FUNCTION stay(agent text) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM set_config('role', agent, false), set_config('cairn.subject.who', 'bob', false),
                         set_config('cairn.subject.more', 'x', false), set_config('search_path', 'pg_temp', false);
                 RETURN 1; END $$",
            "[[rules]]\nname = \"stay\"\nroles = [\"AGENT\"]\neffect = \"allow\"\npermissions = [\"execute\"]\nfunction = \"stay\"",
        )
        .await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        let session = async || sqlx::query_scalar::<_, String>(SESSION).fetch_one(&pool).await.expect("asked");
        let before = session().await;
        assert!(before.starts_with(&place.login) && before.ends_with("public"), "{before}");
        let ann = who(&guard, &place, "ann");
        let call = format!("SELECT stay('{}')", place.agent);

        let mut tx = ann.begin().await.expect("begun");
        tx.run_sql(&call, no_values()).none().await.expect("by a rule");
        tx.commit().await.expect("committed");
        assert_eq!(session().await, before, "after a commit");
        let done = ann
            .transaction(&TransactionOptions::new(), async |tx| {
                tx.run_sql(&call, no_values()).none().await?;
                Ok::<_, GuardError>(())
            })
            .await;
        done.expect("committed");
        assert_eq!(session().await, before, "after a closure");
        ann.run_sql(&call, no_values()).none().await.expect("by a rule");
        assert_eq!(session().await, before, "after a statement");
        assert_eq!(pool.stats().opens, 1, "it is one session");

        // The next subject gives no such attribute, and does not get the one before's.
        let mut tx = ann.begin().await.expect("begun");
        tx.run_sql(&call, no_values()).none().await.expect("by a rule");
        tx.commit().await.expect("committed");
        let mut tx = who(&guard, &place, "ann").begin().await.expect("begun");
        let told: String = tx.run_sql(SESSION, no_values()).scalar().await.expect("asked");
        assert!(told.starts_with(&place.agent) && told.contains("/ann/ann/") && told.ends_with("public"), "{told}");
        tx.rollback().await.expect("undone");
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}
