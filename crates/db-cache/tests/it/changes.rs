//! What commits make untrue, heard of by every process.

use crate::common::{Away, Source, ms, plain, read, store};
use db_cache::{Cache, Follow, Following, Namespace, Seen};
use db_core::KeyValue;
use db_testkit::{FreshDb, eventually, fresh_db, server_url};
use sqlx::{Connection, PgConnection};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// A process that follows the database.
struct Process {
    numbers: Namespace<u64>,
    following: Following,
}

async fn process(db: &FreshDb, store: Option<&Arc<Away>>, change: impl FnOnce(&mut Follow)) -> Process {
    let builder = Cache::builder("app");
    let builder = match store {
        Some(store) => builder.shared(Arc::clone(store) as Arc<dyn KeyValue>),
        None => builder,
    };
    let cache = builder.build().expect("a name");
    let numbers = cache.namespace("number", plain(Duration::from_secs(3600))).expect("a policy");
    let mut how = Follow::default();
    change(&mut how);
    let following = cache.follow(db.url().parse().expect("a URL"), how);
    assert!(following.is_following(SOON).await);
    Process { numbers, following }
}

impl Process {
    /// Changes what the key stands for, and tells nobody but the database.
    async fn change(&self, conn: &mut PgConnection) -> Seen {
        let mut tx = conn.begin().await.expect("a transaction");
        let change = self.numbers.change(&mut tx, ["k"]).await.expect("written down");
        tx.commit().await.expect("committed");
        change.seen()
    }
}

#[tokio::test]
async fn a_commit_is_heard_of_everywhere_and_a_rollback_nowhere() {
    fresh_db(async |db| {
        let source = Source::new();
        let (one, other) = (process(&db, None, |_| {}).await, process(&db, None, |_| {}).await);
        assert_eq!(
            (read(&one.numbers, &source).await, read(&other.numbers, &source).await),
            (Some(1), Some(2))
        );
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let change = one.numbers.change(&mut tx, ["k"]).await.expect("written down");
        assert_eq!(read(&one.numbers, &source).await, Some(1), "it has not committed yet");
        tx.commit().await.expect("committed");
        let seen = change.committed().await.expect("there is no store");
        assert_eq!(read(&one.numbers, &source).await, Some(3), "whoever made it knows at once");
        assert!(other.following.has_seen(seen, SOON).await);
        assert_eq!(read(&other.numbers, &source).await, Some(4));

        let mut tx = conn.begin().await.expect("a transaction");
        drop(one.numbers.change(&mut tx, ["k"]).await.expect("written down"));
        tx.rollback().await.expect("rolled back");
        let last = one.change(&mut conn).await;
        assert!(other.following.has_seen(last, SOON).await);
        assert_eq!(other.following.followed().changes, 2);
    })
    .await;
}

#[tokio::test]
async fn a_change_that_was_written_early_and_committed_late_is_not_passed_over() {
    fresh_db(async |db| {
        let source = Source::new();
        let one = process(&db, None, |_| {}).await;
        let (mut early, mut late) = (db.connect().await, db.connect().await);
        let mut tx = early.begin().await.expect("a transaction");
        let first = one.numbers.change(&mut tx, ["k"]).await.expect("written down").seen();
        let second = one.change(&mut late).await;
        assert!(one.following.has_seen(second, SOON).await);
        assert!(!one.following.has_seen(first, ms(1)).await, "it is under way");
        assert_eq!(read(&one.numbers, &source).await, Some(1));
        tx.commit().await.expect("committed");
        assert!(one.following.has_seen(first, SOON).await);
        assert_eq!(read(&one.numbers, &source).await, Some(2));
        assert_eq!(one.following.followed().changes, 2);
    })
    .await;
}

#[tokio::test]
async fn a_process_that_hears_nothing_gives_out_nothing_unasked() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let one = process(&db, Some(&store), |how| how.trust_for = ms(300)).await;
        assert_eq!(read(&one.numbers, &source).await, Some(1));
        let before = store.calls();
        assert_eq!((read(&one.numbers, &source).await, store.calls()), (Some(1), before));
        let mut conn = db.connect().await;
        let mut admin =
            PgConnection::connect(server_url().expose()).await.expect("the server takes connections");
        let closed = format!("ALTER DATABASE \"{}\" ALLOW_CONNECTIONS false", db.name());
        sqlx::raw_sql(sqlx::AssertSqlSafe(closed)).execute(&mut admin).await.expect("closed");
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::raw_sql(kill).execute(&mut conn).await.expect("killed");
        // It asks the store each time from then on.
        eventually("the store is asked each time", async || {
            let before = store.calls();
            read(&one.numbers, &source).await;
            store.calls() > before
        })
        .await;
        let seen = one.change(&mut conn).await;
        let open = format!("ALTER DATABASE \"{}\" ALLOW_CONNECTIONS true", db.name());
        sqlx::raw_sql(sqlx::AssertSqlSafe(open)).execute(&mut admin).await.expect("open");
        assert!(one.following.has_seen(seen, SOON).await, "nothing was missed");
        let followed = one.following.followed();
        assert_eq!((followed.changes, followed.gaps), (1, 0), "{followed:?}");
        assert!(followed.losses > 0);
    })
    .await;
}

