//! Who is asking is known in the session while they have it, and to nobody after.

use crate::{behind_proxy, config, eventually_idle, pool};
use async_trait::async_trait;
use db_core::{Classify, Retry};
use db_pool::{
    AcquireOptions, ConnectError, DirectStore, Error, Live, Pool, PoolConfig, Reset, SessionSettings, Store,
    TransactionOptions,
};
use db_testkit::{FreshDb, TransactionPooler, empty_db, eventually};
use sqlx::{Executor, postgres::PgConnectOptions};
use std::{
    future::{Future, poll_fn},
    num::NonZeroU32,
    pin::pin,
    str::FromStr,
    sync::Arc,
    task::Poll,
    time::Duration,
};

/// What the session says of itself, without leaving a mark: actor, role, login.
const WHO: &str =
    "SELECT coalesce(current_setting('cairn.actor', true), '') || '/' || current_user || '/' || session_user";

async fn who(on: impl Executor<'_, Database = sqlx::Postgres>) -> String {
    sqlx::query_scalar(WHO).fetch_one(on).await.expect("answers")
}

/// A role of this test's own: roles belong to the whole server.
struct Role {
    name: String,
}

impl Role {
    async fn make(db: &FreshDb) -> Self {
        let role = Self { name: format!("r_{}", db.name()) };
        role.run(db, "DROP ROLE IF EXISTS \"{}\"").await;
        role.run(db, "CREATE ROLE \"{}\"").await;
        role
    }

    async fn run(&self, db: &FreshDb, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.replace("{}", &self.name));
        sqlx::raw_sql(sql).execute(&mut db.connect().await).await.expect("run");
    }

    async fn drop(self, db: &FreshDb) {
        self.run(db, "DROP OWNED BY \"{}\"; DROP ROLE \"{}\"").await;
    }
}

fn actor(name: &str) -> SessionSettings {
    SessionSettings::new().set("cairn.actor", name).expect("a setting")
}

/// The login's own session, with nobody on whose behalf it acts.
async fn nobody(db: &FreshDb) -> String {
    let login: String = sqlx::query_scalar("SELECT current_user::text")
        .fetch_one(&mut db.connect().await)
        .await
        .expect("asked");
    format!("/{login}/{login}")
}

