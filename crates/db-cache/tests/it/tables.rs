//! Tables that tell of their changes, whoever makes them.

use crate::common::{Away, Source, cache, plain, store};
use db_cache::{Cache, Follow, Following, Namespace, Query, Reads, Seen, TableError, TableTag, Why};
use db_core::{KeyValue, Put, Version};
use db_testkit::{FreshDb, eventually, fresh_db};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const TABLES: &str = "CREATE SCHEMA shop; \
    CREATE TABLE shop.items (id bigint PRIMARY KEY, price bigint NOT NULL); \
    CREATE TABLE shop.lines (item bigint REFERENCES shop.items ON DELETE CASCADE); \
    CREATE TABLE orders (id bigint, made date) PARTITION BY RANGE (made); \
    CREATE TABLE orders_old PARTITION OF orders FOR VALUES FROM ('2000-01-01') TO ('2020-01-01'); \
    CREATE TABLE orders_new PARTITION OF orders DEFAULT; \
    CREATE VIEW shop.dear AS SELECT * FROM shop.items WHERE price > 100; \
    CREATE VIEW shop.dearest AS SELECT dear.*, lines.item FROM shop.dear JOIN shop.lines ON item = id; \
    CREATE VIEW shop.soon AS SELECT * FROM shop.items WHERE price < extract(epoch FROM now()); \
    CREATE VIEW shop.own AS SELECT * FROM shop.items WHERE current_user <> ''; \
    CREATE TABLE parent (id bigint); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1); \
    CREATE MATERIALIZED VIEW sums AS SELECT sum(price) FROM shop.items; \
    CREATE TABLE secrets (id bigint); ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; \
    CREATE TEMP TABLE mine (id bigint); \
    INSERT INTO shop.items VALUES (1, 10), (2, 20); INSERT INTO shop.lines VALUES (2)";

struct Process {
    numbers: Namespace<u64>,
    following: Following,
}

async fn process(db: &FreshDb, store: Option<&Arc<Away>>) -> Process {
    let cache = store.map_or_else(|| Cache::builder("app").build().expect("a name"), cache);
    let numbers = cache.namespace("number", plain(Duration::from_secs(3600))).expect("a policy");
    let following = cache.follow(db.url().parse().expect("a URL"), Follow::default());
    assert!(following.is_following(SOON).await);
    Process { numbers, following }
}

/// A database whose tables tell the application `app` of their changes.
async fn watched(db: &FreshDb) -> PgConnection {
    let mut conn = db.connect().await;
    sqlx::raw_sql(TABLES).execute(&mut conn).await.expect("made");
    let cache = Cache::builder("app").build().expect("a name");
    let mut tx = conn.begin().await.expect("a transaction");
    let watched =
        cache.watch_tables(&mut tx, &["shop.items", "shop.lines", "orders", "parent"]).await.expect("there");
    let expected = ["shop.items", "shop.lines", "orders", "orders_old", "orders_new", "parent", "child"];
    assert_eq!(watched.tables, expected);
    tx.commit().await.expect("committed");
    conn
}

async fn reads(conn: &mut PgConnection, relations: &[&str], functions: &[&str]) -> Reads {
    let cache = Cache::builder("app").build().expect("a name");
    cache.reads(conn, Query { relations, functions }).await.expect("the catalogue is there")
}

async fn tags(conn: &mut PgConnection, relations: &[&str]) -> Vec<TableTag> {
    match reads(conn, relations, &[]).await {
        Reads::Told(told) => told.tags,
        Reads::Untold(why) => panic!("{why:?}"),
    }
}

async fn load(process: &Process, tags: &[TableTag], source: &Arc<Source>) -> Option<u64> {
    let source = Arc::clone(source);
    let tagged = process.numbers.tagged(tags).expect("few");
    tagged.get_or_load("k", move || source.ask()).await.expect("a value").map(|value| *value)
}

const COPY: &str = "COPY shop.lines FROM STDIN";

