//! Statements that run by themselves and were cut off or failed: what is known of them is used, what is not is asked for,
//! and nothing is run twice that may have kept its work.

use crate::{NOTES, apply, done, item, outside, run, set, until};
use db_migrate::{Embedded, Error, Left, Migrations, Options, Recover, Report, Way};
use db_testkit::{FreshDb, empty_db};
use sqlx::PgConnection;
use std::time::Duration;

async fn recover(conn: &mut PgConnection, items: &[Embedded], how: Recover) -> Result<Report, Error> {
    db_migrate::recover(conn, &set(items), how, &Options::default(), &mut |_| {}).await
}

async fn count(conn: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(conn).await.expect("a number")
}

/// Applies until `waits` is true, and then ends the session on the server, as a crash does.
async fn cut_off(db: &FreshDb, items: &[Embedded], waits: &'static str) {
    let (mut conn, mut other) = (db.connect().await, db.connect().await);
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut conn).await.expect("a pid");
    let migrating = async {
        apply(&mut conn, items).await.expect_err("it is cut off");
    };
    let cut = async {
        until(&mut other, waits).await;
        let ended: bool = sqlx::query_scalar("SELECT pg_terminate_backend($1, 10000)")
            .bind(pid)
            .fetch_one(&mut other)
            .await
            .expect("ended");
        assert!(ended);
    };
    tokio::join!(migrating, cut);
}

const CONCURRENT_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
    AND wait_event_type = 'Lock' AND query ILIKE '%CONCURRENTLY%' AND pid <> pg_backend_pid())";

const PROCEDURE: Embedded = item(
    "0002_procedure",
    "CREATE PROCEDURE work() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO notes VALUES (1); COMMIT; \
     LOCK TABLE notes IN ACCESS EXCLUSIVE MODE; END $$;",
    "DROP PROCEDURE work();",
);

