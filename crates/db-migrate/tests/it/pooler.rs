//! Behind a pooler that gives every transaction another session.

use crate::code::Fill;
use crate::{NOTES, SOMEBODY_WAITS, done, item, outside, run, set, tables, until};
use db_migrate::{
    Course, DeployLock, Embedded, Error, Migrations, On, Options, Recover, Report, RevertTo, Server, Way,
    apply, recover, rehearse, repair, revert, status,
};
use db_testkit::{FreshDb, TransactionPooler, empty_db};
use sqlx::{Connection, PgConnection, Row};
use std::sync::Arc;
use std::time::Duration;

const SESSIONS: usize = 3;
const INDEX: Embedded = outside("0002_index", "CREATE INDEX CONCURRENTLY notes_id_idx ON notes (id);");
const MORE: Embedded =
    item("0003_more", "ALTER TABLE notes ADD COLUMN more int;", "ALTER TABLE notes DROP more;");

/// Without a way back.
const fn there(folder: &'static str, up: &'static str) -> Embedded {
    Embedded { folder, up, down: None, meta: None }
}

struct Pooled {
    /// Its sessions go when it does.
    _pooler: TransactionPooler,
    conn: PgConnection,
    options: Options,
}

impl Pooled {
    async fn open(db: &FreshDb) -> Self {
        let pooler = TransactionPooler::start(db, SESSIONS).await;
        let server = Server::from_url(&pooler.url(db)).expect("a URL");
        let conn = server.connect().await.expect("the pooler takes connections");
        let deploy_lock = DeployLock::Transaction;
        let options = Options { deploy_lock, server: Some(server), ..Options::default() };
        Self { _pooler: pooler, conn, options }
    }

    async fn apply(&mut self, migrations: &Migrations) -> Result<Report, Error> {
        apply(&mut self.conn, migrations, &self.options, &mut |_| {}).await
    }

    async fn recover(&mut self, migrations: &Migrations, way: Way) -> Result<Report, Error> {
        let how = Recover { way, ..Recover::default() };
        recover(&mut self.conn, migrations, how, &self.options, &mut |_| {}).await
    }

    /// What the sessions have set, each of them more than once.
    async fn settings(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for _ in 0..SESSIONS * 3 {
            let mut tx = self.conn.begin().await.expect("a transaction");
            let set: String = sqlx::query_scalar(
                "SELECT concat_ws(' ', current_setting('search_path'), current_setting('lock_timeout'), \
                        current_setting('statement_timeout'), current_setting('role'), current_setting('work_mem'), \
                        nullif(current_setting('cairn.test', true), ''), (SELECT count(*) FROM pg_class WHERE relpersistence = 't'))",
            )
            .persistent(false)
            .fetch_one(&mut *tx)
            .await
            .expect("the settings");
            tx.commit().await.expect("committed");
            found.push(set);
        }
        found.sort();
        found.dedup();
        found
    }
}

#[tokio::test]
async fn migrations_go_there_and_back() {
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        let all = set(&[NOTES, INDEX, MORE]);
        assert_eq!(done(&pooled.apply(&all).await.expect("applied")), [1, 2, 3]);
        assert!(pooled.apply(&all).await.expect("nothing is left").done.is_empty());
        // The session that held the lock has been told to end, and may take a moment.
        let idle = async {
            loop {
                let found = status(&mut pooled.conn, &all).await.expect("the history can be read");
                if found.deploying.is_none() {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), idle).await.expect("nobody deploys");
        assert_eq!((found.applied.len(), found.pending.len()), (3, 0));
        let to = RevertTo::Last(1);
        let back = revert(&mut pooled.conn, &all, &to, &pooled.options, &mut |_| {}).await.expect("reverted");
        assert_eq!(done(&back), [3]);
        let edited = set(&[item("0001_notes", "CREATE TABLE notes (id int8);", "DROP TABLE notes;"), INDEX]);
        let accepted = repair(&mut pooled.conn, &edited, &pooled.options, &mut |_| {}).await;
        assert_eq!(accepted.expect("accepted").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_migration_stays_in_a_session() {
    const SETS: &str = "SET search_path = pg_catalog; SET work_mem = '7MB'; SELECT set_config('cairn.test', 'left', false); \
        SET ROLE pg_monitor; RESET ROLE; CREATE TEMP TABLE scratch (id int); CREATE TABLE public.kept (id int);";
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        let before = pooled.settings().await;
        assert_eq!(before.len(), 1, "{before:?}");
        pooled.options.statement_timeout = Some(Duration::from_secs(77));
        pooled.apply(&set(&[NOTES, there("0002_sets", SETS)])).await.expect("applied");
        assert_eq!(tables(&mut db.connect().await).await, ["kept", "notes"]);
        assert_eq!(pooled.settings().await, before);
    })
    .await;
}

#[tokio::test]
async fn what_is_set_reaches_every_part() {
    const PARTS: Embedded = outside(
        "0001_parts",
        "CREATE SCHEMA app; SET search_path = app; CREATE TABLE one (id int); CREATE TABLE two (id int);",
    );
    const PLACES: &str = "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1) FROM pg_tables \
        WHERE tablename IN ('one', 'two', 'three')";
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        pooled.apply(&set(&[PARTS])).await.expect("applied");
        pooled.options.search_path = Some("app, public".to_owned());
        let more = there("0002_three", "CREATE TABLE three (id int);");
        pooled.apply(&set(&[PARTS, more])).await.expect("applied");
        let places: String =
            sqlx::query_scalar(PLACES).fetch_one(&mut db.connect().await).await.expect("the catalogue");
        let mut places: Vec<&str> = places.split(' ').collect();
        places.sort_unstable();
        assert_eq!(places, ["app.one", "app.three", "app.two"]);
    })
    .await;
}