async fn run(conn: &mut PgConnection, sql: &str) {
    if sql == COPY {
        let mut copy = conn.copy_in_raw(COPY).await.expect("it may be copied to");
        copy.send(&b"1\n"[..]).await.expect("sent");
        assert_eq!(copy.finish().await.expect("copied"), 1);
        return;
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test]
async fn every_way_to_change_a_table_is_told() {
    fresh_db(async |db| {
        let mut conn = watched(&db).await;
        let one = process(&db, None).await;
        let source = Source::new();
        let lines = tags(&mut conn, &["shop.lines"]).await;
        let orders = tags(&mut conn, &["orders"]).await;
        let both = [lines, orders].concat();
        for (times, change) in [
            "INSERT INTO shop.lines VALUES (1)",
            "UPDATE shop.lines SET item = 2 WHERE item = 1",
            "DELETE FROM shop.items WHERE id = 2",
            COPY,
            "MERGE INTO shop.lines USING (VALUES (1)) AS v(n) ON item = n WHEN MATCHED THEN DELETE",
            "INSERT INTO orders VALUES (1, '2010-01-01')",
            "UPDATE orders_old SET id = 2",
            "DELETE FROM orders WHERE id = 2",
            "TRUNCATE shop.lines",
            "WITH made AS (INSERT INTO shop.lines VALUES (1) RETURNING item) SELECT * FROM made",
            "SET session_replication_role = replica; DELETE FROM shop.lines; RESET session_replication_role",
            "BEGIN; INSERT INTO shop.lines VALUES (1); SAVEPOINT a; DELETE FROM shop.lines; ROLLBACK TO a; COMMIT",
            "BEGIN; SAVEPOINT a; DELETE FROM shop.lines; ROLLBACK TO a; DELETE FROM shop.lines; COMMIT",
        ]
        .into_iter()
        .enumerate()
        {
            let loaded = load(&one, &both, &source).await;
            assert_eq!(load(&one, &both, &source).await, loaded, "it is kept until {change}");
            run(&mut conn, change).await;
            eventually(change, async || load(&one, &both, &source).await != loaded).await;
            assert_eq!(one.following.followed().gaps, 0, "{times}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_changes_nothing_is_not_told() {
    fresh_db(async |db| {
        drop(watched(&db).await);
        // The server counts the changes of a session for a second or so: this one has made none.
        let mut conn = db.connect().await;
        for nothing in [
            "UPDATE shop.items SET price = 1 WHERE id = 77",
            "DELETE FROM shop.items WHERE id = 77",
            "INSERT INTO shop.items SELECT 7, 7 WHERE false",
            "SELECT * FROM shop.items FOR UPDATE",
        ] {
            run(&mut conn, nothing).await;
            let told: i64 = sqlx::query_scalar("SELECT count(*) FROM cache_invalidations")
                .fetch_one(&mut conn)
                .await
                .expect("there");
            assert_eq!(told, 0, "{nothing}");
        }
        run(&mut conn, "BEGIN; UPDATE shop.items SET price = 1; ROLLBACK").await;
        run(&mut conn, "BEGIN; UPDATE shop.items SET price = 1; UPDATE shop.items SET price = 2; COMMIT")
            .await;
        let told: i64 = sqlx::query_scalar("SELECT count(*) FROM cache_invalidations")
            .fetch_one(&mut conn)
            .await
            .expect("there");
        assert_eq!(told, 1, "once for a transaction, and for none that was rolled back");
    })
    .await;
}

#[tokio::test]
async fn the_shared_store_has_it_no_more_once_it_is_heard_of() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let mut conn = watched(&db).await;
        let (one, other) = (process(&db, Some(&store)).await, process(&db, Some(&store)).await);
        let items = tags(&mut conn, &["shop.items"]).await;
        assert_eq!(load(&one, &items, &source).await, Some(1));
        assert_eq!(load(&other, &items, &source).await, Some(1));
        run(&mut conn, "UPDATE shop.items SET price = price + 1").await;
        eventually("one has heard", async || one.following.followed().changes == 1).await;
        assert_eq!(load(&one, &items, &source).await, Some(2));
        eventually("the other has heard", async || load(&other, &items, &source).await == Some(2)).await;
        let open = "SELECT count(*) FROM cache_invalidations WHERE applied_at IS NULL";
        eventually("it is noted as removed", async || {
            let mut conn = db.connect().await;
            sqlx::query_scalar::<_, i64>(open).fetch_one(&mut conn).await.expect("there") == 0
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_nobody_heard_of_is_removed_before_the_first_that_comes_reads() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let mut conn = watched(&db).await;
        let items = tags(&mut conn, &["shop.items"]).await;
        let gone = process(&db, Some(&store)).await;
        assert_eq!(load(&gone, &items, &source).await, Some(1));
        drop(gone);
        run(&mut conn, "UPDATE shop.items SET price = price + 1").await;
        let next = process(&db, Some(&store)).await;
        assert_eq!(load(&next, &items, &source).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn while_the_store_is_away_nothing_of_it_is_given_out_after() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let mut conn = watched(&db).await;
        let items = tags(&mut conn, &["shop.items"]).await;
        let one = process(&db, Some(&store)).await;
        assert_eq!(load(&one, &items, &source).await, Some(1));
        store.goes();
        run(&mut conn, "UPDATE shop.items SET price = price + 1").await;
        eventually("it has heard", async || one.following.followed().changes == 1).await;
        store.comes_back();
        assert_eq!(load(&one, &items, &source).await, Some(2), "removed before it is read");
    })
    .await;
}

#[tokio::test]
async fn a_view_reads_what_is_behind_it() {
    fresh_db(async |db| {
        let mut conn = watched(&db).await;
        let both = tags(&mut conn, &["shop.items", "shop.lines"]).await;
        assert_eq!(tags(&mut conn, &["shop.dearest"]).await, both);
        assert_eq!(tags(&mut conn, &["orders"]).await.len(), 1, "with its partitions");
        assert_eq!(tags(&mut conn, &[]).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_does_not_tell_is_named() {
    fresh_db(async |db| {
        let mut conn = watched(&db).await;
        for (relations, functions, expected) in [
            (&["tasks"][..], &[][..], "tasks does not tell of its changes: run `db cache watch tasks`"),
            (&["nowhere"], &[], "nowhere is unknown"),
            (&["shop.dear", "sums"], &[], "sums is a materialized view, which is changed without a word"),
            (&["shop.soon"], &[], "shop.soon may answer otherwise the next time"),
            (&["shop.own"], &[], "shop.own may answer otherwise the next time"),
            (&["mine"], &[], "mine is a temporary table, which others do not have"),
            (
                &["secrets"],
                &[],
                "secrets is a table with row-level security: what one may read is hidden from another",
            ),
            (&[], &["clock_timestamp"], "clock_timestamp() may answer otherwise the next time"),
            (&[], &["pg_catalog.random"], "pg_catalog.random() may answer otherwise the next time"),
        ] {
            match reads(&mut conn, relations, functions).await {
                Reads::Untold(untold) => {
                    assert_eq!(untold.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
                }
                Reads::Told(told) => panic!("{expected}: {told:?}"),
            }
        }
        assert!(matches!(reads(&mut conn, &[], &["lower"]).await, Reads::Told(told) if told.tags.is_empty()));
    })
    .await;
}

#[tokio::test]
async fn only_this_application_is_told_until_it_is_told_no_more() {
    fresh_db(async |db| {
        let mut conn = watched(&db).await;
        let other = Cache::builder("other").build().expect("a name");
        let query = Query { relations: &["shop.items"], functions: &[] };
        let untold = other.reads(&mut conn, query).await.expect("the catalogue is there");
        assert!(matches!(&untold, Reads::Untold(untold) if untold[0].why == Why::Unwatched), "{untold:?}");
        let app = Cache::builder("app").build().expect("a name");
        let mut tx = conn.begin().await.expect("a transaction");
        assert_eq!(app.watched_tables(&mut tx).await.expect("there").tables.len(), 7);
        app.unwatch_tables(&mut tx, &["shop.items", "orders", "parent"]).await.expect("there");
        assert_eq!(app.watched_tables(&mut tx).await.expect("there").tables, ["shop.lines"]);
        tx.commit().await.expect("committed");
        assert!(matches!(reads(&mut conn, &["shop.items"], &[]).await, Reads::Untold(_)));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_tell_is_refused() {
    fresh_db(async |db| {
        let mut conn = watched(&db).await;
        let app = Cache::builder("app").build().expect("a name");
        for (table, expected) in [
            ("nowhere", "there is no table \"nowhere\""),
            ("shop.dear", "shop.dear cannot tell of its changes: it is a view"),
            ("sums", "sums cannot tell of its changes: it is a materialized view"),
            ("items\"; DROP TABLE secrets; --", "there is no table"),
        ] {
            let mut tx = conn.begin().await.expect("a transaction");
            let error: TableError = app.watch_tables(&mut tx, &[table]).await.expect_err(table);
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_may_only_write_to_the_table_is_enough() {
    fresh_db(async |db| {
        let mut conn = watched(&db).await;
        let role = format!("writer_{:x}", rand::random::<u64>());
        run(
            &mut conn,
            &format!(
                "CREATE ROLE {role}; GRANT USAGE ON SCHEMA shop TO {role}; \
            GRANT INSERT ON shop.lines TO {role}; SET ROLE {role}; \
            CREATE TEMP TABLE cache_invalidations (keys text[]); \
            INSERT INTO shop.lines VALUES (1); RESET ROLE; DROP TABLE pg_temp.cache_invalidations; \
            DROP OWNED BY {role}; DROP ROLE {role}"
            ),
        )
        .await;
        let told: i64 = sqlx::query_scalar("SELECT count(*) FROM cache_invalidations")
            .fetch_one(&mut conn)
            .await
            .expect("there");
        assert_eq!(told, 1, "into the table that is meant");
    })
    .await;
}

#[tokio::test]
async fn one_of_a_family_is_changed_through_the_others() {
    fresh_db(async |db| {
        let mut conn = watched(&db).await;
        let (one, source) = (process(&db, None).await, Source::new());
        for (read, change) in [
            ("orders_old", "INSERT INTO orders VALUES (1, '2010-01-01')"),
            ("orders", "INSERT INTO orders_new VALUES (1, '2030-01-01')"),
            ("parent", "UPDATE parent SET id = 2"),
            ("child", "UPDATE parent SET id = 3"),
            ("parent", "INSERT INTO child VALUES (4)"),
        ] {
            let tags = tags(&mut conn, &[read]).await;
            let before = load(&one, &tags, &source).await;
            let mut tx = conn.begin().await.expect("a transaction");
            run(&mut tx, change).await;
            let seen = Seen::of(&mut tx).await.expect("its number");
            tx.commit().await.expect("committed");
            assert!(one.following.has_seen(seen, SOON).await);
            assert_ne!(load(&one, &tags, &source).await, before, "{read} after {change}");
            one.numbers.delete("k").await.expect("there is no store");
        }
    })
    .await;
}

#[tokio::test]
async fn serializable_writers_of_different_tables_do_not_meet() {
    fresh_db(async |db| {
        drop(watched(&db).await);
        let mut sessions = Vec::new();
        for change in [
            "UPDATE shop.items SET price = price + 1",
            "INSERT INTO shop.lines VALUES (1)",
            "INSERT INTO child VALUES (7)",
        ] {
            let mut conn = db.connect().await;
            run(&mut conn, "BEGIN ISOLATION LEVEL SERIALIZABLE").await;
            run(&mut conn, change).await;
            sessions.push(conn);
        }
        for conn in sessions.iter_mut().rev() {
            run(conn, "COMMIT").await;
        }
    })
    .await;
}

#[tokio::test]
async fn another_application_does_not_note_it_as_removed() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let mut conn = watched(&db).await;
        let items = tags(&mut conn, &["shop.items"]).await;
        let one = process(&db, Some(&store)).await;
        assert_eq!(load(&one, &items, &source).await, Some(1));
        let other = Cache::builder("reports").build().expect("a name");
        let mut how = Follow::default();
        (how.look_every, how.kept_for) = (Duration::from_millis(20), Duration::from_millis(50));
        let other = other.follow(db.url().parse().expect("a URL"), how);
        let without =
            Cache::builder("app").build().expect("a name").follow(db.url().parse().expect("a URL"), how);
        assert!(other.is_following(SOON).await && without.is_following(SOON).await);
        drop(one);
        let mut tx = conn.begin().await.expect("a transaction");
        run(&mut tx, "UPDATE shop.items SET price = 2").await;
        let seen = Seen::of(&mut tx).await.expect("its number");
        tx.commit().await.expect("committed");
        assert!(other.has_seen(seen, SOON).await && without.has_seen(seen, SOON).await);
        let again = process(&db, Some(&store)).await;
        assert_eq!(load(&again, &items, &source).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn a_mark_of_another_history_is_not_believed() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let mut conn = watched(&db).await;
        let items = tags(&mut conn, &["shop.items"]).await;
        let oid: i64 = sqlx::query_scalar("SELECT 'shop.items'::regclass::oid::bigint")
            .fetch_one(&mut conn)
            .await
            .expect("there");
        let key = format!("app:%tag:table:{oid}");
        let value = b"999.00000009/999999999:999999999:";
        let mark = Put { key: &key, value, version: Version(7), ttl: Duration::from_secs(3600) };
        store.set_multi(&[mark]).await.expect("there");
        let one = process(&db, Some(&store)).await;
        assert_eq!(load(&one, &items, &source).await, Some(1));
        let mut tx = conn.begin().await.expect("a transaction");
        run(&mut tx, "UPDATE shop.items SET price = 2").await;
        let seen = Seen::of(&mut tx).await.expect("its number");
        tx.commit().await.expect("committed");
        assert!(one.following.has_seen(seen, SOON).await);
        assert_eq!(load(&one, &items, &source).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn so_many_changes_at_once_that_they_take_several_looks_are_all_heard_of() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let mut conn = watched(&db).await;
        let items = tags(&mut conn, &["shop.items"]).await;
        let one = process(&db, Some(&store)).await;
        assert_eq!(load(&one, &items, &source).await, Some(1));
        let mut tx = conn.begin().await.expect("a transaction");
        let many = "INSERT INTO cache_invalidations (keys) \
            SELECT ARRAY['app:%tag:table:1'] FROM generate_series(1, 11000)";
        run(&mut tx, many).await;
        run(&mut tx, "UPDATE shop.items SET price = 2").await;
        run(&mut tx, many).await;
        let seen = Seen::of(&mut tx).await.expect("its number");
        tx.commit().await.expect("committed");
        assert!(one.following.has_seen(seen, SOON).await);
        assert_eq!(load(&one, &items, &source).await, Some(2));
        assert_eq!(one.following.followed().gaps, 0);
    })
    .await;
}

#[tokio::test]
async fn the_same_query_in_another_scope_is_another_one() {
    fresh_db(async |db| {
        let mut conn = watched(&db).await;
        let mut scopes = Vec::new();
        for scope in ["RESET search_path", "SET search_path = shop, public", "SET ROLE pg_read_all_data"] {
            run(&mut conn, scope).await;
            match reads(&mut conn, &["shop.items"], &[]).await {
                Reads::Told(told) => scopes.push(told.scope),
                Reads::Untold(why) => panic!("{why:?}"),
            }
        }
        scopes.dedup();
        assert_eq!(scopes.len(), 3, "{scopes:?}");
    })
    .await;
}
