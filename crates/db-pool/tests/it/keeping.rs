//! What the pool keeps, renews, closes and grows by itself.

use crate::{backend, config, pool};
use async_trait::async_trait;
use db_pool::{ConnectError, DirectStore, Error, Lease, Live, Pool, PoolConfig, Sizing, Store};
use db_testkit::{FreshDb, eventually, fresh_db};
use sqlx::{Connection, Executor};
use std::{
    panic::Location,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

async fn connect(config: &PoolConfig) -> Pool {
    Pool::connect(config).await.expect("connected")
}

/// The test's database under a name that tells the pool's sessions from the test's own.
fn named(db: &FreshDb, max_size: u32) -> PoolConfig {
    let separator = if db.url().contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}application_name=kept", db.url());
    let config = PoolConfig::from_url(&url).expect("a URL").max_size(max_size.try_into().expect("not zero"));
    config.acquire_timeout(Duration::from_secs(10))
}

/// Sessions of the pool on the server.
async fn sessions(db: &FreshDb) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'kept'";
    sqlx::query_scalar(count).fetch_one(&mut db.connect().await).await.expect("counted")
}

#[tokio::test]
async fn the_minimum_is_refilled() {
    fresh_db(|db| async move {
        let pool = connect(&named(&db, 4).min_size(2).check_after(Duration::ZERO)).await;
        let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
            WHERE datname = current_database() AND application_name = 'kept'";
        db.connect().await.execute(kill).await.expect("ended");
        // Their death is seen by whoever takes them.
        drop(pool.acquire().await.expect("a new one"));
        eventually("two idle again", || async {
            let stats = pool.stats();
            (stats.idle, stats.opens, stats.closes) == (2, 4, 2)
        })
        .await;
        assert_eq!(sessions(&db).await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_idles_is_closed_and_what_is_used_is_not() {
    fresh_db(|db| async move {
        let idle = Duration::from_millis(400);
        let pool = connect(&config(&db, 3).idle_timeout(idle)).await;
        let leases = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
        drop(leases);
        // The one that is used grows older than the timeout, and must stay. Only a span in which this machine did not let
        // it idle says something.
        let (mut used, mut since, mut last) = (0, Instant::now(), Instant::now());
        while since.elapsed() < idle * 3 {
            let mut lease = pool.acquire().await.expect("a lease");
            let now = backend(&mut lease).await;
            if used != now || last.elapsed() > idle / 2 {
                assert!(last.elapsed() > idle / 2 || used == 0, "the one in use was closed");
                (used, since) = (now, Instant::now());
            }
            last = Instant::now();
            drop(lease);
            tokio::task::yield_now().await;
        }
        eventually("the others are closed", || async { pool.stats().closes >= 2 }).await;
        // Then it may go as well: there is no minimum.
        eventually("all are closed", || async { pool.stats().closes == 3 && pool.stats().idle == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn the_minimum_may_idle() {
    fresh_db(|db| async move {
        let pool = connect(&config(&db, 3).min_size(1).idle_timeout(Duration::from_millis(20))).await;
        let mut leases = Vec::new();
        for _ in 0..3 {
            leases.push(pool.acquire().await.expect("a lease"));
        }
        let last = backend(&mut leases[2]).await;
        leases.into_iter().for_each(drop);
        eventually("two are closed", || async { pool.stats().closes == 2 }).await;
        assert_eq!(
            backend(&mut pool.acquire().await.expect("a lease")).await,
            last,
            "the last returned stays"
        );
        assert_eq!((pool.stats().opens, pool.stats().closes), (3, 2));
    })
    .await;
}

/// A store that notices when a connection is opened while another idles: a successor.
struct Noticing {
    inner: DirectStore,
    pool: OnceLock<Pool>,
    successors: AtomicU32,
}

#[async_trait]
impl Store for Noticing {
    async fn open(&self) -> Result<Box<dyn Live>, ConnectError> {
        if let Some(pool) = self.pool.get()
            && pool.stats().idle == 1
        {
            self.successors.fetch_add(1, Relaxed);
        }
        self.inner.open().await
    }

    async fn check(&self, connection: Box<dyn Live>) -> Option<Box<dyn Live>> {
        self.inner.check(connection).await
    }

    async fn retire(&self, connection: Box<dyn Live>) {
        self.inner.retire(connection).await;
    }
}

#[tokio::test]
async fn a_successor_comes_before_an_idle_connection_expires() {
    fresh_db(|db| async move {
        // The idle timeout makes the keeper look often enough for so short a life.
        let config = config(&db, 1).min_size(1).max_lifetime(Duration::from_secs(2));
        renewed(config.idle_timeout(Duration::from_millis(80))).await;
    })
    .await;
}

#[tokio::test]
async fn a_short_life_is_renewed_as_well() {
    fresh_db(|db| async move {
        renewed(config(&db, 1).min_size(1).max_lifetime(Duration::from_millis(1500))).await;
    })
    .await;
}

/// Waits for a renewal. A busy machine may miss the moment for one of them, not for several.
async fn renewed(config: PoolConfig) {
    let store = Arc::new(Noticing {
        inner: DirectStore::new(&config),
        pool: OnceLock::new(),
        successors: AtomicU32::new(0),
    });
    let pool = Pool::with_store(&config, Arc::clone(&store) as Arc<dyn Store>).await.expect("connected");
    let first = backend(&mut pool.acquire().await.expect("a lease")).await;
    store.pool.set(pool.clone()).expect("set once");
    eventually("four generations", || async { pool.stats().closes >= 4 }).await;
    let successors = store.successors.load(Relaxed);
    assert!(successors >= 2, "only {successors} of four were renewed before they expired");
    eventually("one idles", || async { pool.stats().idle == 1 }).await;
    assert_ne!(backend(&mut pool.acquire().await.expect("a lease")).await, first);
    pool.close_within(LONG).await;
}

#[tokio::test]
async fn what_expires_while_it_is_lent_is_not_lent_again() {
    fresh_db(|db| async move {
        let pool = connect(&config(&db, 1).max_lifetime(Duration::from_millis(200))).await;
        let mut lease = pool.acquire().await.expect("a lease");
        let first = backend(&mut lease).await;
        eventually("it is too old", || async { pool.stats().use_time > Duration::from_millis(300) }).await;
        assert_eq!(backend(&mut lease).await, first, "who has it may keep it");
        drop(lease);
        assert_ne!(backend(&mut pool.acquire().await.expect("another")).await, first);
    })
    .await;
}

#[tokio::test]
async fn close_waits_for_what_is_lent() {
    fresh_db(|db| async move {
        let pool = connect(&named(&db, 3).min_size(2)).await;
        let lease = pool.acquire().await.expect("a lease");
        let closing = tokio::spawn({
            let pool = pool.clone();
            async move { pool.close_within(LONG).await }
        });
        eventually("what idled is closed", || async { pool.is_closed() && sessions(&db).await == 1 }).await;
        assert!(!closing.is_finished(), "one is lent");
        drop(lease);
        let report = closing.await.expect("no panic");
        assert!(report.abandoned.is_empty(), "{report:?}");
        eventually("nothing is left on the server", || async { sessions(&db).await == 0 }).await;
        assert_eq!((pool.stats().opens, pool.stats().closes), (2, 2));
    })
    .await;
}

#[tokio::test]
async fn close_names_what_it_had_to_leave() {
    fresh_db(|db| async move {
        let pool = connect(&named(&db, 2)).await;
        let (mut lease, line) = (pool.acquire().await.expect("a lease"), Location::caller().line());
        let pid = backend(&mut lease).await;
        let report = pool.close_within(Duration::from_millis(20)).await;
        let [abandoned] = report.abandoned.as_slice() else { panic!("{report:?}") };
        assert_eq!((abandoned.taken_at.line(), abandoned.backend), (line, Some(pid)), "{report:?}");
        assert!(abandoned.taken_at.file().ends_with("keeping.rs") && abandoned.held > Duration::ZERO);
        assert_eq!(backend(&mut lease).await, pid, "who has it may go on");
        drop(lease);
        eventually("nothing is left on the server", || async { sessions(&db).await == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn who_waits_at_the_close_is_told_at_once() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let lease = pool.acquire().await.expect("the only one");
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.acquire().await.map(drop) })
            })
            .collect();
        eventually("all wait", || async { pool.stats().waiting == 3 }).await;
        let closing = pool.close_within(LONG);
        let told = async {
            for waiter in waiters {
                assert!(matches!(waiter.await.expect("no panic"), Err(Error::Closed)));
            }
            assert_eq!(pool.stats().in_use, 1, "it has not come back yet");
            drop(lease);
        };
        tokio::join!(closing, told);
    })
    .await;
}

#[tokio::test]
async fn the_pool_s_own_connection_goes_with_it() {
    fresh_db(|db| async move {
        let pool = connect(&named(&db, 1)).await;
        let cut = tokio::time::timeout(Duration::from_millis(50), pool.run("SELECT pg_sleep(600)").none());
        assert!(cut.await.is_err(), "it takes long");
        eventually("it is stopped", || async { pool.stats().recoveries == 1 }).await;
        assert_eq!(sessions(&db).await, 2, "one to stop the other");
        pool.close_within(LONG).await;
        eventually("nothing is left on the server", || async { sessions(&db).await == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn a_pool_that_nobody_has_any_more_closes_everything() {
    fresh_db(|db| async move {
        let pool = connect(&named(&db, 3).min_size(2)).await;
        let other = pool.clone();
        let lease = pool.acquire().await.expect("a lease");
        drop(pool);
        assert_eq!(other.run("SELECT 1").scalar::<i32>().await.expect("there is another handle"), 1);
        drop(other);
        drop(lease);
        eventually("nothing is left on the server", || async { sessions(&db).await == 0 }).await;
    })
    .await;
}

/// Uses a lease in a way that needs a task to put it in order.
async fn dirty(pool: &Pool) -> Lease {
    let mut lease = pool.acquire().await.expect("a lease");
    (&mut *lease).execute("SET work_mem = '1MB'").await.expect("set");
    lease
}

#[tokio::test]
async fn a_lease_may_be_dropped_outside_any_runtime() {
    fresh_db(|db| async move {
        let pool = pool(&db, 2).await;
        let (clean, dirty) = (pool.acquire().await.expect("a lease"), dirty(&pool).await);
        std::thread::spawn(move || drop((clean, dirty))).join().expect("no panic");
        eventually("both are back", || async { pool.stats().idle == 2 }).await;
        assert_eq!((pool.stats().resets, pool.stats().discards), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_transaction_may_be_dropped_outside_any_runtime() {
    fresh_db(|db| async move {
        let pool = pool(&db, 1).await;
        let tx = pool.begin().await.expect("begun");
        std::thread::spawn(move || drop(tx)).join().expect("no panic");
        eventually("it is back", || async { pool.stats().idle == 1 }).await;
        assert_eq!(pool.stats().discards, 0);
    })
    .await;
}

#[tokio::test]
async fn a_lease_may_outlive_the_runtime() {
    fresh_db(|db| async move {
        let config = named(&db, 3);
        let outlived = std::thread::spawn(move || {
            let runtime: Runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let (pool, clean, dirty, tx) = runtime.block_on(async {
                let pool = connect(&config).await;
                let clean = pool.acquire().await.expect("a lease");
                let (dirty, tx) = (dirty(&pool).await, pool.begin().await.expect("begun"));
                (pool, clean, dirty, tx)
            });
            drop(runtime);
            drop((clean, dirty, tx));
            let in_use = pool.stats().in_use;
            drop(pool);
            in_use
        });
        let outlived = tokio::task::spawn_blocking(move || outlived.join()).await.expect("joined");
        assert_eq!(outlived.expect("no panic"), 0, "the gauges are exact even then");
        eventually("nothing is left on the server", || async { sessions(&db).await == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn a_detached_connection_leaves_its_place_to_another() {
    fresh_db(|db| async move {
        let pool = connect(&named(&db, 1)).await;
        let mut lease = pool.acquire().await.expect("the only one");
        let first = backend(&mut lease).await;
        let mut detached = lease.detach();
        let mut lease = pool.acquire().await.expect("there is room");
        assert_ne!(backend(&mut lease).await, first);
        let own: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut detached).await.expect("lives on");
        let stats = pool.stats();
        assert_eq!((own, stats.in_use, stats.opens, stats.closes, stats.discards), (first, 1, 2, 1, 0));
        drop(lease);
        pool.close_within(LONG).await;
        eventually("the pool's are gone", || async { sessions(&db).await == 1 }).await;
        detached.close().await.expect("it is the caller's to close");
    })
    .await;
}

#[tokio::test]
async fn a_lease_can_be_closed() {
    fresh_db(|db| async move {
        let pool = connect(&named(&db, 1)).await;
        pool.acquire().await.expect("the only one").close().await;
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.idle, stats.closes, stats.discards), (0, 0, 1, 0), "{stats:?}");
        eventually("nothing is left on the server", || async { sessions(&db).await == 0 }).await;
        pool.acquire().await.expect("there is room");
    })
    .await;
}

#[tokio::test]
async fn an_adaptive_pool_follows_its_load() {
    fresh_db(|db| async move {
        // The leak threshold makes the keeper look, and so decide, fifty times a second.
        let config = config(&db, 8).min_size(1).sizing(Sizing::Adaptive);
        let pool = connect(&config.leak_threshold(Duration::from_millis(80))).await;
        assert_eq!((pool.stats().size, pool.stats().max_size), (1, 8));
        let busy = Arc::new(AtomicBool::new(true));
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let (pool, busy) = (pool.clone(), Arc::clone(&busy));
                tokio::spawn(async move {
                    while busy.load(Relaxed) {
                        pool.run("SELECT pg_sleep(0.005)").none().await.expect("answers");
                    }
                })
            })
            .collect();
        eventually("it has grown", || async { pool.stats().size > 2 && pool.stats().opens > 2 }).await;
        busy.store(false, Relaxed);
        for caller in callers {
            caller.await.expect("no panic");
        }
        eventually("it has shrunk", || async {
            let stats = pool.stats();
            (stats.size, stats.idle, stats.in_use) == (1, 1, 0)
        })
        .await;
        assert!(pool.stats().opens <= pool.stats().closes + 1);
    })
    .await;
}
