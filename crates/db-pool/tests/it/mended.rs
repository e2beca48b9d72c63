//! Faults that a review found, each by what a caller sees once it is mended.

use crate::{captured::Captured, config, pool};
use db_pool::{Batch, BatchMode, Error, Pool, PoolConfig};
use db_testkit::{FreshDb, Proxy, eventually, fresh_db};
use futures_util::FutureExt;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlStr, postgres::PgConnectOptions};
use std::{future::Future, str::FromStr, time::Duration};
use tokio::time::timeout;
use tracing::level_filters::LevelFilter;

const MS: Duration = Duration::from_millis(1);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// A pool behind a relay that can fall silent.
async fn behind_proxy(
    db: &FreshDb,
    max_size: u32,
    change: impl FnOnce(PoolConfig) -> PoolConfig,
) -> (Pool, Proxy) {
    let (proxy, config) = crate::behind_proxy(db).await;
    let config = config.max_size(max_size.try_into().expect("not zero")).acquire_timeout(LONG);
    (Pool::connect(&change(config)).await.expect("connected"), proxy)
}

/// Gives a statement up once the server has had it.
async fn cut(work: impl Future) {
    assert!(timeout(MS * 30, work).await.is_err(), "it is cut");
}

/// How many sessions of this database run a sleep now.
async fn sleeping(db: &FreshDb) -> i64 {
    let sleeping = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'";
    sqlx::query_scalar(sleeping).fetch_one(&mut db.connect().await).await.expect("counted")
}

async fn none_sleeps(db: &FreshDb, pool: &Pool) {
    eventually("nothing sleeps on the server", || async { sleeping(db).await == 0 }).await;
    eventually("the pool is at rest", || async { pool.stats().recovering == 0 }).await;
}

/// One that runs a statement as long as a test may take.
async fn cut_midway(pool: &Pool) {
    cut(sqlx::query("SELECT pg_sleep(600)").execute(pool)).await;
}

/// A role that may log in and is another one from then on; the names are the test's own.
async fn roles(admin: &mut PgConnection, db: &FreshDb) -> (String, String) {
    let (login, low) = (format!("{}_login", db.name()), format!("{}_low", db.name()));
    for sql in [
        format!("CREATE ROLE \"{low}\""),
        format!("CREATE ROLE \"{login}\" LOGIN PASSWORD 'mended' IN ROLE \"{low}\""),
        format!("ALTER ROLE \"{login}\" SET role TO '{low}'"),
    ] {
        admin.execute(AssertSqlSafe(sql)).await.expect("a role");
    }
    (login, low)
}

#[tokio::test]
async fn a_login_that_is_given_a_role_connects_and_its_cut_query_is_stopped() {
    fresh_db(|db| async move {
        let mut admin = db.connect().await;
        let (login, low) = roles(&mut admin, &db).await;
        let options = PgConnectOptions::from_str(db.url()).expect("a URL");
        let options = options.username(&login).password("mended");
        let config = PoolConfig::new(options).acquire_timeout(Duration::from_secs(10));
        let connected = Pool::connect(&config.max_size(2.try_into().expect("two"))).await;
        let found = async {
            let pool = connected.as_ref().map_err(|error| format!("{error:?}"))?;
            let who = || sqlx::query_scalar::<_, String>("SELECT current_user::text").fetch_one(pool);
            let first = who().await.map_err(|error| error.to_string())?;
            cut_midway(pool).await;
            none_sleeps(&db, pool).await;
            let then = who().await.map_err(|error| error.to_string())?;
            let cancels = pool.stats().cancels;
            pool.close().await;
            Ok::<_, String>((first, then, cancels))
        };
        let found = std::panic::AssertUnwindSafe(found).catch_unwind().await;
        if let Ok(pool) = &connected {
            pool.close().await;
        }
        for role in [&login, &low] {
            admin.execute(AssertSqlSafe(format!("DROP ROLE \"{role}\""))).await.expect("dropped");
        }
        assert_eq!(found.expect("no panic"), Ok((low.clone(), low, 1)));
    })
    .await;
}

#[tokio::test]
async fn the_driver_logs_no_literals_for_a_pool_made_from_a_url() {
    let (captured, _guard) = Captured::start(LevelFilter::TRACE);
    fresh_db(|db| async move {
        let pool = Pool::connect(&config(&db, 1)).await.expect("connected");
        // Longer than what the driver takes for slow.
        sqlx::query("SELECT pg_sleep(1.1), 'hunter2-secret'").execute(&pool).await.expect("answers");
        let mut lease = pool.acquire().await.expect("a lease");
        sqlx::query("SELECT 'hunter2-secret'").execute(&mut lease).await.expect("answers");
        sqlx::query("SELECT 'hunter2-secret'").execute(&mut *lease).await.expect("answers");
    })
    .await;
    let told = captured.about("sqlx::query");
    assert!(!told.iter().any(|told| told.all().contains("hunter2-secret")), "{told:?}");
}