#[tokio::test]
async fn what_needs_a_session_is_refused_before_it_is_run() {
    let cases = [
        (
            "CREATE TABLE early (id int); SET work_mem = '7MB'; CREATE INDEX CONCURRENTLY ON notes (id);",
            "has set",
        ),
        ("CREATE TABLE early (id int); VACUUM FULL notes;", "others wait"),
        ("CREATE TEMP TABLE early (id int); SELECT * FROM early;", "gone with its session"),
        ("CREATE TABLE early (id int); PREPARE asks AS SELECT 1;", "outlast"),
    ];
    for (text, expected) in cases {
        empty_db(async |db| {
            let mut pooled = Pooled::open(&db).await;
            let error = pooled.apply(&set(&[NOTES, outside("0002_wants", text)])).await.expect_err("refused");
            assert!(matches!(error, Error::BehindPooler { .. }), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(tables(&mut db.connect().await).await, ["notes"]);
        })
        .await;
    }
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        pooled.options.search_path = Some("public".to_owned());
        let error = pooled.apply(&set(&[NOTES, INDEX])).await.expect_err("refused");
        assert!(matches!(error, Error::BehindPooler { .. }), "{error}");
        let server = pooled.options.server.clone().expect("one was given");
        let tried =
            rehearse(&server, &set(&[NOTES]), &Course::Up, On::Auto, &pooled.options, &mut |_| {}).await;
        assert!(matches!(tried, Err(Error::RehearsedBehindPooler)));
    })
    .await;
}

#[tokio::test]
async fn what_scripts_around_migrations_set_is_refused_and_the_rest_of_them_runs() {
    let around = |text: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("V1__notes.sql", "CREATE TABLE notes (id int);"), ("beforeMigrate.sql", text)] {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        Migrations::read(folder.path()).expect("sound migrations")
    };
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        let refused =
            pooled.apply(&around("SET search_path = public;")).await.expect_err("it is gone by then");
        assert!(matches!(refused, Error::BehindPooler { .. }), "{refused}");
        pooled.apply(&around("CREATE TABLE IF NOT EXISTS before (id int);")).await.expect("applied");
        assert_eq!(tables(&mut db.connect().await).await, ["before", "notes"]);
    })
    .await;
}

#[tokio::test]
async fn code_leaves_nothing_prepared() {
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        let code = |rows| Arc::new(Fill { rows }) as Arc<dyn db_migrate::Code>;
        let all =
            set(&[NOTES]).with_code(2, "fill", &code(2)).and_then(|all| all.with_code(3, "more", &code(3)));
        let all = all.expect("free numbers");
        pooled.apply(&all).await.expect("applied");
        let prepared: i64 = {
            let mut found = 0;
            for _ in 0..SESSIONS * 3 {
                let row =
                    sqlx::raw_sql("SELECT count(*) FROM pg_prepared_statements").fetch_one(&mut pooled.conn);
                found += row.await.and_then(|row| row.try_get::<i64, _>(0)).expect("counted");
            }
            found
        };
        assert_eq!(prepared, 0);
    })
    .await;
}

#[tokio::test]
async fn isolation_is_what_the_file_says_and_deferred_checks_see_its_settings() {
    const CHOSEN: &str = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; \
        CREATE TABLE chosen AS SELECT current_setting('transaction_isolation') AS level;";
    const DEFERRED: &str = "CREATE SCHEMA app; SET search_path = app; CREATE TABLE seen (id int); \
        CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (1); RETURN NULL; END $$; \
        CREATE TABLE told (id int); CREATE CONSTRAINT TRIGGER later AFTER INSERT ON told DEFERRABLE INITIALLY DEFERRED \
        FOR EACH ROW EXECUTE FUNCTION look(); INSERT INTO told VALUES (1);";
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        pooled
            .apply(&set(&[there("0001_chosen", CHOSEN), there("0002_deferred", DEFERRED)]))
            .await
            .expect("applied");
        let found: (String, i64) =
            sqlx::query_as("SELECT level, (SELECT count(*) FROM app.seen) FROM chosen")
                .fetch_one(&mut db.connect().await)
                .await
                .expect("both");
        assert_eq!(found, ("serializable".to_owned(), 1));
    })
    .await;
}

