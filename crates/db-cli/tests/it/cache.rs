//! `db cache` as whoever looks after a service uses it.

use crate::{Answer, db, expect, folder};
use db_embedded::{Mode, Options, Redis};
use db_facade::{
    Database,
    db_cache::{Encoding, Namespace, Policy},
    db_config::Loader,
};
use db_testkit::{FreshDb, empty_db, eventually, fresh_db};
use serde_json::json;
use sqlx::{Connection, Executor};
use std::{process::Command, time::Duration};

const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(3600);

type Env<'a> = &'a [(&'a str, &'a str)];
const IN_POSTGRES: Env<'_> = &[("DB_CACHE_STORE", "postgres")];

/// `db cache` on this database with these variables.
fn cache(fresh: &FreshDb, env: Env<'_>, arguments: &[&str]) -> Answer {
    let folder = folder();
    command(fresh, env, folder.path(), arguments).output().expect("the binary runs").into()
}

fn command(fresh: &FreshDb, env: Env<'_>, folder: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = db(folder, [&["cache"], arguments].concat());
    command.env("DATABASE_URL", fresh.url()).envs(env.iter().copied());
    command
}

async fn open(fresh: &FreshDb, env: Env<'_>) -> Database {
    let variables = [("DATABASE_URL", fresh.url())].into_iter().chain(env.iter().copied());
    let config = Loader::new().env(variables).load().expect("valid");
    Database::builder().config(config).build().await.expect("connected")
}

fn prices(service: &Database, encoding: Encoding) -> Namespace<(u64, String)> {
    let mut policy = Policy::fresh_for(LONG);
    (policy.encoding, policy.jitter) = (encoding, 0.0);
    service.cache().namespace("price", policy).expect("a name")
}

async fn price(prices: &Namespace<(u64, String)>, now: u64) -> u64 {
    let load = move || async move { Ok::<_, std::io::Error>(Some((now, "eur".to_owned()))) };
    prices.get_or_load(("eur", 7), load).await.expect("a value").expect("a price").0
}

