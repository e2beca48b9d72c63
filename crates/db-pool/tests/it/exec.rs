//! Statements: typed rows, limits, errors with their class, plans of an older schema, and what is told of them.

use crate::{captured::Captured, config, fake_server::FakeServer, pool};
use db_core::{Classify, Label, Recorder, Retry};
use db_pool::{Error, Lease, Pool, retry_of};
use db_testkit::{FreshDb, Proxy, eventually, fresh_db};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use sqlx::{Connection, Executor};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tracing::{Level, level_filters::LevelFilter};

const SLOW: &str = "db_pool::slow";
const SPANS: &str = "db_pool::statement";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn rows_come_as_asked_for() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let numbers = "SELECT n, n::text FROM generate_series(1, 3) AS n";
        let all = vec![(1, "1".to_owned()), (2, "2".to_owned()), (3, "3".to_owned())];
        assert_eq!(pool.run(numbers).all::<(i32, String)>().await.expect("all"), all);
        assert_eq!(
            pool.run(numbers).stream::<(i32, String)>().try_collect::<Vec<_>>().await.expect("all"),
            all
        );
        assert_eq!(pool.run(numbers).one::<(i32, String)>().await.expect("one"), all[0]);
        assert_eq!(pool.run(numbers).optional::<(i32, String)>().await.expect("one"), Some(all[0].clone()));
        assert_eq!(pool.run(sqlx::query("SELECT $1").bind(7)).scalar::<i32>().await.expect("a value"), 7);
        let insert = "INSERT INTO tasks (title) SELECT 'a task' FROM generate_series(1, 3)";
        assert_eq!(pool.run(insert).none().await.expect("inserted"), 3);

        let mut lease = pool.acquire().await.expect("a lease");
        assert_eq!(lease.run(numbers).all::<(i32, String)>().await.expect("all"), all);
        assert_eq!(
            lease.run(numbers).stream::<(i32, String)>().try_collect::<Vec<_>>().await.expect("all"),
            all
        );
        assert_eq!(lease.run("SELECT count(*) FROM tasks").scalar::<i64>().await.expect("counted"), 3);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_not_there_is_said_so() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let nothing = "SELECT id, title FROM tasks WHERE title = 'hunter2'";
        let not_found = |error: Error| {
            let Error::Statement { shape, sqlstate: None, source: sqlx::Error::RowNotFound, retry } = error
            else {
                panic!("{error:?}")
            };
            assert_eq!(
                (shape.as_str(), retry),
                ("SELECT id, title FROM tasks WHERE title = ?", Retry::Never)
            );
        };
        not_found(pool.run(nothing).one::<(i64, String)>().await.expect_err("no row"));
        not_found(pool.run(nothing).scalar::<i64>().await.expect_err("no row"));
        assert_eq!(pool.run(nothing).optional::<(i64, String)>().await.expect("an answer"), None);
        assert_eq!(pool.run(nothing).all::<(i64, String)>().await.expect("an answer"), []);
    })
    .await;
}

#[tokio::test]
async fn a_statement_s_own_timeout_stops_it_on_the_server() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        let limit = Duration::from_millis(30);
        let sleep = "SELECT pg_sleep(600), 'hunter2'";
        let mut lease = pool.acquire().await.expect("a lease");
        let errors = [
            pool.run(sleep).timeout(limit).none().await.expect_err("too long"),
            lease.run(sleep).timeout(limit).none().await.expect_err("too long"),
            pool.run(sleep)
                .timeout(limit)
                .stream::<(String,)>()
                .boxed()
                .try_next()
                .await
                .expect_err("too long"),
        ];
        for error in errors {
            assert!(
                matches!(&error, Error::StatementTimeout { shape, limit: told }
                    if shape == "SELECT pg_sleep(?), ?" && *told == limit),
                "{error:?}"
            );
            assert!(!format!("{error} {error:?}").contains("hunter2"));
            assert_eq!(error.retry(), Retry::Never);
        }
        drop(lease);
        eventually("nothing sleeps on the server", || async { sleeping(&db).await == 0 }).await;
        eventually("all are back", || async {
            let stats = pool.stats();
            (stats.in_use, stats.recovering, stats.discards) == (0, 0, 0)
        })
        .await;
    })
    .await;
}

async fn sleeping(db: &FreshDb) -> i64 {
    let sleeping = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'";
    sqlx::query_scalar(sleeping).fetch_one(&mut db.connect().await).await.expect("counted")
}

