//! `db migrate` as a deployer uses it.

use crate::{expect, folder, migrate, run, write};
use db_testkit::empty_db;

#[tokio::test]
async fn goes_there_and_back() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        for (number, table) in [(1, "a"), (2, "b"), (3, "c")] {
            write(
                folder.path(),
                &format!("m/000{number}_{table}/up.sql"),
                format!("CREATE TABLE {table} (id int);"),
            );
            write(folder.path(), &format!("m/000{number}_{table}/down.sql"), format!("DROP TABLE {table};"));
        }
        expect(&at(&["plan"]), 3, "to apply  0003_c (new)");
        expect(&at(&["up", "--dry-run"]), 0, "3 migrations went well; nothing was changed");
        expect(&at(&["up", "--count", "1"]), 0, "1 migration applied");
        expect(&at(&["to", "2"]), 0, "1 migration applied");
        expect(&at(&["up"]), 0, "1 migration applied");
        expect(&at(&["plan"]), 0, "nothing to apply");
        expect(&at(&["down"]), 2, "--yes");
        expect(&at(&["down", "--dry-run"]), 0, "0003_c/down.sql:1  DROP TABLE c");
        expect(&at(&["down", "--yes"]), 0, "1 migration reverted");
        expect(&at(&["to", "0001_a", "--yes"]), 0, "1 migration reverted");
        let status = at(&["status", "--json"]);
        assert_eq!(status.code, Some(3), "{status:?}");
        assert_eq!(status.json()["applied"], serde_json::json!(["0001_a"]));
        assert_eq!(status.json()["pending"], serde_json::json!(["0002_b", "0003_c"]));
        expect(&at(&["down", "--all", "--yes"]), 0, "1 migration reverted");
        expect(&at(&["to", "9"]), 1, "there is no migration \"9\"");
    })
    .await;
}

#[tokio::test]
async fn what_is_half_applied_is_recovered() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        let up = "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1);\n\
                  CREATE UNIQUE INDEX CONCURRENTLY a_key ON a (id);";
        write(folder.path(), "m/0001_a/up.sql", up);
        expect(&at(&["up"]), 1, "db migrate recover");
        expect(&at(&["up"]), 1, "0001_a is half applied");
        expect(&at(&["recover"]), 1, "Key (id)=(1) is duplicated");
        let mended = up.replace("CREATE UNIQUE", "CREATE");
        write(folder.path(), "m/0001_a/up.sql", mended);
        expect(&at(&["recover"]), 0, "1 migration recovered");
        expect(&at(&["status"]), 0, "applied  0001_a");
    })
    .await;
}

#[tokio::test]
async fn edited_files_are_shown_and_accepted() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);\n");
        expect(&at(&["baseline", "1"]), 0, "1 migration taken as applied");
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id bigint);\n");
        expect(&at(&["up"]), 1, "+CREATE TABLE a (id bigint);");
        expect(&at(&["repair"]), 2, "say --yes when they are");
        expect(&at(&["repair", "--tag", "x"]), 2, "--tag selects what is to be applied");
        expect(&at(&["repair", "--yes"]), 0, "accepted: 0001_a/up.sql");
        expect(&at(&["up"]), 0, "nothing applied");
    })
    .await;
}

#[tokio::test]
async fn the_migrations_of_other_tools_run_where_they_lie() {
    empty_db(|fresh| async move {
        let folder = folder();
        write(folder.path(), "db/20240101120000_a.sql", "-- migrate:up\nCREATE TABLE ${who}a (id int);\n\n-- migrate:down\nDROP TABLE a;\n");
        write(
            folder.path(),
            "db/20240102120000_b.sql",
            "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY b ON a (id);\n\n-- migrate:down\nDROP INDEX b;\n",
        );
        let at = |arguments: &[&str]| {
            migrate(fresh.url(), folder.path(), "db", &[arguments, &["--set", "who="]].concat())
        };
        expect(&at(&["up"]), 0, "dbmate migrations: ");
        expect(&at(&["status"]), 0, "20240102120000_b");
        expect(&at(&["down", "--count", "2", "--yes"]), 0, "2 migrations reverted");
    })
    .await;
}

#[test]
fn a_new_migration_has_its_files() {
    let folder = folder();
    let new = |name: &str| {
        run(folder.path(), &["migrate", "new", name, "--dir", "m", "--risk", "high", "--estimate", "30s"])
    };
    expect(&new("first"), 0, "0001_first");
    expect(&new("second_one"), 0, "0002_second_one");
    expect(&new("Third One"), 2, "lower-case letters");
    let meta = std::fs::read_to_string(folder.path().join("m/0002_second_one/meta.toml")).expect("a file");
    assert_eq!(meta, "description = \"second one\"\nrisk = \"high\"\nestimate = \"30s\"\n");
    expect(
        &run(folder.path(), &["migrate", "validate", "--dir", "m"]),
        3,
        "0001_first/up.sql has no statement",
    );
    write(folder.path(), "m/0001_first/up.sql", "SELECT 1;");
    write(folder.path(), "m/0001_first/down.sql", "SELECT 1;");
    write(folder.path(), "m/0002_second_one/up.sql", "SELECT 1;");
    write(folder.path(), "m/0002_second_one/down.sql", "SELECT 1;");
    expect(&run(folder.path(), &["migrate", "validate", "--dir", "m"]), 0, "2 cairn migrations can be used");
}