/// What every store is to show and to clear.
async fn is_shown_and_cleared(fresh: &FreshDb, env: Env<'_>, store: &str) {
    let service = open(fresh, env).await;
    assert!(service.follow_changes(SOON).await);
    let prices = prices(&service, Encoding::MessagePack);
    prices.tagged(["all"]).expect("a tag").set(("usd", 1), (5, "usd".to_owned())).await.expect("set");
    assert_eq!(price(&prices, 1).await, 1);

    let stats = cache(fresh, env, &["stats", "--json"]);
    assert_eq!(stats.code, Some(0), "{stats:?}");
    let stats = stats.json();
    assert_eq!((&stats["store"]["name"], &stats["store"]["entries"]), (&json!(store), &json!(3)), "{stats}");
    assert_eq!(stats["store"]["namespaces"][0]["namespace"], "price", "{stats}");
    assert_eq!(stats["store"]["namespaces"][0]["entries"], 2, "{stats}");
    assert!(stats["store"]["namespaces"][0]["bytes"].as_u64() > Some(60), "{stats}");
    assert_eq!(stats["store"]["namespaces"][1]["namespace"], "%tag", "{stats}");
    assert_eq!(
        (&stats["changes"]["unapplied"], &stats["watched_tables"]),
        (&json!(0), &json!([])),
        "{stats}"
    );
    expect(&cache(fresh, env, &["stats"]), 0, "%tag (marks of tags)");
    let none = cache(fresh, env, &["stats", "none", "--json"]).json();
    assert_eq!((&none["store"]["entries"], &none["store"]["namespaces"]), (&json!(0), &json!([])));

    let shown = cache(fresh, env, &["get", "price", "eur", "7", "--json"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let shown = shown.json();
    assert_eq!((&shown["value"], &shown["is_given_out"]), (&json!([1, "eur"]), &json!(true)), "{shown}");
    assert_eq!((&shown["encoding"], &shown["kind"]), (&json!("messagepack"), &json!("value")), "{shown}");
    expect(&cache(fresh, env, &["get", "price", "usd", "1"]), 0, "all: holds");
    expect(&cache(fresh, env, &["get", "price", "eur", "8"]), 3, "nothing is cached under eur 8 in price");
    assert_eq!(cache(fresh, env, &["get", "price", "eur", "8", "--json"]).json(), json!({ "found": false }));

    expect(&cache(fresh, env, &["clear", "price"]), 2, "say --yes");
    assert_eq!(price(&prices, 2).await, 1, "nothing was cleared");
    let cleared = cache(fresh, env, &["clear", "price", "--yes", "--json"]);
    assert_eq!(
        (cleared.code, cleared.json()),
        (Some(0), json!({ "cleared": true, "namespaces": ["price"], "removed": 2, "processes_told": true }))
    );
    // The service has a copy of its own, and is told.
    eventually("the service loads it anew", async || price(&prices, 3).await == 3).await;
    expect(&cache(fresh, env, &["clear", "--all", "--yes"]), 0, "everything of the application: cleared");
    eventually("the service loads it anew", async || price(&prices, 4).await == 4).await;
    let after = cache(fresh, env, &["stats", "--json"]).json();
    assert_eq!(
        (&after["store"]["entries"], &after["changes"]["unapplied"]),
        (&json!(1), &json!(0)),
        "{after}"
    );
    service.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_is_looked_into_and_cleared() {
    fresh_db(async |fresh| {
        let redis = Redis::start(Options::new(Mode::Ephemeral)).await.expect("Redis");
        let env: Env<'_> = &[("REDIS_URL", redis.url().expose())];
        is_shown_and_cleared(&fresh, env, "redis").await;
        let stats = cache(&fresh, env, &["stats", "--json"]).json();
        assert!(stats["store"]["server"]["used_memory"].is_string(), "{stats}");
        assert!(stats["store"]["place"].as_str().is_some_and(|place| place.contains("redis")), "{stats}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_looked_into_and_cleared() {
    fresh_db(async |fresh| is_shown_and_cleared(&fresh, IN_POSTGRES, "postgres").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_store_processes_are_told_all_the_same() {
    fresh_db(async |fresh| {
        let stats = cache(&fresh, &[], &["stats", "--json"]);
        assert_eq!((stats.code, &stats.json()["store"]), (Some(0), &json!(null)), "{stats:?}");
        expect(&cache(&fresh, &[], &["stats"]), 0, "set REDIS_URL, or DB_CACHE_STORE=postgres");
        expect(&cache(&fresh, &[], &["get", "price", "eur", "7"]), 2, "set REDIS_URL");
        let service = open(&fresh, &[]).await;
        assert!(service.follow_changes(SOON).await);
        let prices = prices(&service, Encoding::Json);
        assert_eq!(price(&prices, 1).await, 1);
        expect(
            &cache(&fresh, &[], &["clear", "price", "--yes"]),
            0,
            "no store is shared; processes that follow",
        );
        eventually("the service loads it anew", async || price(&prices, 2).await == 2).await;
        expect(&cache(&fresh, &[], &["clear", "No Name", "--yes"]), 2, "is no name of a namespace");
        expect(&cache(&fresh, &[], &["clear"]), 2, "NAMESPACES");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_told_and_the_change_waits() {
    fresh_db(async |fresh| {
        let env: Env<'_> = &[("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")];
        for command in [&["stats"][..], &["get", "price", "1"]] {
            let answer = cache(&fresh, env, command);
            expect(&answer, 1, "redis does not answer");
            assert!(!answer.stderr.contains("hunter2"), "{answer:?}");
        }
        expect(&cache(&fresh, env, &["clear", "price", "--yes"]), 1, "clear the store when it answers");
        let stats = cache(&fresh, &[], &["stats", "--json"]).json();
        assert_eq!(stats["changes"]["unapplied"], 1, "{stats}");
        assert!(stats["changes"]["oldest_unapplied_seconds"].is_number(), "{stats}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_watched_and_let_go() {
    fresh_db(async |fresh| {
        let at = |arguments: &[&str]| cache(&fresh, &[], arguments);
        fresh
            .connect()
            .await
            .execute("CREATE TABLE items (id int); CREATE VIEW seen AS TABLE items")
            .await
            .expect("made");
        expect(&at(&["tables"]), 0, "no table tells of its changes");
        expect(&at(&["watch", "items"]), 0, "items: tell of every change");
        assert_eq!(at(&["tables", "--json"]).json(), json!({ "tables": ["items"] }));
        assert_eq!(at(&["unwatch", "items", "--json"]).json(), json!({ "unwatched": ["items"] }));
        assert_eq!(at(&["tables", "--json"]).json(), json!({ "tables": [] }));
        expect(&at(&["watch", "items", "seen"]), 1, "seen cannot tell of its changes: it is a view");
        expect(&at(&["watch", "none"]), 1, "there is no table \"none\"");
        assert_eq!(at(&["tables", "--json"]).json(), json!({ "tables": [] }), "all or nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_holds_a_table_is_named() {
    fresh_db(async |fresh| {
        let mut conn = fresh.connect().await;
        conn.execute("CREATE TABLE items (id int); SET application_name = 'a report'").await.expect("made");
        let mut holds = conn.begin().await.expect("begun");
        holds.execute("INSERT INTO items VALUES (1)").await.expect("written");
        let folder = folder();
        let mut watch = command(&fresh, &[], folder.path(), &["watch", "items"]);
        let answer = tokio::task::spawn_blocking(move || Answer::from(watch.output().expect("runs")));
        let answer = answer.await.expect("joined");
        expect(&answer, 1, "no lock on the tables in 4 tries");
        expect(&answer, 1, "a report, idle in transaction");
        holds.rollback().await.expect("let go");
        expect(&cache(&fresh, &[], &["watch", "items"]), 0, "items: tell of every change");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_not_migrated_is_told() {
    empty_db(|fresh| async move {
        let at = |env: Env<'_>, arguments: &[&str]| cache(&fresh, env, arguments);
        for command in [&["watch", "pg_class"][..], &["unwatch", "pg_class"], &["tables"]] {
            expect(&at(&[], command), 1, "run `db migrate up`");
        }
        expect(&at(&[], &["stats"]), 0, "run `db migrate up`");
        expect(&at(&[], &["clear", "price", "--yes"]), 2, "run `db migrate up`");
        let redis = Redis::start(Options::new(Mode::Ephemeral)).await.expect("Redis");
        let env: Env<'_> = &[("REDIS_URL", redis.url().expose())];
        let service = open(&fresh, env).await;
        assert_eq!(price(&prices(&service, Encoding::Json), 1).await, 1);
        let cleared = at(env, &["clear", "price", "--yes"]);
        expect(&cleared, 0, "the shared store had 1 entries");
        expect(&cleared, 0, "processes keep their own copies for their local_ttl");
        service.close().await;
    })
    .await;
}
