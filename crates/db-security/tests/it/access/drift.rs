//! Differences between rules and database are found, and what is not ours is left alone.

use super::{SCHEMA, obey, policy, role, run};
use db_security::access::{Actual, Error, Foreign, Owner, Policy, apply, compile, diff, plan};
use db_testkit::{FreshDb, empty_db};
use sqlx::PgConnection;
use std::time::Duration;

fn toml(agent: &str) -> String {
    format!(
        r#"
        [[roles]]
        name = "{agent}"
        description = "it's an agent's"
        [[rules]]
        name = "own"
        roles = ["{agent}"]
        effect = "allow"
        permissions = ["read", "write"]
        table = "items"
        rows = {{ owner = {{ "$subject" = "who" }} }}
        [[rules]]
        name = "links"
        roles = ["{agent}"]
        effect = "allow"
        permissions = ["read"]
        table = "links"
        columns = ["id", "kind"]
        [[rules]]
        name = "twice"
        roles = ["{agent}"]
        effect = "allow"
        permissions = ["execute"]
        function = "twice"
        "#
    )
}

async fn differences(conn: &mut PgConnection, policy: &Policy) -> Vec<String> {
    let actual = Actual::read(conn, policy).await.expect("read");
    diff(&compile(policy, Owner::Held), &actual).iter().map(ToString::to_string).collect()
}

/// Applies the rules, does something by hand, and looks at what is told of it and after it was mended.
async fn check(db: &FreshDb, by_hand: &str, foreign: Foreign, told: &[&str], left: &[&str]) {
    let mut conn = db.connect().await;
    let agent = role(db, "a");
    run(&mut conn, "BEGIN").await;
    let policy = policy(&mut conn, &toml(&agent)).await;
    obey(&mut conn, &policy).await.expect("applied");
    assert_eq!(differences(&mut conn, &policy).await, [""; 0], "what was applied is no difference");
    run(&mut conn, &by_hand.replace("AGENT", &agent)).await;
    let named = |texts: &[&str]| texts.iter().map(|text| text.replace("AGENT", &agent)).collect::<Vec<_>>();
    assert_eq!(differences(&mut conn, &policy).await, named(told), "{by_hand}");
    let actual = Actual::read(&mut conn, &policy).await.expect("read");
    let steps = plan(&diff(&compile(&policy, Owner::Held), &actual), foreign).expect("a plan");
    apply(&mut conn, &steps, Duration::from_secs(5)).await.expect("applied");
    assert_eq!(differences(&mut conn, &policy).await, named(left), "after {by_hand}");
    run(&mut conn, "ROLLBACK").await;
}

