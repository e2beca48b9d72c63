//! Answers of statements that are kept until a commit changes what they read.

use db_embedded::{Mode, Options, Redis};
use db_facade::{
    Database,
    db_cache::{Event, Seen},
    db_config::{Config, Loader},
    db_query::{Select, Statement, asc, col, count_all, func, now},
};
use db_testkit::{FreshDb, eventually, fresh_db};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, sqlx::FromRow)]
struct Item {
    id: i64,
    name: String,
}

fn config(url: &str, more: &[(&str, &str)]) -> Config {
    let variables = [("DATABASE_URL", url)].into_iter().chain(more.iter().copied());
    Loader::new().env(variables).load().expect("valid")
}

async fn open(fresh: &FreshDb, more: &[(&str, &str)]) -> Database {
    Database::builder().config(config(fresh.url(), more)).build().await.expect("connected")
}

/// A database with a table of items, which is watched.
async fn shop(fresh: &FreshDb) -> PgConnection {
    let mut conn = fresh.connect().await;
    let table = "CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL); \
        CREATE TABLE notes (id bigint PRIMARY KEY); \
        CREATE VIEW first_items AS SELECT * FROM items WHERE id < 3; \
        INSERT INTO items VALUES (1, 'one'), (2, 'two'), (3, 'three')";
    sqlx::raw_sql(table).execute(&mut conn).await.expect("made");
    let db = open(fresh, &[]).await;
    let mut tx = conn.begin().await.expect("a transaction");
    db.cache().watch_tables(&mut tx, &["items"]).await.expect("watched");
    tx.commit().await.expect("committed");
    conn
}

fn items(from: &str, least: i64) -> Statement {
    let statement = Select::from(from).columns(["id", "name"]).filter(col("id").ge(least));
    statement.order_by(asc("id")).build().expect("a statement")
}

async fn names(db: &Database, statement: &Statement) -> Vec<String> {
    let rows = db.query(statement).cached(LONG).all::<Item>().await.expect("an answer");
    rows.iter().map(|item| item.name.clone()).collect()
}

/// How many statements have run on the pool's connections.
async fn scans(conn: &mut PgConnection) -> i64 {
    // Counts are told some time after.
    sqlx::raw_sql("SELECT pg_stat_force_next_flush()").execute(&mut *conn).await.expect("asked");
    let scans = "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'items'";
    sqlx::query_scalar(scans).fetch_one(conn).await.expect("there")
}

