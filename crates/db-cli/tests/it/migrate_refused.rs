//! Servers that take no changes, and roles that may make none: one clear error, and nothing was changed.

use crate::{Answer, db, expect, folder, migrate, write};
use db_testkit::empty_db;
use sqlx::{AssertSqlSafe, PgConnection};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

async fn execute(conn: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.expect("the test's own SQL works");
}

async fn tables(conn: &mut PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    sqlx::query_scalar(sql).fetch_one(conn).await.expect("counted")
}

#[tokio::test]
async fn a_database_that_is_read_only() {
    empty_db(|fresh| async move {
        let folder = folder();
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        let mut conn = fresh.connect().await;
        execute(
            &mut conn,
            format!("ALTER DATABASE \"{}\" SET default_transaction_read_only = on", fresh.name()),
        )
        .await;
        for action in ["up", "recover", "repair", "adopt"] {
            expect(
                &migrate(fresh.url(), folder.path(), "m", &[action]),
                1,
                "default_transaction_read_only is on for this role or database",
            );
        }
        expect(&migrate(fresh.url(), folder.path(), "m", &["status"]), 3, "pending  0001_a");
        assert_eq!(tables(&mut conn).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_role_without_the_privilege() {
    empty_db(|fresh| async move {
        let folder = folder();
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        write(folder.path(), "m/0002_b/up.sql", "ALTER TABLE owned ADD COLUMN more int;");
        let mut conn = fresh.connect().await;
        let role = format!("r{}", &fresh.name()[fresh.name().len() - 16..]);
        execute(&mut conn, format!("CREATE ROLE {role}; CREATE TABLE owned (id int)")).await;
        execute(&mut conn, format!("ALTER DATABASE \"{}\" SET role = '{role}'", fresh.name())).await;
        expect(
            &migrate(fresh.url(), folder.path(), "m", &["up"]),
            1,
            "permission denied for schema public",
        );
        assert_eq!(tables(&mut conn).await, 1);

        execute(&mut conn, format!("GRANT CREATE ON SCHEMA public TO {role}")).await;
        let answer = migrate(fresh.url(), folder.path(), "m", &["up"]);
        expect(&answer, 1, "0002_b/up.sql:1: statement 1 (ALTER TABLE owned ADD COLUMN) failed: must be owner of table owned");
        expect(&answer, 1, "run as the owner, or have the privilege granted");
        expect(&migrate(fresh.url(), folder.path(), "m", &["status"]), 3, "applied  0001_a");
        execute(&mut conn, format!("ALTER DATABASE \"{}\" RESET role; DROP OWNED BY {role}", fresh.name())).await;
        execute(&mut conn, format!("DROP ROLE {role}")).await;
    })
    .await;
}

#[test]
fn a_standby() {
    let folder = folder();
    let at = |arguments: &[&str]| -> Answer {
        let arguments = ["migrate"].iter().chain(arguments).chain(&["--dir", "m"]).copied();
        db(folder.path(), arguments).output().expect("the binary runs").into()
    };
    write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
    expect(&at(&["up"]), 0, "1 migration applied");
    // A server that finds this file when it starts replays what a primary sends, and takes no changes of its own.
    let data = folder.path().join(".db/postgres");
    let signal = data.join("standby.signal");
    fs::write(&signal, "").expect("written");
    let owner = fs::metadata(data.join("PG_VERSION")).expect("the server's own file");
    chown(&signal, Some(owner.uid()), Some(owner.gid())).expect("given to the server's user");
    write(folder.path(), "m/0002_b/up.sql", "CREATE TABLE b (id int);");
    expect(&at(&["up"]), 1, "it is a standby; migrate the primary");
    expect(&at(&["status"]), 3, "pending  0002_b");
}