#[tokio::test]
async fn what_is_missing_or_changed_is_told_and_mended() {
    empty_db(|db| async move {
        run(&mut db.connect().await, SCHEMA).await;
        for (by_hand, told) in [
            ("REVOKE SELECT ON items FROM AGENT", "missing: SELECT on table public.items to AGENT"),
            (
                "GRANT SELECT (item) ON links TO AGENT",
                "no rule gives SELECT on column item of public.links to AGENT",
            ),
            // PostgreSQL takes rights to columns back with one to their table; they are given again.
            ("GRANT SELECT ON links TO AGENT", "no rule gives SELECT on table public.links to AGENT"),
            ("GRANT DELETE ON items TO AGENT", "no rule gives DELETE on table public.items to AGENT"),
            (
                "GRANT SELECT ON items TO AGENT WITH GRANT OPTION",
                "it may be passed on: SELECT on table public.items to AGENT",
            ),
            (
                "GRANT EXECUTE ON FUNCTION twice(integer) TO PUBLIC",
                "no rule gives EXECUTE on function public.twice(integer) to PUBLIC",
            ),
            ("ALTER TABLE items DISABLE ROW LEVEL SECURITY", "row-level security of public.items is off"),
            (
                "ALTER TABLE items NO FORCE ROW LEVEL SECURITY",
                "row-level security of public.items does not hold its owner",
            ),
            ("DROP POLICY cairn_own_select ON items", "policy cairn_own_select of public.items is missing"),
            (
                "ALTER POLICY cairn_own_select ON items USING (true)",
                "policy cairn_own_select of public.items was changed by hand",
            ),
            (
                "ALTER POLICY cairn_own_update ON items WITH CHECK (true)",
                "policy cairn_own_update of public.items was changed by hand",
            ),
            (
                "ALTER POLICY cairn_own_select ON items TO PUBLIC",
                "policy cairn_own_select of public.items was changed by hand",
            ),
            (
                "COMMENT ON POLICY cairn_own_select ON items IS NULL",
                "policy cairn_own_select of public.items is of a rule as it was",
            ),
        ] {
            check(&db, by_hand, Foreign::Keep, &[told], &[]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_ours_goes_only_when_told() {
    empty_db(|db| async move {
        run(&mut db.connect().await, SCHEMA).await;
        for (by_hand, told) in [
            ("GRANT SELECT ON items TO PUBLIC", "no rule gives SELECT on table public.items to PUBLIC"),
            (
                "CREATE POLICY open ON items USING (true)",
                "policy open of public.items is not ours and shows more rows",
            ),
        ] {
            check(&db, by_hand, Foreign::Keep, &[told], &[told]).await;
            check(&db, by_hand, Foreign::Revoke, &[told], &[]).await;
        }
        // What only hides is never taken away.
        let by_hand = "CREATE POLICY narrow ON items AS RESTRICTIVE USING (true)";
        let told = "policy narrow of public.items is not ours and hides rows";
        check(&db, by_hand, Foreign::Revoke, &[told], &[told]).await;
    })
    .await;
}

#[tokio::test]
async fn rules_that_are_gone_take_their_rights_along() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        let agent = role(&db, "a");
        run(&mut conn, "BEGIN").await;
        let before = policy(&mut conn, &toml(&agent)).await;
        obey(&mut conn, &before).await.expect("applied");
        let after = policy(&mut conn, &format!("[[roles]]\nname = \"{agent}\"")).await;
        assert!(differences(&mut conn, &after).await.len() > 5);
        obey(&mut conn, &after).await.expect("applied");
        assert_eq!(differences(&mut conn, &after).await, [""; 0]);
        let (has, on): (bool, bool) = sqlx::query_as(
            "SELECT has_table_privilege($1, 'items', 'SELECT, INSERT, UPDATE'), relrowsecurity
             FROM pg_class WHERE oid = 'items'::regclass",
        )
        .bind(&agent)
        .fetch_one(&mut conn)
        .await
        .expect("an answer");
        assert!(!has && !on);
        run(&mut conn, "ROLLBACK").await;
    })
    .await;
}

#[tokio::test]
async fn roles_that_no_rule_would_hold_are_refused() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        let agent = role(&db, "a");
        for (made, why) in [
            (format!("CREATE ROLE {agent} SUPERUSER"), "is a superuser"),
            (format!("CREATE ROLE {agent} BYPASSRLS"), "has BYPASSRLS"),
            (format!("CREATE ROLE {agent} CREATEROLE"), "has CREATEROLE"),
            (format!("CREATE ROLE {agent}; ALTER TABLE items OWNER TO {agent}"), "owns public.items"),
        ] {
            run(&mut conn, "BEGIN").await;
            run(&mut conn, &made).await;
            let policy = policy(&mut conn, &toml(&agent)).await;
            match obey(&mut conn, &policy).await {
                Err(Error::UnsafeRole { role, why: told }) => {
                    assert_eq!((role, told.as_str()), (agent.clone(), why));
                }
                other => panic!("{made}: {other:?}"),
            }
            run(&mut conn, "ROLLBACK").await;
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_done_outside_a_transaction_or_behind_a_lock() {
    empty_db(|db| async move {
        let (mut conn, mut other) = (db.connect().await, db.connect().await);
        run(&mut conn, SCHEMA).await;
        let agent = role(&db, "a");
        let policy = policy(&mut conn, &toml(&agent)).await;
        let error = obey(&mut conn, &policy).await.expect_err("no transaction");
        assert!(matches!(error, Error::NoTransaction), "{error}");
        let actual = Actual::read(&mut conn, &policy).await.expect("read");
        let steps = plan(&diff(&compile(&policy, Owner::Held), &actual), Foreign::Keep).expect("a plan");
        assert!(steps[0].sql().starts_with("CREATE ROLE"), "the role was not made");
        run(&mut other, "BEGIN; LOCK TABLE items IN ACCESS SHARE MODE").await;
        run(&mut conn, "BEGIN").await;
        let error = apply(&mut conn, &steps, Duration::from_millis(50)).await.expect_err("locked");
        assert_eq!(db_core::Classify::retry(&error), db_core::Retry::Safe, "{error:?}");
        run(&mut conn, "ROLLBACK").await;
        run(&mut other, "ROLLBACK").await;
        run(&mut conn, "BEGIN; SET LOCAL lock_timeout = '7s'; SET LOCAL search_path = public, pg_catalog")
            .await;
        apply(&mut conn, &steps, Duration::from_millis(50)).await.expect("applied");
        let left: (String, String) =
            sqlx::query_as("SELECT current_setting('lock_timeout'), current_setting('search_path')")
                .fetch_one(&mut conn)
                .await
                .expect("settings");
        assert_eq!(left, ("7s".to_owned(), "public, pg_catalog".to_owned()));
        run(&mut conn, "ROLLBACK").await;
    })
    .await;
}
