//! A view over a view shows what that shows, with the rights of an owner.

use super::{
    SCHEMA,
    bypass::{found, toml},
    obey, policy, role, run,
};
use db_security::access::Severity;
use db_testkit::empty_db;

const VIEWS: &str = "
    CREATE VIEW low AS SELECT * FROM items;
    CREATE VIEW high AS SELECT * FROM low;
    CREATE VIEW higher WITH (security_invoker = true) AS SELECT * FROM high;
    CREATE VIEW own WITH (security_invoker = true) AS SELECT * FROM items;
    CREATE VIEW over_own AS SELECT * FROM own;
    CREATE MATERIALIZED VIEW kept AS SELECT * FROM high";

#[tokio::test]
async fn a_view_is_found_however_many_are_beneath_it() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        run(&mut conn, "CREATE SCHEMA parts; CREATE TABLE parts.whole (id int)").await;
        run(&mut conn, VIEWS).await;
        let agent = role(&db, "a");
        run(&mut conn, "BEGIN").await;
        let policy = policy(&mut conn, &toml(&agent, &role(&db, "b"))).await;
        obey(&mut conn, &policy).await.expect("applied");
        for (view, grant, is_past) in [
            ("low", "SELECT ON low", true),
            ("high", "SELECT ON high", true),
            ("high", "SELECT (id) ON high", true),
            ("kept", "SELECT ON kept", true),
            ("over_own", "SELECT ON over_own", true),
            // They ask for the rights of whoever reads them.
            ("higher", "SELECT ON higher", false),
            ("own", "SELECT ON own", false),
        ] {
            run(&mut conn, "SAVEPOINT before").await;
            run(&mut conn, &format!("GRANT {grant} TO {agent}")).await;
            let told = format!(
                "view public.{view} shows rows of public.items to {agent} with the rights of its owner, past the \
                 conditions of the rules"
            );
            let now = found(&mut conn, &policy).await;
            assert_eq!(now.contains(&(Severity::Error, told)), is_past, "{grant}: {now:#?}");
            run(&mut conn, "ROLLBACK TO before").await;
        }
        run(&mut conn, "ROLLBACK").await;
    })
    .await;
}