#[tokio::test]
async fn what_may_have_kept_its_work_is_run_once_and_asked_about() {
    empty_db(|db| async move {
        let (mut conn, mut reader) = (db.connect().await, db.connect().await);
        let items = [NOTES, PROCEDURE, outside("0003_call", "CALL work();")];
        apply(&mut conn, &items[..2]).await.expect("applied");
        run(&mut reader, "BEGIN; SELECT * FROM notes").await;
        let options = Options { lock_deadline: Duration::from_millis(200), ..Options::default() };
        let error = db_migrate::apply(&mut conn, &set(&items), &options, &mut |_| {}).await;
        assert!(matches!(&error, Err(Error::Statement(error)) if error.left == Left::Half), "{error:?}");
        assert_eq!(count(&mut conn, "SELECT count(*) FROM notes").await, 1, "it is not sent again");

        run(&mut reader, "ROLLBACK").await;
        let undecided = recover(&mut conn, &items, Recover::default()).await;
        assert!(matches!(undecided, Err(Error::Undecided { .. })), "{undecided:?}");
        let said = Recover { statement_ran: Some(true), ..Recover::default() };
        assert_eq!(done(&recover(&mut conn, &items, said).await.expect("it is said")), [3]);
        assert_eq!(count(&mut conn, "SELECT count(*) FROM notes").await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_the_server_refuses_late_is_run_by_itself() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let late = Embedded {
            folder: "0003_late",
            up: "CREATE INDEX CONCURRENTLY i ON notes (id);\nINSERT INTO notes VALUES (7);\nCALL work();\nINSERT INTO notes VALUES (8);",
            down: None,
            meta: None,
        };
        apply(&mut conn, &[NOTES, PROCEDURE, late]).await.expect("the server's word is enough");
        assert_eq!(count(&mut conn, "SELECT count(*) FROM notes").await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_partition_that_is_half_detached_is_detached() {
    empty_db(|db| async move {
        let (mut conn, mut reader) = (db.connect().await, db.connect().await);
        let parts = item(
            "0001_parts",
            "CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE one PARTITION OF parts FOR VALUES IN (1);",
            "DROP TABLE parts;",
        );
        let items = [parts, outside("0002_detach", "ALTER TABLE parts DETACH PARTITION one CONCURRENTLY;")];
        apply(&mut conn, &items[..1]).await.expect("applied");
        run(&mut reader, "BEGIN; SELECT * FROM parts").await;
        let options = Options { lock_deadline: Duration::from_millis(200), ..Options::default() };
        db_migrate::apply(&mut conn, &set(&items), &options, &mut |_| {}).await.expect_err("the reader is in the way");
        assert_eq!(count(&mut conn, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending").await, 1);
        run(&mut reader, "ROLLBACK").await;
        assert_eq!(done(&recover(&mut conn, &items, Recover::default()).await.expect("finished")), [2]);
        assert_eq!(count(&mut conn, "SELECT count(*) FROM pg_inherits").await, 0);
    })
    .await;
}

#[tokio::test]
async fn names_are_looked_for_as_the_file_has_it() {
    empty_db(|db| async move {
        let (mut conn, mut writer) = (db.connect().await, db.connect().await);
        let base = item(
            "0001_base",
            "CREATE SCHEMA app; CREATE TABLE app.notes (id int); CREATE INDEX j ON app.notes (id);",
            "DROP SCHEMA app CASCADE;",
        );
        let items = [base, outside("0002_drop", "SET search_path = app;\nDROP INDEX CONCURRENTLY j;")];
        apply(&mut conn, &items[..1]).await.expect("applied");
        run(&mut writer, "BEGIN; INSERT INTO app.notes VALUES (1)").await;
        cut_off(&db, &items, CONCURRENT_WAITS).await;
        run(&mut writer, "COMMIT").await;
        assert_eq!(done(&recover(&mut conn, &items, Recover::default()).await.expect("finished")), [2]);
        assert_eq!(count(&mut conn, "SELECT count(*) FROM pg_class WHERE relname = 'j'").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_index_without_a_name_is_not_taken_for_somebody_elses() {
    empty_db(|db| async move {
        let (mut conn, mut writer) = (db.connect().await, db.connect().await);
        let items = [NOTES, outside("0002_index", "CREATE INDEX CONCURRENTLY ON notes (id);")];
        apply(&mut conn, &items[..1]).await.expect("applied");
        run(&mut writer, "INSERT INTO notes VALUES (1), (1)").await;
        sqlx::raw_sql("CREATE UNIQUE INDEX CONCURRENTLY dba_broken ON notes (id)")
            .execute(&mut writer)
            .await
            .expect_err("two rows are equal");
        run(&mut writer, "BEGIN; INSERT INTO notes VALUES (2)").await;
        cut_off(&db, &items, CONCURRENT_WAITS).await;
        run(&mut writer, "COMMIT; CREATE INDEX dba ON notes (text); DELETE FROM notes").await;
        recover(&mut conn, &items, Recover::default()).await.expect("finished");
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'notes'::regclass AND indisvalid ORDER BY 1",
        )
        .fetch_all(&mut conn)
        .await
        .expect("a list");
        assert_eq!(found, ["dba", "dba_broken", "notes_id_idx"], "theirs is mended, ours is built");
    })
    .await;
}

#[tokio::test]
async fn a_way_back_that_was_edited_half_way_is_refused() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let down = |down| Embedded {
            folder: "0002_b",
            up: "CREATE TABLE b (id int);",
            down: Some(down),
            meta: Some("transaction = false"),
        };
        let first = [NOTES, down("DELETE FROM b;\nSELECT nonsense;\nDROP TABLE b;")];
        apply(&mut conn, &first).await.expect("applied");
        let back = db_migrate::RevertTo::Last(1);
        crate::revert(&mut conn, &first, back).await.expect_err("its second statement fails");
        let edited = [NOTES, down("DROP TABLE b;")];
        let refused = recover(&mut conn, &edited, Recover::default()).await;
        assert!(matches!(refused, Err(Error::Unrecoverable { .. })), "{refused:?}");
        let mended = [NOTES, down("DELETE FROM b;\nSELECT 1;\nDROP TABLE b;")];
        recover(&mut conn, &mended, Recover::default()).await.expect("its first statement is the same");
        assert_eq!(crate::tables(&mut conn).await, ["notes"]);
    })
    .await;
}

#[tokio::test]
async fn a_later_part_that_is_not_committed_leaves_it_half_applied() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let base = item(
            "0001_base",
            "CREATE TABLE a (id int PRIMARY KEY); \
             CREATE TABLE b (id int, a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);",
            "SELECT 1;",
        );
        let items = [
            base,
            Embedded {
                folder: "0002_more",
                up: "CREATE INDEX CONCURRENTLY i ON b (id);\nINSERT INTO b VALUES (1, 7);",
                down: None,
                meta: None,
            },
        ];
        let error = apply(&mut conn, &items).await.expect_err("there is no a of 7");
        assert!(matches!(error, Error::Commit { left: Left::Half, .. }), "{error:?}");
        assert!(error.to_string().contains("`db migrate recover`"), "{error}");
        assert_eq!(count(&mut conn, "SELECT count(*) FROM db_migrations WHERE id = '0002'").await, 1);
        run(&mut conn, "INSERT INTO a VALUES (7)").await;
        recover(&mut conn, &items, Recover::default()).await.expect("finished");
        assert_eq!(count(&mut conn, "SELECT count(*) FROM b").await, 1);
    })
    .await;
}

#[tokio::test]
async fn temporary_tables_are_there_again() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let items = [
            NOTES,
            Embedded {
                folder: "0002_more",
                up: "CREATE TEMP TABLE x AS SELECT 5 AS id;\nCREATE INDEX CONCURRENTLY i ON notes (id);\n\
                 INSERT INTO later SELECT id FROM x;",
                down: None,
                meta: None,
            },
        ];
        apply(&mut conn, &items).await.expect_err("there is no table later");
        let mut other = db.connect().await;
        run(&mut other, "CREATE TABLE later (id int)").await;
        recover(&mut other, &items, Recover::default()).await.expect("finished in another session");
        assert_eq!(count(&mut other, "SELECT sum(id) FROM later").await, 5);
    })
    .await;
}

#[tokio::test]
async fn discard_all_keeps_lock_and_settings() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, "CREATE SCHEMA app").await;
        let items = [
            outside(
                "0001_discard",
                "DISCARD ALL;\nCREATE TABLE held AS SELECT count(*) AS locks FROM pg_locks \
                WHERE locktype = 'advisory' AND pid = pg_backend_pid();",
            ),
            item("0002_next", "CREATE TABLE next (id int);", "DROP TABLE next;"),
        ];
        let options = Options { search_path: Some("app".to_owned()), ..Options::default() };
        db_migrate::apply(&mut conn, &set(&items), &options, &mut |_| {}).await.expect("applied");
        assert_eq!(count(&mut conn, "SELECT locks FROM app.held").await, 1);
        assert_eq!(count(&mut conn, "SELECT count(*) FROM app.next").await, 0);
    })
    .await;
}