#[test]
fn an_unknown_parameter_of_a_url_is_refused_without_its_value() {
    let (captured, _guard) = Captured::start(LevelFilter::TRACE);
    for parameter in ["passwrod", "options.x", "optionsx"] {
        let url = format!("postgres://app@db.example/app?{parameter}=hunter2-secret");
        let error = PoolConfig::from_url(&url).expect_err(parameter);
        assert!(matches!(error, Error::Url { .. }), "{error:?}");
        let shown = format!("{error} {error:?} {:?}", captured.about(""));
        assert!(!shown.contains("hunter2-secret"), "{shown}");
    }
    for known in
        ["sslmode=prefer", "application_name=a", "options=-c%20work_mem%3D1MB", "options[work_mem]=1MB"]
    {
        PoolConfig::from_url(&format!("postgres://app@db.example/app?{known}")).expect(known);
    }
}

#[tokio::test]
async fn a_query_cut_in_a_transaction_frees_its_place_though_nothing_comes_back() {
    fresh_db(|db| async move {
        let (pool, proxy) = behind_proxy(&db, 1, |config| config.reset_timeout(LONG)).await;
        let mut tx = pool.begin().await.expect("begun");
        proxy.silence();
        cut(sqlx::query("SELECT 1").execute(&mut *tx)).await;
        drop(tx);
        let mut lease = pool.acquire().await.expect("another");
        let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut lease).await.expect("answers");
        assert_eq!((one, pool.stats().recovering), (1, 1));
        drop(lease);
        // The same where the transaction is sqlx's.
        let mut lease = pool.acquire().await.expect("a lease");
        let mut tx = lease.begin().await.expect("begun");
        proxy.silence();
        cut(sqlx::query("SELECT 1").execute(&mut *tx)).await;
        drop(tx);
        drop(lease);
        drop(pool.acquire().await.expect("another"));
    })
    .await;
}

#[tokio::test]
async fn a_query_cut_in_a_transaction_is_stopped_on_the_server() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let mut tx = pool.begin().await.expect("begun");
        sqlx::query("INSERT INTO tasks (title) VALUES ('lost')").execute(&mut *tx).await.expect("inserted");
        cut(sqlx::query("SELECT pg_sleep(600)").execute(&mut *tx)).await;
        drop(tx);
        none_sleeps(&db, &pool).await;
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM tasks").fetch_one(&pool).await.expect("counted");
        assert_eq!((rows, pool.stats().cancels), (0, 1));
    })
    .await;
}

