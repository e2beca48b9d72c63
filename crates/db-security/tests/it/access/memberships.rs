//! A login that may become somebody whom no rule holds is held by none.

use super::{
    SCHEMA,
    bypass::{found, toml},
    obey, policy, role, run,
};
use db_security::access::Severity;
use db_testkit::empty_db;

#[tokio::test]
async fn who_may_act_as_one_that_no_rule_holds_is_found() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        run(&mut conn, "CREATE SCHEMA parts; CREATE TABLE parts.whole (id int)").await;
        let (login, boss, between) = (role(&db, "l"), role(&db, "x"), role(&db, "y"));
        run(&mut conn, "BEGIN").await;
        let policy = policy(&mut conn, &toml(&role(&db, "a"), &role(&db, "b"))).await;
        obey(&mut conn, &policy).await.expect("applied");
        run(&mut conn, &format!("CREATE ROLE {login} LOGIN; CREATE ROLE {boss}; CREATE ROLE {between}"))
            .await;
        for (by_hand, told) in [
            ("ALTER ROLE BOSS BYPASSRLS; GRANT BOSS TO LOGIN", Some("BOSS, which has BYPASSRLS")),
            ("ALTER ROLE BOSS SUPERUSER; GRANT BOSS TO LOGIN", Some("BOSS, which is a superuser")),
            (
                "ALTER ROLE BOSS BYPASSRLS; GRANT BOSS TO BETWEEN; GRANT BETWEEN TO LOGIN",
                Some("BOSS, which has BYPASSRLS"),
            ),
            (
                "GRANT pg_read_all_data TO LOGIN",
                Some(
                    "pg_read_all_data, which may read or write all data, or files and programs of the server",
                ),
            ),
            ("GRANT BOSS TO LOGIN", None),
            ("ALTER ROLE BOSS BYPASSRLS; GRANT LOGIN TO BOSS", None),
        ] {
            let named = |text: &str| {
                text.replace("BOSS", &boss).replace("BETWEEN", &between).replace("LOGIN", &login)
            };
            run(&mut conn, "SAVEPOINT before").await;
            run(&mut conn, &named(by_hand)).await;
            run(&mut conn, &format!("SET LOCAL ROLE {login}")).await;
            let now = found(&mut conn, &policy).await;
            match told {
                Some(told) => {
                    let told =
                        format!("current user {login} may act as {} and is held to no rule", named(told));
                    assert!(now.contains(&(Severity::Error, told)), "{by_hand}: {now:#?}");
                }
                None => {
                    assert!(now.iter().all(|(_, text)| !text.contains("may act as")), "{by_hand}: {now:#?}");
                }
            }
            run(&mut conn, "ROLLBACK TO before").await;
        }
        run(&mut conn, "ROLLBACK").await;
    })
    .await;
}