#[tokio::test]
async fn an_answer_is_kept_until_whoever_changes_what_it_reads() {
    fresh_db(async |fresh| {
        let mut conn = shop(&fresh).await;
        let db = open(&fresh, &[]).await;
        for from in ["items", "first_items"] {
            let statement = items(from, 2);
            let before = names(&db, &statement).await;
            assert_eq!(before[0], "two");
            let first = db.query(&statement).cached(LONG).all::<Item>().await.expect("an answer");
            let second = db.query(&statement).cached(LONG).all::<Item>().await.expect("an answer");
            assert!(std::sync::Arc::ptr_eq(&first, &second), "{from}: it is the same one");
            assert_eq!(db.uncached_queries(), 0);
            let mut tx = conn.begin().await.expect("a transaction");
            sqlx::raw_sql("UPDATE items SET name = 'zwei' WHERE id = 2")
                .execute(&mut *tx)
                .await
                .expect("changed");
            let seen = Seen::of(&mut tx).await.expect("its number");
            assert_eq!(names(&db, &statement).await[0], "two", "it has not committed");
            tx.commit().await.expect("committed");
            assert!(db.has_seen(seen, SOON).await);
            assert_eq!(names(&db, &statement).await[0], "zwei", "{from}");
            sqlx::raw_sql("UPDATE items SET name = 'two' WHERE id = 2")
                .execute(&mut conn)
                .await
                .expect("changed");
            eventually("the change back is heard of", async || names(&db, &statement).await[0] == "two")
                .await;
        }
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn other_values_and_other_types_are_other_answers() {
    fresh_db(async |fresh| {
        let _conn = shop(&fresh).await;
        let db = open(&fresh, &[]).await;
        assert_eq!(names(&db, &items("items", 2)).await, ["two", "three"]);
        assert_eq!(names(&db, &items("items", 3)).await, ["three"]);
        let one = items("items", 3);
        let pair = db.query(&one).cached(LONG).all::<(i64, String)>().await.expect("an answer");
        assert_eq!(*pair, [(3, "three".to_owned())]);
        let first = db.query(&one).cached(LONG).optional::<Item>().await.expect("an answer");
        assert_eq!(first.expect("one").id, 3);
        let none = db.query(&items("items", 9)).cached(LONG).optional::<Item>().await.expect("an answer");
        assert_eq!(none, None);
        assert_eq!(db.uncached_queries(), 0);
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_told_untrue_is_not_kept() {
    fresh_db(async |fresh| {
        let mut conn = shop(&fresh).await;
        let db = open(&fresh, &[]).await;
        let notes = Select::from("notes").columns(count_all().alias("n")).build().expect("a statement");
        let varying =
            Select::from("items").columns(func("random", ()).alias("n")).build().expect("a statement");
        for n in 0..2_i64 {
            let counted = db.query(&notes).cached(LONG).all::<(i64,)>().await.expect("an answer");
            assert_eq!(*counted, [(n,)], "nobody watches it");
            sqlx::query("INSERT INTO notes VALUES ($1)").bind(n).execute(&mut conn).await.expect("inserted");
        }
        let random = db.query(&varying).cached(LONG).all::<(f64,)>().await.expect("an answer");
        assert_ne!(random, db.query(&varying).cached(LONG).all::<(f64,)>().await.expect("an answer"));
        let timed = Select::from("items").columns(now().alias("n")).limit(1).build().expect("a statement");
        for _ in 0..2 {
            let told = db.query(&timed).cached(LONG).all::<(i64,)>().await;
            assert!(told.is_err(), "a time is no number, and it was asked for");
        }
        assert_eq!(db.uncached_queries(), 6);
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn without_our_tables_it_runs_uncached() {
    db_testkit::empty_db(async |fresh| {
        let mut conn = fresh.connect().await;
        let table = "CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL); \
            INSERT INTO items VALUES (1, 'one')";
        sqlx::raw_sql(table).execute(&mut conn).await.expect("made");
        let db = open(&fresh, &[]).await;
        assert!(!db.follow_changes(Duration::from_millis(1)).await);
        assert_eq!(names(&db, &items("items", 1)).await, ["one"]);
        assert_eq!(db.uncached_queries(), 1);
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn processes_share_it_where_the_configuration_says() {
    fresh_db(async |fresh| {
        let mut conn = shop(&fresh).await;
        let redis = Redis::start(Options::new(Mode::Ephemeral)).await.expect("a Redis");
        let redis_url = redis.url().expose().to_owned();
        for more in [&[("DB_CACHE_STORE", "postgres")][..], &[("REDIS_URL", redis_url.as_str())]] {
            let (one, other) = (open(&fresh, more).await, open(&fresh, more).await);
            let statement = items("items", 2);
            let told = names(&one, &statement).await;
            assert_eq!(told, names(&other, &statement).await);
            let before = scans(&mut conn).await;
            let third = open(&fresh, more).await;
            assert_eq!(names(&third, &statement).await, told);
            assert_eq!(scans(&mut conn).await, before, "{more:?}: the database was not asked");
            sqlx::raw_sql("UPDATE items SET name = name || '!'").execute(&mut conn).await.expect("changed");
            for db in [&one, &other, &third] {
                eventually("it is heard of", async || names(db, &statement).await[0].len() > told[0].len())
                    .await;
                assert_eq!(db.uncached_queries(), 0);
            }
            let health = one.health().await;
            assert_eq!(health.status.as_str(), "healthy", "{health:?}");
            for db in [one, other, third] {
                db.close().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_away_is_no_error() {
    fresh_db(async |fresh| {
        let mut conn = shop(&fresh).await;
        let more = [("REDIS_URL", "redis://127.0.0.1:1"), ("REDIS_DEFAULT_TTL", "77")];
        let db = open(&fresh, &more).await;
        assert_eq!(db.cache_policy().ttl, Duration::from_secs(77));
        assert_eq!(names(&db, &items("items", 3)).await, ["three"]);
        sqlx::raw_sql("UPDATE items SET name = 'drei' WHERE id = 3")
            .execute(&mut conn)
            .await
            .expect("changed");
        eventually("it is heard of", async || names(&db, &items("items", 3)).await == ["drei"]).await;
        let health = db.health().await;
        assert_eq!(health.status.as_str(), "degraded", "{health:?}");
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_application_that_no_key_can_begin_with_is_refused() {
    fresh_db(async |fresh| {
        let config = config(fresh.url(), &[("DB_CACHE_APPLICATION", "My Shop")]);
        let error = Database::builder().config(config).build().await.expect_err("refused").to_string();
        assert_eq!(
            error,
            "cache.application = My Shop cannot be served: keys begin with it: use a-z, 0-9, `_`, `-` and `.`, 64 letters at most"
        );
    })
    .await;
}

#[tokio::test]
async fn however_many_statements_miss_at_once_all_are_answered() {
    fresh_db(async |fresh| {
        let _conn = shop(&fresh).await;
        let db = open(&fresh, &[]).await;
        assert_eq!(names(&db, &items("items", 3)).await, ["three"]);
        let asked: Vec<_> = (-200..0)
            .map(|least| {
                let db = db.clone();
                tokio::spawn(async move { names(&db, &items("items", least)).await.len() })
            })
            .collect();
        for rows in asked {
            assert_eq!(rows.await.expect("no panic"), 3);
        }
        assert_eq!(db.uncached_queries(), 0);
        let clone = db.clone();
        db.close().await;
        assert!(!clone.follow_changes(Duration::from_millis(1)).await, "a closed handle follows nothing");
    })
    .await;
}

#[tokio::test]
async fn what_one_process_publishes_another_hears() {
    fresh_db(async |fresh| {
        let redis = Redis::start(Options::new(Mode::Ephemeral)).await.expect("a Redis");
        let redis_url = redis.url().expose().to_owned();
        for more in [&[][..], &[("REDIS_URL", redis_url.as_str())]] {
            let (one, other) = (open(&fresh, more).await, open(&fresh, more).await);
            let mut heard =
                other.topics().topic::<u64>("paid").expect("a name").subscribe().await.expect("it listens");
            one.topics().topic::<u64>("paid").expect("a name").publish(&7).await.expect("published");
            let event = tokio::time::timeout(SOON, heard.next()).await.expect("in time");
            assert_eq!(event, Event::Message(7), "{more:?}");
            drop(heard);
            one.close().await;
            other.close().await;
        }
    })
    .await;
}
