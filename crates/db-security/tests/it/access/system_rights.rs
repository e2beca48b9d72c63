//! Rights to what is PostgreSQL's own are no drift from the rules, and let past them all the same.

use super::{
    SCHEMA,
    bypass::{found, toml},
    obey, policy, role, run,
};
use db_security::access::Severity;
use db_testkit::empty_db;

#[tokio::test]
async fn rights_that_postgresql_does_not_give_are_found() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        run(&mut conn, "CREATE SCHEMA parts; CREATE TABLE parts.whole (id int)").await;
        let agent = role(&db, "a");
        run(&mut conn, "BEGIN").await;
        let policy = policy(&mut conn, &toml(&agent, &role(&db, "b"))).await;
        obey(&mut conn, &policy).await.expect("applied");
        let told =
            |role: &str, right: &str| format!("{role} has {right}, which PostgreSQL gives nobody by itself");
        let at_first = found(&mut conn, &policy).await;
        assert!(at_first.iter().all(|(_, text)| !text.contains("gives nobody")), "{at_first:#?}");
        for (by_hand, severity, expected) in [
            (
                "SELECT ON pg_authid TO AGENT",
                Severity::Error,
                told("AGENT", "SELECT on pg_catalog.pg_authid"),
            ),
            (
                "SELECT (rolpassword) ON pg_authid TO AGENT",
                Severity::Error,
                told("AGENT", "SELECT on pg_catalog.pg_authid.rolpassword"),
            ),
            (
                "EXECUTE ON FUNCTION pg_read_file(text) TO AGENT",
                Severity::Error,
                told("AGENT", "EXECUTE on pg_catalog.pg_read_file(text)"),
            ),
            (
                "EXECUTE ON FUNCTION pg_ls_dir(text) TO PUBLIC",
                Severity::Error,
                told("PUBLIC", "EXECUTE on pg_catalog.pg_ls_dir(text)"),
            ),
            (
                "UPDATE ON pg_class TO PUBLIC",
                Severity::Error,
                told("PUBLIC", "UPDATE on pg_catalog.pg_class"),
            ),
            (
                &format!("CREATE ON DATABASE {} TO AGENT", db.name()),
                Severity::Warning,
                format!("AGENT may make schemas in database {}", db.name()),
            ),
        ] {
            run(&mut conn, "SAVEPOINT before").await;
            run(&mut conn, &format!("GRANT {}", by_hand.replace("AGENT", &agent))).await;
            let now = found(&mut conn, &policy).await;
            assert!(now.contains(&(severity, expected.replace("AGENT", &agent))), "{by_hand}: {now:#?}");
            run(&mut conn, "ROLLBACK TO before").await;
        }
        run(&mut conn, "ROLLBACK").await;
    })
    .await;
}