#[tokio::test]
async fn every_way_to_the_server_carries_it_and_the_next_borrower_does_not() {
    empty_db(async |db| {
        let role = Role::make(&db).await;
        let nobody = nobody(&db).await;
        let login = nobody.rsplit('/').next().expect("a login").to_owned();
        for policy in [Reset::Smart, Reset::Always] {
            let pool = Pool::connect(&config(&db, 1).reset(policy)).await.expect("connected");
            let alice = pool.with_session(actor("alice").role(&role.name).expect("a role"));
            let expected = format!("alice/{}/{login}", role.name);

            assert_eq!(who(&alice).await, expected, "an executor");
            assert_eq!(who(&pool).await, nobody, "after an executor");
            assert_eq!(alice.run(WHO).scalar::<String>().await.expect("answers"), expected, "run");
            assert_eq!(who(&pool).await, nobody, "after run");
            let mut lease = alice.acquire().await.expect("a lease");
            assert_eq!((who(&mut lease).await, who(&mut *lease).await), (expected.clone(), expected.clone()));
            drop(lease);
            assert_eq!(who(&pool).await, nobody, "after a lease");
            let mut tx = alice.begin().await.expect("begun");
            assert_eq!(who(&mut tx).await, expected, "a transaction");
            tx.commit().await.expect("committed");
            assert_eq!(who(&pool).await, nobody, "after a commit");
            drop(alice.begin().await.expect("begun"));
            assert_eq!(who(&pool).await, nobody, "after a dropped transaction");
            let told = alice
                .transaction(&TransactionOptions::new(), async |tx| Ok::<_, Error>(who(tx).await))
                .await
                .expect("committed");
            assert_eq!(told, expected, "a closure");
            assert_eq!(who(&pool).await, nobody, "after a closure");
            let bob = alice.with_session(actor("bob"));
            assert_eq!(who(&bob.clone()).await, format!("bob/{login}/{login}"), "another takes the place");
            eventually("the connection idles", || async { pool.stats().idle == 1 }).await;
            assert!(alice.try_acquire().is_none(), "it cannot be dressed without waiting");
            assert!(pool.try_acquire().is_some(), "it is there");
            assert_eq!(pool.stats().opens, 1, "one connection has served them all");
            pool.close().await;
        }
        role.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_transaction_sets_for_longer_goes_with_it() {
    empty_db(async |db| {
        let role = Role::make(&db).await;
        let nobody = nobody(&db).await;
        let pool = Pool::connect(&config(&db, 1)).await.expect("connected");
        // A function that nobody sees into sets who asks, for the session.
        let sly = format!(
            "CREATE FUNCTION sly() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM set_config('cairn.actor', 'mallory', false), set_config('role', '{}', false); RETURN 1; END $$",
            role.name
        );
        role.run(&db, &sly).await;
        let alice = pool.with_session(actor("alice"));
        let mut tx = alice.begin().await.expect("begun");
        tx.lease().run("SELECT sly()").none().await.expect("called");
        tx.commit().await.expect("committed");
        assert_eq!(who(&pool).await, nobody, "after a commit");
        let called = alice
            .transaction(&TransactionOptions::new(), async |tx| tx.lease().run("SELECT sly()").none().await)
            .await;
        called.expect("committed");
        assert_eq!(who(&pool).await, nobody, "after a closure");
        assert_eq!(pool.stats().opens, 1, "one connection has served them all");
        pool.close().await;
        role.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn a_value_is_any_text_and_never_part_of_the_statement() {
    empty_db(async |db| {
        let pool = pool(&db, 1).await;
        let long = "ü'".repeat(200_000);
        for value in ["", "'; DROP TABLE x; --", "a\\'b", "E'\\x41'", "$1", "\u{1}\n\t", &long] {
            let told: String = sqlx::query_scalar("SELECT current_setting('cairn.actor')")
                .fetch_one(&pool.with_session(actor(value)))
                .await
                .expect("answers");
            assert!(told == value, "{} bytes came back as {}", value.len(), told.len());
            let mut tx = pool.with_session(actor(value)).begin().await.expect("begun");
            let told: String = sqlx::query_scalar("SELECT current_setting('cairn.actor')")
                .fetch_one(&mut *tx)
                .await
                .expect("answers");
            assert!(told == value, "{} bytes came back as {}", value.len(), told.len());
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_paid_by_those_who_use_none() {
    empty_db(async |db| {
        let pool = pool(&db, 1).await;
        who(&pool).await;
        who(&pool.with_session(SessionSettings::new())).await;
        let mut tx = pool.begin().await.expect("begun");
        who(&mut tx).await;
        tx.commit().await.expect("committed");
        eventually_idle("nothing was reset", &pool).await;
        assert_eq!(pool.stats().resets, 0);
        let mut tx = pool.with_session(actor("alice")).begin().await.expect("begun");
        who(&mut tx).await;
        tx.commit().await.expect("committed");
        eventually_idle("what it may have set for longer is reset", &pool).await;
        assert_eq!(pool.stats().resets, 1);
        who(&pool.with_session(actor("alice"))).await;
        eventually_idle("the session is reset", &pool).await;
        assert_eq!(pool.stats().resets, 2);
    })
    .await;
}

#[tokio::test]
async fn a_refused_role_is_named_and_leaves_nothing() {
    empty_db(async |db| {
        let role = Role::make(&db).await;
        let weak = Role { name: format!("w_{}", db.name()) };
        weak.run(&db, "DROP ROLE IF EXISTS \"{}\"; CREATE ROLE \"{}\" LOGIN").await;
        let nobody = nobody(&db).await;

        let pool = pool(&db, 1).await;
        let missing = pool.with_session(actor("alice-s-secret").role("no such role").expect("a name"));
        let options = PgConnectOptions::from_str(db.url()).expect("a URL").username(&weak.name);
        let weak_pool = Pool::connect(&PoolConfig::new(options)).await.expect("connected");
        let foreign = weak_pool.with_session(actor("alice-s-secret").role(&role.name).expect("a name"));
        for (handle, name, code) in [(&missing, "no such role", "22023"), (&foreign, &*role.name, "42501")] {
            let of_lease = handle.acquire().await.expect_err("refused");
            let of_transaction = handle.begin().await.expect_err("refused");
            for error in [of_lease, of_transaction] {
                assert!(
                    matches!(&error, Error::Role { role, sqlstate, .. } if role == name && sqlstate == code),
                    "{error:?}"
                );
                assert_eq!(error.retry(), Retry::Never);
                assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            }
            let through_sqlx = sqlx::query("SELECT 1").execute(handle).await.expect_err("refused");
            assert!(matches!(Error::of(&through_sqlx), Some(Error::Role { .. })), "{through_sqlx:?}");
        }
        assert_eq!(who(&pool).await, nobody, "nothing is left of it");
        assert_eq!(pool.stats().opens, 1, "the connection is kept");
        pool.close().await;
        weak_pool.close().await;
        role.drop(&db).await;
        weak.drop(&db).await;
    })
    .await;
}

/// Polls a future so many times, and drops it if it has not ended by then.
async fn cut_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn whoever_is_cut_at_any_await_leaves_nothing() {
    empty_db(async |db| {
        let nobody = nobody(&db).await;
        let pool = pool(&db, 1).await;
        let alice = pool.with_session(actor("alice"));
        let check = async |case: &str| {
            assert_eq!(who(&pool).await, nobody, "{case}");
            let stats = pool.stats();
            assert_eq!((stats.waiting, stats.opening, stats.in_use), (0, 0, 0), "{case}");
        };
        let (mut lease, mut query, mut tx) = (false, false, false);
        let options = TransactionOptions::new();
        for polls in 0..200 {
            lease |= cut_after(polls, alice.acquire()).await.is_some();
            check(&format!("a lease, after {polls}")).await;
            query |= cut_after(polls, who(&alice)).await.is_some();
            check(&format!("a query, after {polls}")).await;
            let work =
                alice.transaction(&options, async |tx| Ok::<_, Error>((who(&mut *tx).await, who(tx).await)));
            tx |= cut_after(polls, work).await.is_some();
            check(&format!("a transaction, after {polls}")).await;
            if lease && query && tx {
                return;
            }
        }
        panic!("they never ended: {lease} {query} {tx}");
    })
    .await;
}

#[tokio::test]
async fn a_long_query_that_is_cut_and_a_panic_leave_nothing() {
    empty_db(async |db| {
        let nobody = nobody(&db).await;
        let pool = pool(&db, 1).await;
        let alice = pool.with_session(actor("alice"));
        let sleep = sqlx::query("SELECT pg_sleep(600)").execute(&alice);
        assert!(tokio::time::timeout(Duration::from_millis(50), sleep).await.is_err(), "it must still run");
        assert_eq!(who(&pool).await, nobody, "after a cut query");
        eventually("it is back", || async { pool.stats().recovering == 0 }).await;
        for _ in 0..3 {
            assert_eq!(who(&pool).await, nobody, "after its connection came back");
        }
        let of_lease = alice.clone();
        let panicked = tokio::spawn(async move {
            let _lease = of_lease.acquire().await.expect("a lease");
            panic!("on purpose");
        });
        assert!(panicked.await.expect_err("it panics").is_panic());
        assert_eq!(who(&pool).await, nobody, "after a panic with a lease");
        let panicked = tokio::spawn(async move {
            let _tx = alice.begin().await.expect("begun");
            panic!("on purpose");
        });
        assert!(panicked.await.expect_err("it panics").is_panic());
        assert_eq!(who(&pool).await, nobody, "after a panic in a transaction");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_falls_silent_before_it_is_set_is_not_waited_for_past_the_deadline() {
    empty_db(async |db| {
        let nobody = nobody(&db).await;
        let (proxy, config) = behind_proxy(&db).await;
        let config = config.max_size(NonZeroU32::MIN).reset_timeout(Duration::from_millis(100));
        let pool = Pool::connect(&config).await.expect("connected");
        let alice = pool.with_session(actor("alice"));
        proxy.silence();
        let soon = AcquireOptions::new().timeout(Duration::from_millis(100));
        let error = alice.acquire_with(soon).await.expect_err("nobody answers");
        assert!(matches!(error, Error::StatementTimeout { .. }), "{error:?}");
        eventually("the connection is closed", || async { pool.stats().recovering == 0 }).await;
        proxy.pass();
        assert_eq!(who(&pool).await, nobody);
        assert!(who(&alice).await.starts_with("alice/"));
    })
    .await;
}

#[tokio::test]
async fn what_is_planned_for_one_role_is_not_run_for_another() {
    empty_db(async |db| {
        let role = Role::make(&db).await;
        role.run(
            &db,
            "CREATE TABLE notes (owner text, body text); INSERT INTO notes VALUES ('alice', 'a'), ('bob', 'b'); \
             ALTER TABLE notes ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY own ON notes USING (owner = current_setting('cairn.actor', true)); \
             GRANT SELECT ON notes TO \"{}\"",
        )
        .await;
        let pool = pool(&db, 1).await;
        let of = |name: &str| pool.with_session(actor(name).role(&role.name).expect("a role"));
        let (alice, bob) = (of("alice"), of("bob"));
        let nobody = pool.with_session(SessionSettings::new().role(&role.name).expect("a role"));
        for _ in 0..10 {
            for (handle, expected) in [(&alice, "a"), (&pool, "ab"), (&bob, "b"), (&nobody, "")] {
                let read: String = sqlx::query_scalar("SELECT coalesce(string_agg(body, '' ORDER BY body), '') FROM notes")
                    .fetch_one(handle)
                    .await
                    .expect("read");
                assert_eq!(read, expected);
            }
        }
        assert_eq!(pool.stats().opens, 1);
        pool.close().await;
        role.drop(&db).await;
    })
    .await;
}

/// A store behind which each check ends at another session, as they do behind a pooler.
struct Parted(DirectStore);

#[async_trait]
impl Store for Parted {
    async fn open(&self) -> Result<Box<dyn Live>, ConnectError> {
        self.0.open().await
    }

    async fn check(&self, connection: Box<dyn Live>) -> Option<Box<dyn Live>> {
        let other = self.0.open().await.ok();
        self.0.retire(connection).await;
        other
    }

    async fn retire(&self, connection: Box<dyn Live>) {
        self.0.retire(connection).await;
    }
}

#[tokio::test]
async fn a_session_that_is_not_the_one_which_was_opened_gets_nothing() {
    empty_db(async |db| {
        let config = config(&db, 1).check_after(Duration::ZERO);
        let pool =
            Pool::with_store(&config, Arc::new(Parted(DirectStore::new(&config)))).await.expect("connected");
        let alice = pool.with_session(actor("alice"));
        let error = alice.acquire().await.expect_err("another answers");
        assert!(matches!(error, Error::SharedSession), "{error:?}");
        eventually("the connection is closed", || async { pool.stats().discards == 1 }).await;
        let mut tx = alice.begin().await.expect("a transaction is in one session");
        assert!(who(&mut tx).await.starts_with("alice/"));
    })
    .await;
}

/// A pool of one client behind a pooler, as one must be configured there but for the policy.
fn through(pooler: &TransactionPooler, db: &FreshDb) -> PoolConfig {
    let options = PgConnectOptions::from_str(&pooler.url(db)).expect("a URL");
    let options = options.extra_float_digits(None);
    PoolConfig::new(options).max_size(NonZeroU32::MIN).acquire_timeout(Duration::from_secs(10))
}

/// Who each session of the pooler says that it is for.
async fn told_by_all(db: &FreshDb, pooler: &TransactionPooler, sessions: usize) -> Vec<String> {
    let pool = Pool::connect(&through(pooler, db).reset(Reset::Never)).await.expect("connected");
    let mut told = Vec::new();
    for _ in 0..=sessions {
        let mut tx = pool.begin().await.expect("begun");
        let row = sqlx::query_scalar(WHO).persistent(false).fetch_one(&mut *tx).await;
        told.push(row.expect("answers"));
    }
    told
}

#[tokio::test]
async fn through_a_pooler_a_transaction_carries_it_and_nothing_else_may() {
    empty_db(async |db| {
        let nobody = nobody(&db).await;
        let login = nobody.rsplit('/').next().expect("a login").to_owned();
        let pooler = TransactionPooler::start(&db, 2).await;
        let pool = Pool::connect(&through(&pooler, &db).reset(Reset::Never)).await.expect("connected");
        let alice = pool.with_session(actor("alice"));
        for _ in 0..5 {
            let mut tx = alice.begin().await.expect("begun");
            let told: String =
                sqlx::query_scalar(WHO).persistent(false).fetch_one(&mut *tx).await.expect("answers");
            assert_eq!(told, format!("alice/{login}/{login}"));
            tx.commit().await.expect("committed");
        }
        let error = alice.acquire().await.expect_err("the session is not the pool's");
        assert!(matches!(error, Error::SharedSession), "{error:?}");
        let error = sqlx::query("SELECT 1").execute(&alice).await.expect_err("nor is it for one statement");
        assert!(matches!(Error::of(&error), Some(Error::SharedSession)), "{error:?}");
        for told in told_by_all(&db, &pooler, 4).await {
            assert_eq!(told, nobody);
        }
    })
    .await;
}

#[tokio::test]
async fn a_pooler_that_the_pool_was_not_told_of_gets_no_setting_either() {
    empty_db(async |db| {
        let nobody = nobody(&db).await;
        // With the client's own there are two, and the one that was greeted is not the next in line.
        let pooler = TransactionPooler::start(&db, 1).await;
        let pool = Pool::connect(&through(&pooler, &db)).await.expect("connected");
        let alice = pool.with_session(actor("alice"));
        for _ in 0..4 {
            alice.acquire().await.expect_err("the session is not the pool's");
        }
        for told in told_by_all(&db, &pooler, 3).await {
            assert_eq!(told, nobody);
        }
    })
    .await;
}
