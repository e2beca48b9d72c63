//! Files of Flyway's that ask for the session's user and database.

use crate::{db, expect, folder, migrate, run, write};
use db_testkit::empty_db;

const SQL: &str = "CREATE TABLE a AS SELECT '${flyway:user}' AS who, '${flyway:database}' AS base;";

#[tokio::test]
async fn user_and_database_are_those_of_the_configuration() {
    empty_db(|fresh| async move {
        let folder = folder();
        write(folder.path(), "m/V1.0__a.sql", SQL);
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        expect(&at(&["validate"]), 0, "1 flyway migrations can be used");
        expect(&at(&["up", "--set", "flyway:user=ann"]), 0, "1 migration applied");
        let mut conn = fresh.connect().await;
        let found: (String, bool) = sqlx::query_as("SELECT who, base = current_database() FROM a")
            .fetch_one(&mut conn)
            .await
            .expect("a row");
        assert_eq!(found, ("ann".to_owned(), true), "what is set has its way");
        sqlx::raw_sql("DROP TABLE a; DROP TABLE db_migrations").execute(&mut conn).await.expect("dropped");
        expect(&at(&["up"]), 0, "1 migration applied");
        let same: bool =
            sqlx::query_scalar("SELECT who = current_user FROM a").fetch_one(&mut conn).await.expect("a row");
        assert!(same);
    })
    .await;
}

#[test]
fn without_a_configuration_they_have_no_value() {
    let folder = folder();
    write(folder.path(), "m/V1.0__a.sql", SQL);
    let missing = run(folder.path(), &["migrate", "validate", "--dir", "m"]);
    expect(&missing, 3, "${flyway:user} has no value: set it with --set flyway:user=VALUE");
    expect(&missing, 3, "${flyway:database} has no value: set it with --set flyway:database=VALUE");
    // What is wrong with the configuration is not what is asked about.
    let wrong =
        db(folder.path(), ["migrate", "validate", "--dir", "m"]).env("DATABASE_URL", "nowhere").output();
    expect(&wrong.expect("the binary runs").into(), 3, "${flyway:user} has no value");
}