#[tokio::test]
async fn the_pool_s_statement_timeout_is_the_server_s() {
    fresh_db(|db| async move {
        let config = config(&db, 1).statement_timeout(Duration::from_millis(700));
        let pool = Pool::connect(&config).await.expect("connected");
        // The client would wait for longer.
        let later = Duration::from_secs(30);
        let error = pool.run("SELECT pg_sleep(600)").timeout(later).none().await.expect_err("too long");
        let Error::Statement { sqlstate, retry, shape, .. } = &error else { panic!("{error:?}") };
        assert_eq!(
            (sqlstate.as_deref(), *retry, shape.as_str()),
            (Some("57014"), Retry::Never, "SELECT pg_sleep(?)")
        );

        let limit = "SELECT current_setting('statement_timeout')";
        pool.run("SET statement_timeout = 0").none().await.expect("set");
        assert_eq!(pool.run(limit).scalar::<String>().await.expect("read"), "700ms", "after the reset");
        assert_eq!((pool.stats().opens, pool.stats().resets), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_after_the_statement_timeout() {
    fresh_db(|db| async move {
        let server = FakeServer::start(&db).await;
        let proxy = Proxy::start(server.address()).await;
        let limit = Duration::from_secs(1);
        let config = db_pool::PoolConfig::from_url(&proxy.url(&server.url())).expect("a URL");
        let pool = Pool::connect(&config.statement_timeout(limit)).await.expect("connected");
        proxy.silence();
        let answer = tokio::time::timeout(Duration::from_secs(30), pool.run("SELECT 1").none());
        let error = answer.await.expect("given up").expect_err("no answer");
        assert!(matches!(&error, Error::StatementTimeout { limit: told, .. } if *told >= limit), "{error:?}");
    })
    .await;
}

/// What fails, its shape, its SQLSTATE and class.
const FAILURES: [(&str, &str, &str, Retry); 3] = [
    ("INSERT INTO one VALUES (4711)", "INSERT INTO one VALUES (?)", "23505", Retry::Never),
    ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", "DO ?", "40001", Retry::Transaction),
    ("SELECT * FROM nowhere -- hunter2", "SELECT * FROM nowhere", "42P01", Retry::Never),
];

#[tokio::test]
async fn a_failure_has_its_sqlstate_and_class() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        let table = "CREATE TABLE one (n int UNIQUE); INSERT INTO one VALUES (4711)";
        pool.execute(sqlx::raw_sql(table)).await.expect("made");
        let mut lease = pool.acquire().await.expect("a lease");
        for (sql, expected, code, class) in FAILURES {
            let errors = [
                pool.run(sql).none().await.expect_err(sql),
                pool.run(sql).all::<(i32,)>().await.expect_err(sql),
                pool.run(sql).stream::<(i32,)>().boxed().try_next().await.expect_err(sql),
                lease.run(sql).none().await.expect_err(sql),
            ];
            for error in errors {
                let Error::Statement { shape, sqlstate, retry, .. } = &error else { panic!("{error:?}") };
                assert_eq!((shape.as_str(), sqlstate.as_deref(), *retry), (expected, Some(code), class));
                assert!(!error.to_string().contains("4711"), "{error}");
            }
            let error = sqlx::query(sql).execute(&pool).await.expect_err(sql);
            assert_eq!(retry_of(&error), class, "{error:?}");
            assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some(code));
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_broke_is_said_so_and_not_lent_again() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let suicide = "SELECT pg_terminate_backend(pg_backend_pid())";
        let error = pool.run(suicide).none().await.expect_err("the session ends");
        assert_eq!(error.retry(), Retry::Reconnect, "{error:?}");
        assert_eq!(pool.run("SELECT 1").scalar::<i32>().await.expect("a new connection"), 1);
        assert_eq!((pool.stats().opens, pool.stats().discards), (2, 1));
    })
    .await;
}

const STALE: &str = "SELECT * FROM t WHERE id = $1";

/// A pool with a plan of a table that has changed since.
async fn with_stale_plan(db: &FreshDb) -> Pool {
    let pool = pool(db, 1).await;
    pool.execute(sqlx::raw_sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")).await.expect("made");
    drop(pool.acquire().await.expect("all is back"));
    sqlx::query(STALE).bind(1).fetch_one(&pool).await.expect("planned");
    change(db, "one").await;
    pool
}

async fn change(db: &FreshDb, column: &str) {
    let sql = sqlx::AssertSqlSafe(format!("ALTER TABLE t ADD COLUMN {column} int"));
    db.connect().await.execute(sqlx::raw_sql(sql)).await.expect("changed");
}

#[tokio::test]
async fn a_plan_of_an_older_schema_is_made_anew() {
    fresh_db(|db| async move {
        let pool = with_stale_plan(&db).await;
        let columns = |row: sqlx::postgres::PgRow| sqlx::Row::columns(&row).len();
        let row = sqlx::query(STALE).bind(1).fetch_one(&pool).await.expect("through the pool");
        assert_eq!(columns(row), 2);

        change(&db, "two").await;
        let mut lease = pool.acquire().await.expect("a lease");
        let row = sqlx::query(STALE).bind(1).fetch_one(&mut lease).await.expect("through a lease");
        assert_eq!(columns(row), 3);

        change(&db, "three").await;
        let row =
            lease.run(sqlx::query(STALE).bind(1)).one::<(i32, Option<i32>, Option<i32>, Option<i32>)>().await;
        assert_eq!(row.expect("through `run`").0, 1);
    })
    .await;
}

#[tokio::test]
async fn a_plan_of_an_older_schema_is_made_anew_for_a_stream() {
    fresh_db(|db| async move {
        let pool = with_stale_plan(&db).await;
        // sqlx's typed `fetch_all` is a stream to its executor.
        let rows: Vec<(i32, Option<i32>)> =
            sqlx::query_as(STALE).bind(1).fetch_all(&pool).await.expect("through the pool");
        assert_eq!(rows, [(1, None)]);

        change(&db, "two").await;
        let rows = pool.run(sqlx::query(STALE).bind(1)).stream::<(i32, Option<i32>, Option<i32>)>();
        assert_eq!(rows.try_collect::<Vec<_>>().await.expect("through `run`"), [(1, None, None)]);
    })
    .await;
}

fn is_stale(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "0A000")
}

#[tokio::test]
async fn in_a_transaction_a_plan_of_an_older_schema_is_the_caller_s() {
    fresh_db(|db| async move {
        let pool = with_stale_plan(&db).await;
        let mut tx = pool.begin().await.expect("begun");
        let error = sqlx::query(STALE).bind(1).fetch_one(&mut *tx).await.expect_err("an older schema");
        assert!(is_stale(&error), "{error:?}");
        drop(tx);
        sqlx::query(STALE).bind(1).fetch_one(&pool).await.expect("outside it is made anew");
    })
    .await;
}

#[tokio::test]
async fn in_a_raw_transaction_a_plan_of_an_older_schema_is_named() {
    fresh_db(|db| async move {
        let pool = with_stale_plan(&db).await;
        let mut lease: Lease = pool.acquire().await.expect("a lease");
        lease.execute(sqlx::raw_sql("BEGIN")).await.expect("begun");
        let error = sqlx::query(STALE).bind(1).fetch_one(&mut lease).await.expect_err("an older schema");
        assert!(is_stale(&error), "not the failed transaction that it led to: {error:?}");
    })
    .await;
}

#[tokio::test]
async fn after_a_transaction_failed_by_an_older_schema_the_next_succeeds() {
    fresh_db(|db| async move {
        let pool = with_stale_plan(&db).await;
        let run = || async {
            let mut tx = pool.begin().await.expect("begun");
            sqlx::query(STALE).bind(1).fetch_one(&mut *tx).await
        };
        assert!(is_stale(&run().await.expect_err("an older schema")));
        run().await.expect("planned anew");
    })
    .await;
}

#[tokio::test]
async fn a_slow_statement_is_told_without_its_values() {
    fresh_db(|db| async move {
        let (captured, _guard) = Captured::start(LevelFilter::INFO);
        let pool = Pool::connect(&config(&db, 1).slow_threshold(Duration::ZERO)).await.expect("connected");
        let mut lease = pool.acquire().await.expect("a lease");
        let sql = "SELECT 'hunter2' FROM generate_series(1, 3)";
        lease.run(sql).all::<(String,)>().await.expect("rows");
        lease.run("SELECT 'hunter2' FROM nowhere").none().await.expect_err("no such table");
        assert!(lease.run("SELECT pg_sleep(600)").none().now_or_never().is_none(), "it must take long");
        drop(lease);
        pool.run(sql).stream::<(String,)>().try_collect::<Vec<_>>().await.expect("rows");

        let told: Vec<_> = captured.about(SLOW);
        let figures =
            told.iter().map(|told| (told.field("shape"), told.field("outcome"), told.field("rows")));
        assert_eq!(
            figures.collect::<Vec<_>>(),
            [
                ("SELECT ? FROM generate_series(?, ?)", "Done", "3"),
                ("SELECT ? FROM nowhere", "Failed", "0"),
                ("SELECT pg_sleep(?)", "Cut", "0"),
                ("SELECT ? FROM generate_series(?, ?)", "Done", "3"),
            ]
        );
        for told in &told {
            assert!(told.level == Level::WARN && !told.is_span);
            assert!(told.field("called_at").contains("tests/it/exec.rs:"), "{told:?}");
            assert!(!told.all().contains("hunter2"), "{told:?}");
        }
        assert_eq!(pool.stats().slow_statements, 4);
    })
    .await;
}

#[tokio::test]
async fn a_statement_within_the_threshold_is_not_told() {
    fresh_db(|db| async move {
        let (captured, _guard) = Captured::start(LevelFilter::INFO);
        let pool = Pool::connect(&config(&db, 1).slow_threshold(LONG)).await.expect("connected");
        pool.run("SELECT 1").none().await.expect("answers");
        assert_eq!((captured.about(SLOW).len(), pool.stats().slow_statements), (0, 0));
    })
    .await;
}

/// Remembers durations with their labels.
#[derive(Default)]
struct Labelled(Mutex<Vec<String>>);

impl Recorder for Labelled {
    fn count(&self, _: &'static str, _: &[Label<'_>], _: u64) {}
    fn gauge(&self, _: &'static str, _: &[Label<'_>], _: f64) {}

    fn timing(&self, name: &'static str, labels: &[Label<'_>], _: Duration) {
        if name == "db.client.operation.duration" {
            let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(labels.join(" "));
        }
    }
}