/// Whatever is done on a connection that fell silent ends by the statement timeout, and nobody waits for the test's end.
fn ended<T>(case: &str, result: Result<Result<T, Error>, tokio::time::error::Elapsed>) {
    let error =
        result.unwrap_or_else(|_| panic!("{case} hangs")).err().unwrap_or_else(|| panic!("{case} succeeds"));
    assert!(matches!(error, Error::StatementTimeout { .. }), "{case}: {error:?}");
}

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_the_ends_of_a_transaction() {
    fresh_db(|db| async move {
        let (pool, proxy) = behind_proxy(&db, 3, |config| config.statement_timeout(MS * 200)).await;
        let (commits, rolls_back) = (pool.begin().await.expect("begun"), pool.begin().await.expect("begun"));
        drop(pool.acquire().await.expect("the third"));
        proxy.silence();
        ended("begin", timeout(PATIENCE, pool.begin()).await);
        ended("commit", timeout(PATIENCE, commits.commit()).await);
        ended("rollback", timeout(PATIENCE, rolls_back.rollback()).await);
    })
    .await;
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_a_prepare() {
    fresh_db(|db| async move {
        let (pool, proxy) = behind_proxy(&db, 1, |config| config.statement_timeout(MS * 200)).await;
        proxy.silence();
        let prepared = timeout(PATIENCE, pool.prepare(SqlStr::from_static("SELECT 1"))).await;
        ended("prepare by pool", prepared.map(|result| result.map_err(Error::from)));
        let mut lease = pool.acquire().await.expect("another");
        proxy.silence();
        let prepared = timeout(PATIENCE, (&mut lease).prepare(SqlStr::from_static("SELECT 1"))).await;
        ended("prepare by lease", prepared.map(|result| result.map(drop).map_err(Error::from)));
    })
    .await;
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_a_batch() {
    fresh_db(|db| async move {
        for (mode, statements) in
            [(BatchMode::Atomic, 1), (BatchMode::Atomic, 2), (BatchMode::Independent, 1)]
        {
            let (pool, proxy) = behind_proxy(&db, 1, |config| config.statement_timeout(MS * 200)).await;
            let mut batch = Batch::new();
            for number in 0..statements {
                batch.push(sqlx::query("SELECT $1::int4").bind(number)).expect("room");
            }
            let mut lease = pool.acquire().await.expect("a lease");
            proxy.silence();
            let case = format!("{mode:?} of {statements}");
            let report = timeout(PATIENCE, batch.run(&mut lease, mode)).await;
            let done = report.map(|report| match report.and_then(db_pool::BatchReport::into_done) {
                Err(Error::Batch { source, .. }) => Err(*source),
                done => done,
            });
            ended(&case, done);
            drop(lease);
            drop(pool.acquire().await.expect("another"));
        }
    })
    .await;
}

#[tokio::test]
async fn counters_never_go_back() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let lease = pool.acquire().await.expect("the only one");
        let mut waiting = Box::pin(pool.acquire());
        assert!((&mut waiting).now_or_never().is_none(), "it must wait");
        drop(lease);
        eventually("what came back is laid down", || async { pool.stats().waiting == 0 }).await;
        let before = pool.stats();
        drop(waiting);
        let after = pool.stats();
        assert_eq!(
            (after.acquires, after.waits, after.wait_time),
            (before.acquires, before.waits, before.wait_time)
        );
        assert!(after.use_time >= before.use_time || after.in_use < before.in_use, "{before:?} {after:?}");
        assert_eq!((after.in_use, after.idle), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_cut_query_is_stopped_although_the_pool_s_own_connection_was_ended() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        cut_midway(&pool).await;
        none_sleeps(&db, &pool).await;
        let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
            WHERE datname = current_database() AND query LIKE '%pg_cancel_backend(pid)%' AND pid <> pg_backend_pid()";
        let ended: i64 = sqlx::query_scalar(end).fetch_one(&mut db.connect().await).await.expect("ended");
        assert_eq!(ended, 1);
        cut_midway(&pool).await;
        none_sleeps(&db, &pool).await;
        let stats = pool.stats();
        assert_eq!((stats.cancels, stats.recoveries), (2, 2), "{stats:?}");
    })
    .await;
}