#[tokio::test]
async fn whoever_may_have_missed_something_drops_everything() {
    fresh_db(async |db| {
        let source = Source::new();
        let one = process(&db, None, |how| how.look_every = ms(20)).await;
        assert_eq!(read(&one.numbers, &source).await, Some(1));
        let mut conn = db.connect().await;
        let removed = "UPDATE cache_invalidations_removed SET through = (pg_current_xact_id()::text::bigint + 1000000000)::text::xid8";
        sqlx::raw_sql(removed).execute(&mut conn).await.expect("as if rows were gone");
        eventually("a gap", async || one.following.followed().gaps > 0).await;
        assert_eq!(read(&one.numbers, &source).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn what_its_maker_did_not_remove_is_removed_by_others() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let one = process(&db, Some(&store), |how| {
            how.look_every = ms(20);
        })
        .await;
        assert_eq!(read(&one.numbers, &source).await, Some(1));
        // The process that made it dies after its commit.
        one.change(&mut db.connect().await).await;
        eventually("removed for others", async || one.following.followed().applied_for_others == 1).await;
        assert_eq!(read(&one.numbers, &source).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn what_its_maker_removed_is_left_alone_and_rows_go_in_time() {
    fresh_db(async |db| {
        let store = store();
        let one = process(&db, Some(&store), |how| {
            (how.look_every, how.kept_for) = (ms(20), ms(50));
        })
        .await;
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let change = one.numbers.change(&mut tx, ["k"]).await.expect("written down");
        tx.commit().await.expect("committed");
        change.committed().await.expect("the store is there");
        eventually("no row is left", async || {
            let left = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM cache_invalidations");
            left.fetch_one(&mut db.connect().await).await.expect("counted") == 0
        })
        .await;
        let followed = one.following.followed();
        assert_eq!((followed.gaps, followed.applied_for_others), (0, 0), "{followed:?}");
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_a_commit_that_was_rolled_back() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let (one, other) =
            (process(&db, Some(&store), |_| {}).await, process(&db, Some(&store), |_| {}).await);
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let change = one.numbers.change(&mut tx, ["k"]).await.expect("written down");
        let waits = tokio::spawn({
            let (numbers, source) = (other.numbers.clone(), Arc::clone(&source));
            async move { read(&numbers, &source).await }
        });
        eventually("somebody waits for the commit", async || other.numbers.stats().awaited == 1).await;
        assert_eq!(source.asked(), 0);
        tx.rollback().await.expect("rolled back");
        change.rolled_back().await;
        assert_eq!(waits.await.expect("no panic"), Some(1));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_commits_is_asked_for_again_after_its_time() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let one = process(&db, Some(&store), |_| {}).await;
        let mut brief = plain(Duration::from_secs(3600));
        brief.local_ttl = ms(50);
        let other =
            Cache::builder("app").shared(Arc::clone(&store) as Arc<dyn KeyValue>).build().expect("a name");
        let numbers = other.namespace("number", brief).expect("a policy");
        let following = other.follow(db.url().parse().expect("a URL"), Follow::default());
        assert!(following.is_following(SOON).await);
        assert_eq!(read(&numbers, &source).await, Some(1));
        one.numbers.delete("k").await.expect("the store is there");
        eventually("the other asks the store again", async || read(&numbers, &source).await == Some(2)).await;
        assert!(following.is_current());
    })
    .await;
}

#[tokio::test]
async fn what_its_maker_could_not_announce_is_read_again_by_nobody() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let one = process(&db, Some(&store), |_| {}).await;
        assert_eq!(read(&one.numbers, &source).await, Some(1));
        // A program that knows nothing of the store tells of the key.
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        let told = "INSERT INTO cache_invalidations (keys) VALUES (ARRAY['app:number:k']); \
            SELECT pg_notify('cairn_cache', '')";
        store.goes();
        sqlx::raw_sql(told).execute(&mut *tx).await.expect("told");
        let seen = Seen::of(&mut tx).await.expect("its number");
        tx.commit().await.expect("committed");
        assert!(one.following.has_seen(seen, SOON).await);
        store.comes_back();
        assert_eq!(read(&one.numbers, &source).await, Some(2), "it is removed before it is read");
        assert_eq!(read(&one.numbers, &source).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn whoever_waits_for_a_commit_that_never_comes_asks_the_source() {
    fresh_db(async |db| {
        let (store, source) = (store(), Source::new());
        let mut brief = plain(Duration::from_secs(3600));
        brief.hard_timeout = Duration::from_secs(2);
        let numbers = crate::common::process(&store, brief);
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("a transaction");
        drop(numbers.change(&mut tx, ["k"]).await.expect("written down"));
        assert_eq!(read(&numbers, &source).await, Some(1));
    })
    .await;
}
