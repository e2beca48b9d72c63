//! Ways past the rules are found, and each finding says what to do.

use super::{SCHEMA, obey, policy, role, run};
use db_security::access::{Finding, Owner, Policy, Severity, check};
use db_testkit::empty_db;
use sqlx::PgConnection;

pub(super) fn toml(agent: &str, other: &str) -> String {
    format!(
        r#"
        [[roles]]
        name = "{agent}"
        [[roles]]
        name = "{other}"
        [[rules]]
        name = "own"
        roles = ["{agent}"]
        effect = "allow"
        permissions = ["read"]
        table = "items"
        rows = {{ owner = {{ "$subject" = "who" }} }}
        [[rules]]
        name = "links"
        roles = ["{agent}"]
        effect = "allow"
        permissions = ["read"]
        schema = "parts"
        "#
    )
}

pub(super) async fn found(conn: &mut PgConnection, policy: &Policy) -> Vec<(Severity, String)> {
    let findings = check(conn, policy, Owner::Held).await.expect("checked");
    assert!(findings.iter().all(|finding| !finding.remedy().is_empty()));
    findings.iter().map(|finding: &Finding| (finding.severity(), finding.to_string())).collect()
}

#[tokio::test]
async fn ways_past_the_rules_are_found() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        run(
            &mut conn,
            "CREATE SCHEMA parts; CREATE TABLE parts.whole (id int) PARTITION BY LIST (id);
             CREATE TABLE parts.one PARTITION OF parts.whole FOR VALUES IN (1)",
        )
        .await;
        let (agent, other, login) = (role(&db, "a"), role(&db, "b"), role(&db, "l"));
        run(&mut conn, "BEGIN").await;
        let policy = policy(&mut conn, &toml(&agent, &other)).await;
        obey(&mut conn, &policy).await.expect("applied");
        run(&mut conn, &format!("CREATE ROLE {login} LOGIN")).await;
        // The connection of the tests is a superuser's, and the view is there from the start.
        let view = "view public.shown reads public.items with the rights of its owner";
        let at_first = found(&mut conn, &policy).await;
        assert!(matches!(&at_first[..], [(Severity::Error, user), (Severity::Warning, of)]
            if user.contains("is a superuser") && of == view), "{at_first:?}");
        for (by_hand, severity, told) in [
            (
                "GRANT SELECT ON shown TO AGENT",
                Severity::Error,
                "view public.shown shows rows of public.items to AGENT with the rights of its owner, past the conditions of the rules",
            ),
            (
                "CREATE FUNCTION sly(integer) RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
                Severity::Error,
                "function public.sly(integer) runs with the rights of its owner, and PUBLIC may call it without a rule",
            ),
            ("GRANT AGENT, OTHER TO LOGIN", Severity::Warning, "login LOGIN may take any of the roles AGENT, OTHER"),
            (
                "GRANT SELECT ON parts.one TO AGENT",
                Severity::Error,
                "AGENT may reach rows of parts.whole by its child parts.one, past the rules of the table",
            ),
            (
                "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO AGENT",
                Severity::Warning,
                "new TABLES are granted to AGENT by default",
            ),
            ("GRANT CREATE ON SCHEMA public TO AGENT", Severity::Warning, "AGENT may make tables in schema public"),
            ("GRANT OTHER TO AGENT", Severity::Error, "role AGENT is a member of OTHER, and may do what that may"),
            ("ALTER TABLE items DISABLE ROW LEVEL SECURITY", Severity::Error, "row-level security of public.items is off"),
        ] {
            let named = |text: &str| text.replace("AGENT", &agent).replace("OTHER", &other).replace("LOGIN", &login);
            run(&mut conn, "SAVEPOINT before").await;
            run(&mut conn, &named(by_hand)).await;
            let now = found(&mut conn, &policy).await;
            assert!(now.contains(&(severity, named(told))), "{by_hand}: {now:#?}");
            run(&mut conn, "ROLLBACK TO before").await;
        }
        // An owner is held where row-level security is forced, and may still change the policies.
        run(&mut conn, &format!("ALTER TABLE items OWNER TO {login}; SET LOCAL ROLE {login}")).await;
        let owner = found(&mut conn, &policy).await;
        let told = format!("current user {login} owns public.items: it may change its policies and rights");
        assert!(owner.contains(&(Severity::Warning, told)), "{owner:#?}");
        run(&mut conn, "RESET ROLE; ALTER TABLE items NO FORCE ROW LEVEL SECURITY").await;
        run(&mut conn, &format!("SET LOCAL ROLE {login}")).await;
        let free = found(&mut conn, &policy).await;
        let told = format!("current user {login} owns public.items, and row-level security does not hold it");
        assert!(free.contains(&(Severity::Error, told)), "{free:#?}");
        run(&mut conn, "ROLLBACK").await;
    })
    .await;
}

#[tokio::test]
async fn a_function_that_becomes_part_of_a_plan_is_found() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, "CREATE FUNCTION inlined() RETURNS integer LANGUAGE sql AS 'SELECT 1'").await;
        let agent = role(&db, "a");
        run(&mut conn, "BEGIN").await;
        let rules = format!(
            "[[roles]]\nname = \"{agent}\"\n[[rules]]\nname = \"f\"\nroles = [\"{agent}\"]\neffect = \"allow\"\n\
             permissions = [\"execute\"]\nfunction = \"inlined\""
        );
        let policy = policy(&mut conn, &rules).await;
        obey(&mut conn, &policy).await.expect("applied");
        let told = "function public.inlined() is in SQL: a prepared statement that one role ran calls it for the next one too";
        assert!(found(&mut conn, &policy).await.contains(&(Severity::Warning, told.to_owned())));
        run(&mut conn, "ROLLBACK").await;
    })
    .await;
}