#[tokio::test]
async fn a_database_of_another_tool_is_taken_over() {
    empty_db(|fresh| async move {
        let folder = folder();
        let section =
            |table: &str| format!("-- migrate:up\nCREATE TABLE {table} (id int);\n\n-- migrate:down\n");
        write(folder.path(), "db/20240101120000_a.sql", section("a"));
        write(folder.path(), "db/20240102120000_b.sql", section("b"));
        let mut conn = fresh.connect().await;
        let theirs = "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY); \
                      INSERT INTO schema_migrations VALUES ('20240101120000'); CREATE TABLE a (id int)";
        sqlx::raw_sql(theirs).execute(&mut conn).await.expect("as dbmate leaves it");
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "db", arguments);
        expect(&at(&["adopt"]), 0, "1 migration taken over, 1 pending");
        expect(&at(&["adopt"]), 1, "the history is not empty");
        expect(&at(&["up"]), 0, "1 migration applied");
    })
    .await;
}

#[test]
fn a_new_migration_is_named_as_the_folders_format_has_it() {
    let folder = folder();
    write(folder.path(), "m/V1__a.sql", "SELECT 1;");
    write(folder.path(), "m/V9__b.sql", "SELECT 1;");
    expect(
        &run(folder.path(), &["migrate", "new", "c", "--dir", "m", "--format", "flyway"]),
        0,
        "m/V10__c.sql",
    );
    let text = std::fs::read_to_string(folder.path().join("m/V10__c.sql")).expect("a file");
    assert!(text.starts_with("-- cairn: description = \"c\"\n"), "{text}");
    expect(
        &run(folder.path(), &["migrate", "new", "first", "--dir", "n", "--format", "goose"]),
        0,
        "_first.sql",
    );
}

#[tokio::test]
async fn many_migrations_become_one() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (2);");
        write(
            folder.path(),
            "m/0002_b/up.sql",
            "ALTER TABLE a ADD COLUMN name text DEFAULT E'x\n--\n\n\ny';",
        );
        write(folder.path(), "m/0003_c/up.sql", "CREATE INDEX CONCURRENTLY a_name_idx ON a (name);");
        write(folder.path(), "m/0004_d/up.sql", "DROP INDEX a_name_idx;");
        expect(&at(&["up", "--count", "3"]), 0, "3 migrations applied");
        expect(&at(&["squash", "all", "--to", "3", "--dry-run"]), 0, "CREATE INDEX a_name_idx");
        expect(&at(&["squash", "all", "--to", "3"]), 0, "it stands for 3 migrations");
        let meta = std::fs::read_to_string(folder.path().join("m/0005_all/meta.toml")).expect("a file");
        assert_eq!(meta, "description = \"all\"\nreplaces = [1, 2, 3]\n");
        expect(&at(&["plan"]), 3, "to apply  0005_all (only recorded, as what it replaces is applied)");
        expect(&at(&["up"]), 0, "2 migrations applied");
        for old in ["0001_a", "0002_b", "0003_c"] {
            std::fs::remove_dir_all(folder.path().join("m").join(old)).expect("removed");
        }
        expect(&at(&["status"]), 0, "applied  0005_all");
        expect(&at(&["squash", "both"]), 0, "it stands for 2 migrations");
    })
    .await;
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a AS SELECT now() AS at;");
        expect(&at(&["squash", "all"]), 1, "there is nothing to squash: 1 versioned migrations");
        write(folder.path(), "m/0002_b/up.sql", "CREATE TABLE b (id int);");
        write(folder.path(), "m/0002_b/meta.toml", "environment = 'staging'\n");
        expect(&at(&["squash", "all"]), 1, "0002_b is only for staging");
        std::fs::remove_file(folder.path().join("m/0002_b/meta.toml")).expect("removed");
        expect(&at(&["squash", "all"]), 0, "it stands for 2 migrations");
        expect(&at(&["up"]), 0, "1 migration applied");
        expect(&at(&["status"]), 0, "applied  0003_all");
    })
    .await;
}

#[test]
fn what_has_landed_is_pinned() {
    let folder = folder();
    write(folder.path(), "m/0001_a/up.sql", "SELECT 1;");
    let validate = |more: &[&str]| {
        run(folder.path(), &[&["migrate", "validate", "--dir", "m", "--pins", "pins.txt"], more].concat())
    };
    expect(&validate(&[]), 3, "cannot read pins.txt");
    expect(&validate(&["--pin"]), 0, "1 files are as they are pinned");
    write(folder.path(), "m/0002_b/up.sql", "SELECT 2;");
    expect(&validate(&[]), 3, "0002_b/up.sql is not pinned yet");
    expect(&validate(&["--pin"]), 0, "2 files are as they are pinned");
    write(folder.path(), "m/0001_a/up.sql", "SELECT 3;");
    expect(&validate(&[]), 3, "0001_a/up.sql was edited after it landed");
    expect(&validate(&["--pin"]), 3, "0001_a/up.sql was edited after it landed");
}
