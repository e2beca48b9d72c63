//! Readers and writers of several processes at once: whoever has seen a commit is never given what was before it.

use crate::common::{ms, plain, slow, store};
use db_cache::{Cache, Change, Follow, Following, Namespace, Seen};
use db_core::KeyValue;
use db_testkit::{FreshDb, fresh_db};
use sqlx::{Connection, PgConnection};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

const PROCESSES: usize = 3;
const READERS: usize = 6;
const COMMITS: i64 = 150;
const READS: usize = 300;
const SOON: Duration = Duration::from_secs(20);

struct Process {
    cache: Cache,
    by: By,
    numbers: Namespace<i64>,
    following: Following,
    source: Arc<Mutex<PgConnection>>,
}

/// What a commit names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Key,
    Tag,
}

impl Process {
    async fn start(db: &FreshDb, shared: Option<Arc<dyn KeyValue>>, by: By) -> Self {
        let builder = Cache::builder("app");
        let builder = match shared {
            Some(store) => builder.shared(store),
            None => builder,
        };
        let cache = builder.build().expect("a name");
        let numbers = cache.namespace("number", plain(Duration::from_secs(3600))).expect("a policy");
        let following = cache.follow(db.url().parse().expect("a URL"), Follow::default());
        assert!(following.is_following(SOON).await);
        Self { cache, by, numbers, following, source: Arc::new(Mutex::new(db.connect().await)) }
    }

    async fn read(&self) -> i64 {
        let source = Arc::clone(&self.source);
        let load = move || async move {
            let mut conn = source.lock().await;
            let number = sqlx::query_scalar("SELECT value FROM numbers").fetch_one(&mut *conn).await;
            // What is read may be old before it arrives.
            drop(conn);
            slow(ms(rand::random_range(0..4))).await;
            number.map(Some)
        };
        let read = match self.by {
            By::Key => self.numbers.get_or_load("k", load).await,
            By::Tag => self.numbers.tagged(["t"]).expect("one tag").get_or_load("k", load).await,
        };
        *read.expect("the source is there").expect("and has it")
    }

    async fn change(&self, tx: &mut PgConnection) -> Change {
        let change = match self.by {
            By::Key => self.numbers.change(tx, ["k"]).await,
            By::Tag => self.cache.change_tags(tx, ["t"]).await,
        };
        change.expect("written down")
    }
}

/// What the last commit that was announced made of it.
#[derive(Clone, Copy)]
struct Told {
    seen: Seen,
    number: i64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_reads_what_was_before_a_commit_that_they_have_seen() {
    for (is_shared, by) in [(false, By::Key), (true, By::Key), (false, By::Tag), (true, By::Tag)] {
        fresh_db(async |db| {
            let mut writer = db.connect().await;
            let table = "CREATE TABLE numbers (value bigint NOT NULL); INSERT INTO numbers VALUES (0)";
            sqlx::raw_sql(table).execute(&mut writer).await.expect("made");
            let shared = is_shared.then(|| store() as Arc<dyn KeyValue>);
            let mut fleet = Vec::new();
            for _ in 0..PROCESSES {
                fleet.push(Process::start(&db, shared.clone(), by).await);
            }
            let fleet = Arc::new(fleet);
            let (tell, told) = watch::channel(Told { seen: Seen::from_u64(0), number: 0 });
            let readers: Vec<_> = (0..READERS)
                .map(|reader| {
                    let (fleet, told) = (Arc::clone(&fleet), told.clone());
                    tokio::spawn(async move {
                        for _ in 0..READS {
                            tokio::task::yield_now().await;
                            let process = &fleet[(reader + rand::random_range(0..2)) % PROCESSES];
                            let Told { seen, number } = *told.borrow();
                            assert!(process.following.has_seen(seen, SOON).await);
                            let read = process.read().await;
                            assert!(read >= number, "{read} was read after {number} was seen");
                        }
                    })
                })
                .collect();
            for number in 1..=COMMITS {
                let process = &fleet[rand::random_range(0..PROCESSES)];
                let mut tx = writer.begin().await.expect("a transaction");
                let update = sqlx::query("UPDATE numbers SET value = $1").bind(number);
                update.execute(&mut *tx).await.expect("updated");
                let change = process.change(&mut tx).await;
                tx.commit().await.expect("committed");
                let seen = change.committed().await.expect("the store is there");
                let read = process.read().await;
                assert!(read >= number, "{read} was read where {number} was written");
                tell.send_replace(Told { seen, number });
            }
            for reader in readers {
                reader.await.expect("nothing old was read");
            }
            let hits: u64 = fleet.iter().map(|process| process.numbers.stats().local_hits).sum();
            assert!(hits > 100, "by {by:?} it is a cache still: {hits} hits");
        })
        .await;
    }
}
