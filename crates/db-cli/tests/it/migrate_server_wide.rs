//! What acts on the whole server is refused by its file and line, until somebody says that it may.

use crate::{expect, folder, migrate, write};
use db_testkit::empty_db;

#[tokio::test]
async fn a_switch_lets_it_run() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        let role = format!("r{}", &fresh.name()[fresh.name().len() - 16..]);
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        write(folder.path(), "m/0002_b/up.sql", format!("-- Who reads.\nCREATE ROLE {role};"));
        write(folder.path(), "m/0002_b/down.sql", format!("DROP ROLE {role};"));
        write(folder.path(), "m/0001_a/down.sql", "DROP TABLE a;");
        let refused = format!("0002_b/up.sql:2: CREATE ROLE {role} acts on the whole server");
        for command in [
            ["verify"].as_slice(),
            &["snapshot", "--from-migrations"],
            &["up", "--dry-run", "--on", "copy"],
            &["squash", "all"],
        ] {
            expect(&at(command), 1, &refused);
        }
        expect(&at(&["up", "--dry-run"]), 0, "2 migrations went well; nothing was changed");
        let dropping = format!("DROP ROLE IF EXISTS {role}");
        for command in
            [["verify"].as_slice(), &["snapshot", "--from-migrations"], &["up", "--dry-run", "--on", "copy"]]
        {
            let answer = at(&[command, &["--allow-server-wide"]].concat());
            sqlx::raw_sql(sqlx::AssertSqlSafe(dropping.clone()))
                .execute(&mut fresh.connect().await)
                .await
                .expect("dropped");
            assert_eq!(answer.code, Some(0), "{answer:?}");
        }
    })
    .await;
}