#[tokio::test]
async fn undoing_half_of_it_leaves_the_table_that_was_there() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let items = [
            NOTES,
            Embedded {
                folder: "0002_swap",
                up: "CREATE INDEX CONCURRENTLY i ON notes (id);\nALTER TABLE notes RENAME TO notes_old;\n\
                 CREATE TABLE notes (id bigint);\nSELECT nonsense;",
                down: Some("DROP TABLE notes;\nALTER TABLE notes_old RENAME TO notes;\nDROP INDEX i;"),
                meta: None,
            },
        ];
        apply(&mut conn, &items[..1]).await.expect("applied");
        run(&mut conn, "INSERT INTO notes VALUES (1), (2)").await;
        apply(&mut conn, &items).await.expect_err("its last statement fails");
        let undo = Recover { way: Way::Undo, ..Recover::default() };
        recover(&mut conn, &items, undo).await.expect("undone");
        assert_eq!(count(&mut conn, "SELECT count(*) FROM notes").await, 2);
        assert_eq!(count(&mut conn, "SELECT count(*) FROM pg_class WHERE relname = 'i'").await, 0);

        let other = [NOTES, Embedded { down: Some("DROP TABLE strange;"), ..items[1] }];
        apply(&mut conn, &other).await.expect_err("its last statement fails");
        let refused = recover(&mut conn, &other, undo).await.expect_err("it may be somebody's");
        assert!(matches!(refused, Error::Unrecoverable { undo: true, .. }), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn what_runs_around_migrations_lets_others_pass() {
    empty_db(|db| async move {
        let (mut conn, mut reader) = (db.connect().await, db.connect().await);
        run(&mut conn, "CREATE TABLE busy (id int)").await;
        let files = [
            ("beforeMigrate.sql", "ALTER TABLE busy ADD COLUMN IF NOT EXISTS more int;"),
            ("V1__a.sql", "SELECT 1;"),
        ];
        let (migrations, _) =
            Migrations::from_files(&files, None, &db_migrate::Variables::default()).expect("sound");
        run(&mut reader, "BEGIN; SELECT * FROM busy").await;
        let options = Options {
            lock_timeout: Duration::from_millis(20),
            lock_deadline: Duration::from_millis(200),
            ..Options::default()
        };
        let mut blocked = Vec::new();
        let outcome = db_migrate::apply(&mut conn, &migrations, &options, &mut |event| {
            if let db_migrate::Event::Blocked { label, .. } = event {
                blocked.push((*label).to_owned());
            }
        })
        .await;
        assert!(matches!(&outcome, Err(Error::Statement(error)) if error.sqlstate == "55P03"), "{outcome:?}");
        assert!(blocked.contains(&"beforeMigrate.sql".to_owned()), "{blocked:?}");
        run(&mut reader, "ROLLBACK").await;
        db_migrate::apply(&mut conn, &migrations, &options, &mut |_| {}).await.expect("the way is free");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_leaves_another_role_is_recorded_by_ours() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let role: &'static str = format!("r{}", &db.name()[db.name().len() - 16..]).leak();
        let up = |sql: String| -> &'static str { sql.leak() };
        run(&mut conn, up(format!("CREATE ROLE {role}; GRANT CREATE, USAGE ON SCHEMA public TO {role}")))
            .await;
        let items = [
            item("0001_a", up(format!("SET ROLE {role}; CREATE TABLE a (id int);")), "SELECT 1;"),
            outside(
                "0002_b",
                up(format!(
                    "SET ROLE {role};\nCREATE TABLE b (id int);\nCREATE INDEX CONCURRENTLY i ON b (id);"
                )),
            ),
            item("0003_c", "CREATE TABLE c AS SELECT current_user::text AS name;", "SELECT 1;"),
        ];
        apply(&mut conn, &items).await.expect("applied");
        let owners = count(
            &mut conn,
            "SELECT count(*) FROM pg_tables WHERE tablename IN ('a', 'b') AND tableowner LIKE 'r%'",
        );
        assert_eq!(owners.await, 2, "each part runs as the file has it");
        assert_eq!(count(&mut conn, "SELECT count(*) FROM c WHERE name LIKE 'r%'").await, 0);
        let options = db_migrate::schema::SnapshotOptions::default();
        run(
            &mut conn,
            up(format!("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}")),
        )
        .await;
        let schema = db_migrate::schema::snapshot(&mut conn, &options).await.expect("a snapshot");
        assert!(schema.to_string().contains("privileges on default tables"), "{schema}");
        run(&mut conn, up(format!("DROP OWNED BY {role}; DROP ROLE {role}"))).await;
    })
    .await;
}

#[tokio::test]
async fn strings_are_read_as_the_file_has_set_before() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let sql = "SET standard_conforming_strings = off; CREATE TABLE a (x text); INSERT INTO a VALUES ('a\\\\b');";
        apply(&mut conn, &[item("0001_a", sql, "SELECT 1;")]).await.expect("applied");
        assert_eq!(count(&mut conn, "SELECT length(x)::bigint FROM a").await, 3);
    })
    .await;
}