#[tokio::test]
async fn a_limit_of_the_role_is_none_for_what_runs_alone() {
    empty_db(async |db| {
        let sql = format!("ALTER DATABASE \"{}\" SET statement_timeout = '77s'", db.name());
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut db.connect().await).await.expect("set");
        let mut pooled = Pooled::open(&db).await;
        let refused = pooled.apply(&set(&[NOTES, INDEX])).await.expect_err("it would be cut");
        assert!(refused.to_string().contains("statement_timeout"), "{refused}");
        assert_eq!(tables(&mut db.connect().await).await, ["notes"]);
    })
    .await;
}

#[tokio::test]
async fn an_index_is_built_whatever_isolation_is_usual() {
    empty_db(async |db| {
        let sql =
            format!("ALTER DATABASE \"{}\" SET default_transaction_isolation = 'repeatable read'", db.name());
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut db.connect().await).await.expect("set");
        let mut pooled = Pooled::open(&db).await;
        let applied =
            tokio::time::timeout(Duration::from_secs(20), pooled.apply(&set(&[NOTES, INDEX]))).await;
        applied.expect("nobody waits for the lock's own transaction").expect("applied");
    })
    .await;
}

#[tokio::test]
async fn half_a_migration_is_finished() {
    const TWICE: Embedded = outside(
        "0002_unique",
        "INSERT INTO notes VALUES (1), (1); CREATE UNIQUE INDEX CONCURRENTLY notes_key ON notes (id); \
         INSERT INTO notes VALUES (2);",
    );
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        let all = set(&[NOTES, TWICE]);
        let error = pooled.apply(&all).await.expect_err("there is one twice");
        assert!(error.to_string().contains("23505"), "{error:?}");
        let mut direct = db.connect().await;
        run(&mut direct, "DELETE FROM notes WHERE ctid = (SELECT min(ctid) FROM notes)").await;
        let back = pooled.recover(&all, Way::Undo).await.expect_err("there is no way back");
        assert!(matches!(back, Error::Unrecoverable { .. }), "{back}");
        pooled.recover(&all, Way::Finish).await.expect("recovered");
        let found = status(&mut pooled.conn, &all).await.expect("the history can be read");
        assert_eq!((found.pending.len(), found.problems.len()), (0, 0));
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(&mut direct).await.expect("counted");
        assert_eq!(rows, 2);
    })
    .await;
}

#[tokio::test]
async fn who_is_in_the_way_is_named() {
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        pooled.apply(&set(&[NOTES])).await.expect("applied");
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT * FROM notes").await;
        pooled.options.lock_deadline = Duration::from_secs(1);
        let error = pooled.apply(&set(&[NOTES, there("0002_more", "ALTER TABLE notes ADD b int;")])).await;
        let error = error.expect_err("a reader is in the way").to_string();
        assert!(error.contains("blocked by") && error.contains("SELECT * FROM notes"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_deployment_stops_when_its_lock_is_lost() {
    const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        pooled.apply(&set(&[NOTES])).await.expect("applied");
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT * FROM notes").await;
        // It would wait for longer than the test may.
        pooled.options.lock_timeout = Duration::from_secs(300);
        let all = set(&[NOTES, there("0002_more", "ALTER TABLE notes ADD b int;")]);
        let mut direct = db.connect().await;
        let killed = async {
            until(&mut direct, SOMEBODY_WAITS).await;
            run(&mut direct, KILL).await;
        };
        let applied = tokio::time::timeout(Duration::from_secs(20), pooled.apply(&all));
        let (outcome, ()) = tokio::join!(applied, killed);
        let outcome = outcome.expect("it does not wait for the table");
        assert!(matches!(outcome, Err(Error::LockLost { .. })), "{outcome:?}");
        drop(pooled);
        run(&mut reader, "ROLLBACK").await;
    })
    .await;
}

#[tokio::test]
async fn a_second_deployment_waits_and_is_told_for_whom() {
    empty_db(async |db| {
        let mut pooled = Pooled::open(&db).await;
        let mut first = db.connect().await;
        run(&mut first, "BEGIN; SELECT pg_advisory_xact_lock(x'64622d6d69677261'::bigint)").await;
        pooled.options.deploy_lock_timeout = Duration::from_millis(100);
        let outcome = pooled.apply(&set(&[NOTES])).await;
        assert!(matches!(outcome, Err(Error::Locked { holder: Some(_), .. })), "{outcome:?}");
    })
    .await;
}