#[tokio::test]
async fn the_recorder_gets_each_statement_s_duration() {
    fresh_db(|db| async move {
        let labelled = Arc::new(Labelled::default());
        let config = config(&db, 1).recorder(Arc::clone(&labelled) as Arc<dyn Recorder>);
        let pool = Pool::connect(&config).await.expect("connected");
        sqlx::query("SELECT $1").bind(1).fetch_one(&pool).await.expect("a row");
        pool.run("insert into tasks (title) values ('hunter2')").none().await.expect("inserted");
        pool.run("VACUUM nowhere").none().await.expect_err("no such table");
        pool.run("SELECT 1").stream::<(i32,)>().try_collect::<Vec<_>>().await.expect("a row");
        drop(pool.acquire().await.expect("a lease"));
        assert!(pool.run("SELECT pg_sleep(600)").none().now_or_never().is_none(), "it must take long");
        let recorded = labelled.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(
            recorded,
            [
                "db.operation.name=SELECT",
                "db.operation.name=INSERT",
                "db.operation.name=OTHER error.type=failed",
                "db.operation.name=SELECT",
                "db.operation.name=SELECT error.type=cancelled",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn spans_are_there_at_debug_and_not_at_info() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        for (level, spans) in [(LevelFilter::DEBUG, 2), (LevelFilter::INFO, 0)] {
            let (captured, _guard) = Captured::start(level);
            pool.run("SELECT 'hunter2'").none().await.expect("answers");
            sqlx::query("SELECT $1, 4711").bind("hunter2").fetch_one(&pool).await.expect("answers");
            let told = captured.about(SPANS);
            assert_eq!(told.len(), spans, "{level}: {told:?}");
            let shapes = ["SELECT ?", "SELECT $1, ?"];
            for (told, shape) in told.iter().zip(shapes) {
                assert!(told.is_span && told.level == Level::DEBUG);
                assert_eq!((told.field("db.query.text"), told.field("db.operation.name")), (shape, "SELECT"));
                assert_eq!(told.field("db.system.name"), "postgresql");
                assert!(!told.all().contains("hunter2"), "{told:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_has_a_span_as_well() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let (captured, _guard) = Captured::start(LevelFilter::DEBUG);
        pool.run("SELECT 1").stream::<(i32,)>().try_collect::<Vec<_>>().await.expect("a row");
        assert_eq!(captured.about(SPANS).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn sqlx_s_own_transaction_on_a_lease_is_seen() {
    fresh_db(|db| async move {
        let pool = with_stale_plan(&db).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let mut tx = lease.begin().await.expect("begun");
        let error = sqlx::query(STALE).bind(1).fetch_one(&mut *tx).await.expect_err("an older schema");
        assert!(is_stale(&error), "{error:?}");
    })
    .await;
}