#[tokio::test]
async fn a_batch_runs_again_after_the_table_has_changed() {
    fresh_db(|db| async move {
        for mode in [BatchMode::Independent, BatchMode::Atomic] {
            let pool = pool(&db, 1).await;
            let run = async || {
                let mut batch = Batch::new();
                batch.push(sqlx::query("SELECT * FROM changing WHERE id = $1").bind(1)).expect("room");
                batch.push(sqlx::query("SELECT $1::int4").bind(1)).expect("room");
                let report = batch.run(&mut pool.acquire().await.expect("a lease"), mode).await;
                report.and_then(db_pool::BatchReport::into_done).map(|done| done.len())
            };
            let mut other = db.connect().await;
            other.execute("CREATE TABLE changing (id int4)").await.expect("a table");
            assert_eq!(run().await.expect("the first"), 2, "{mode:?}");
            other.execute("ALTER TABLE changing ADD COLUMN more int4").await.expect("changed");
            // One may fail, since the server refuses the old plan only when it is used.
            let _ = run().await;
            assert_eq!(run().await.expect("planned anew"), 2, "{mode:?}");
            other.execute("DROP TABLE changing").await.expect("dropped");
            assert_eq!(pool.stats().discards, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn dropping_all_plans_spoils_no_later_statement() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let again = async |after: &str| {
            let one = sqlx::query_scalar::<_, i32>("SELECT $1::int4").bind(1).fetch_one(&pool).await;
            assert_eq!(one.unwrap_or_else(|error| panic!("after {after}: {error}")), 1);
        };
        for sql in ["DEALLOCATE ALL", "DISCARD ALL", "DISCARD PLANS; DEALLOCATE PREPARE ALL"] {
            again("nothing").await;
            // DISCARD ALL in a message of several is refused by the server, so each way is by itself.
            pool.execute(sqlx::raw_sql(sql)).await.expect("run");
            again(&format!("{sql} by pool")).await;
            let mut lease = pool.acquire().await.expect("a lease");
            (&mut lease).execute(sqlx::raw_sql(sql)).await.expect("run");
            // One may fail, since the driver learns from it that the plan is gone.
            let _ = sqlx::query("SELECT $1::int4").bind(1).execute(&mut lease).await;
            sqlx::query("SELECT $1::int4").bind(1).execute(&mut lease).await.expect("planned anew");
            drop(lease);
            again(&format!("{sql} by lease")).await;
            let mut lease = pool.acquire().await.expect("a lease");
            (&mut *lease).execute(sqlx::raw_sql(sql)).await.expect("run");
            drop(lease);
            again(&format!("{sql} on the bare connection")).await;
        }
    })
    .await;
}

#[tokio::test]
async fn durations_without_end_are_for_ever() {
    fresh_db(|db| async move {
        let max = Duration::MAX;
        for (name, config) in [
            ("max_lifetime", config(&db, 1).max_lifetime(max)),
            ("idle_timeout", config(&db, 1).idle_timeout(max)),
            ("aging", config(&db, 1).aging(max)),
            ("check_after", config(&db, 1).check_after(max)),
            ("reset_timeout", config(&db, 1).reset_timeout(max)),
            ("slow_threshold", config(&db, 1).slow_threshold(max)),
            ("leak_threshold", config(&db, 1).leak_threshold(max)),
            ("acquire_timeout", config(&db, 1).acquire_timeout(max)),
        ] {
            let pool = Pool::connect(&config).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let lease = pool.acquire().await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let waits = tokio::spawn({
                let pool = pool.clone();
                async move { sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&pool).await }
            });
            eventually("it waits", || async { pool.stats().waiting == 1 }).await;
            drop(lease);
            let one = waits.await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(one.unwrap_or_else(|error| panic!("{name}: {error}")), 1);
            pool.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_statement_timeout_is_one_that_the_server_can_count() {
    fresh_db(|db| async move {
        for (limit, counted) in [
            (Duration::from_micros(500), Some("1ms")),
            (Duration::from_nanos(1), Some("1ms")),
            (MS * 1500, Some("1500ms")),
            (MS * i32::MAX.unsigned_abs(), Some("2147483647ms")),
            (MS * (i32::MAX.unsigned_abs() + 1), None),
            (Duration::MAX, None),
        ] {
            let config = config(&db, 1).statement_timeout(limit);
            let Some(counted) = counted else {
                let refused = Pool::connect(&config).await.expect_err("it cannot be counted");
                assert!(matches!(refused, Error::Config { .. }), "{limit:?}: {refused:?}");
                continue;
            };
            let pool = Pool::connect(&config).await.unwrap_or_else(|error| panic!("{limit:?}: {error:?}"));
            let mut lease = pool.acquire().await.expect("a lease");
            // The bare connection, so that nothing but the server watches; and a statement of which it ends none.
            let shown = sqlx::query_scalar::<_, String>("SHOW statement_timeout").fetch_one(&mut *lease);
            match shown.await {
                Ok(shown) => assert!(same(&shown, counted), "{limit:?}: {shown}"),
                // A millisecond may be over before the answer is there.
                Err(error) => assert_eq!(
                    (error.as_database_error().and_then(|error| error.code()).as_deref(), counted),
                    (Some("57014"), "1ms")
                ),
            }
        }
    })
    .await;
}

/// The server shows the largest unit that divides the value.
fn same(shown: &str, counted: &str) -> bool {
    shown == counted
        || shown.strip_suffix("min").is_some_and(|minutes| {
            minutes.parse::<u64>().is_ok_and(|minutes| format!("{}ms", minutes * 60_000) == counted)
        })
}

#[tokio::test]
async fn a_setting_made_through_its_view_is_not_the_next_one_s() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let setting = "SELECT setting FROM pg_settings WHERE name = 'work_mem'";
        let before: String = sqlx::query_scalar(setting).fetch_one(&pool).await.expect("read");
        for sql in [
            "UPDATE pg_settings SET setting = '77' WHERE name = 'work_mem'",
            "update pg_catalog.pg_settings set setting = '77' where name = 'work_mem'",
            "UPDATE \"pg_settings\" SET setting = '77' WHERE name = 'work_mem'",
        ] {
            pool.execute(sql).await.expect("set");
            let after: String = sqlx::query_scalar(setting).fetch_one(&pool).await.expect("read");
            assert_eq!(after, before, "{sql}");
        }
    })
    .await;
}

#[tokio::test]
async fn after_one_failure_the_other_idle_connections_are_looked_at_first() {
    fresh_db(|db| async move {
        let pool = pool(&db, 4).await;
        let leases =
            [pool.acquire().await, pool.acquire().await, pool.acquire().await, pool.acquire().await];
        assert!(leases.iter().all(Result::is_ok), "four of four");
        drop(leases);
        eventually("all idle", || async { pool.stats().idle == 4 }).await;
        let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let ended: i64 = sqlx::query_scalar(end).fetch_one(&mut db.connect().await).await.expect("ended");
        assert!(ended >= 4, "{ended}");
        let mut failed = 0;
        for _ in 0..6 {
            failed += u32::from(sqlx::query("SELECT 1").execute(&pool).await.is_err());
        }
        assert!(failed <= 1, "{failed} statements failed");
    })
    .await;
}
