//! Lookups that share statements, and what becomes of them when something goes wrong.

use crate::{config, pool};
use db_pool::{Error, Lease, Loader, LoaderOptions, Pool};
use db_testkit::{FreshDb, eventually, fresh_db};
use futures_util::{FutureExt, future::join_all};
use sqlx::{Executor, FromRow, Row, postgres::PgRow};
use std::time::Duration;

const TABLE: &str = "CREATE TABLE rows (id int8 PRIMARY KEY, note text);
                     INSERT INTO rows SELECT n, 'note ' || n FROM generate_series(1, 1000) n";
const SQL: &str = "SELECT id, note FROM rows WHERE id = ANY($1)";

/// A note; some panic or fail.
#[derive(Clone, Debug, PartialEq)]
struct Note(String);

impl FromRow<'_, PgRow> for Note {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let note: String = row.try_get("note")?;
        assert!(note != "panic", "as the test wants it");
        if note == "fail" { Err(sqlx::Error::RowNotFound) } else { Ok(Self(note)) }
    }
}

async fn prepared(db: &FreshDb, size: u32) -> Pool {
    let pool = pool(db, size).await;
    pool.acquire().await.expect("a lease").execute(sqlx::raw_sql(TABLE)).await.expect("a table");
    pool
}

fn number(number: u32) -> std::num::NonZeroU32 {
    std::num::NonZeroU32::new(number).expect("not zero")
}

fn loader(pool: &Pool, options: LoaderOptions) -> Loader<i64, Note> {
    Loader::new(pool, SQL, "id", options)
}

fn note(id: i64) -> Option<Note> {
    Some(Note(format!("note {id}")))
}

/// Every connection of the pool, so that lanes wait.
async fn all(pool: &Pool) -> Vec<Lease> {
    let mut leases = Vec::new();
    for _ in 0..pool.stats().max_size {
        leases.push(pool.acquire().await.expect("a lease"));
    }
    leases
}

#[tokio::test]
async fn concurrent_lookups_share_statements() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 4).await;
        let loader = loader(&pool, LoaderOptions::default());
        let found = join_all((1..=200).map(|id| loader.load(id % 100))).await;
        for (id, found) in (1..=200).map(|id| id % 100).zip(found) {
            assert_eq!(found.expect("found"), if id == 0 { None } else { note(id) });
        }
        let stats = loader.stats();
        assert_eq!((stats.loads, stats.waiting), (200, 0));
        assert!(stats.statements <= 3, "{stats:?}");
        eventually("lanes end with their work", || async { loader.stats().lanes == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn many_keys_are_answered_in_their_order() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 2).await;
        let loader = loader(&pool, LoaderOptions::default().max_batch(number(2)));
        let found = loader.load_many([3, 3, 5000, 1, 2]).await.expect("found");
        assert_eq!(found, [note(3), note(3), None, note(1), note(2)]);
        assert_eq!(loader.stats().statements, 3);
        assert_eq!(loader.load_many([]).await.expect("nothing"), []);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_asked_for_once() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let sql = "SELECT $1::int8[] AS keys, id FROM unnest($1::int8[]) id";
        let loader: Loader<i64, (Vec<i64>,)> = Loader::new(&pool, sql, "id", LoaderOptions::default());
        for (keys,) in loader.load_many([4, 4, 5, 4]).await.expect("found").into_iter().flatten() {
            assert_eq!(keys, [4, 5]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_failed_statement_fails_its_lookups_and_no_others() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let sql = "SELECT id, (1 / id)::text AS note FROM unnest($1::int8[]) id";
        let loader: Loader<i64, Note> = Loader::new(&pool, sql, "id", LoaderOptions::default());
        let error = loader.load_many([1, 0]).await.expect_err("a division by zero");
        assert!(
            matches!(&*error, Error::Statement { sqlstate: Some(code), .. } if code == "22012"),
            "{error:?}"
        );
        assert_eq!(loader.load(1).await.expect("found"), Some(Note("1".to_owned())));
    })
    .await;
}

#[tokio::test]
async fn a_row_that_panics_or_fails_is_its_own_key_s_error() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let ddl = "UPDATE rows SET note = 'panic' WHERE id = 1; UPDATE rows SET note = 'fail' WHERE id = 2";
        pool.acquire().await.expect("a lease").execute(sqlx::raw_sql(ddl)).await.expect("updated");
        let loader = loader(&pool, LoaderOptions::default());
        let found = join_all([1, 2, 3].map(|id| loader.load(id))).await;
        assert!(matches!(&found[0], Err(error) if matches!(**error, Error::LoaderPanic)), "{found:?}");
        assert!(matches!(&found[1], Err(error) if matches!(**error, Error::Statement { .. })), "{found:?}");
        assert_eq!(found[2].as_ref().expect("found"), &note(3));
    })
    .await;
}

/// A key whose comparison panics on demand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, sqlx::Type)]
#[sqlx(transparent)]
struct Moody(i64);

impl std::hash::Hash for Moody {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        assert!(self.0 != 13, "as the test wants it");
        self.0.hash(state);
    }
}

#[tokio::test]
async fn a_lane_that_panics_is_replaced() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let options = LoaderOptions::default().lanes(number(1)).max_batch(number(1));
        let loader: Loader<Moody, Note> = Loader::new(&pool, SQL, "id", options);
        let found = tokio::time::timeout(
            Duration::from_secs(20),
            join_all([1, 13, 2, 3].map(|id| loader.load(Moody(id)))),
        )
        .await
        .expect("nobody hangs");
        assert!(matches!(&found[1], Err(error) if matches!(**error, Error::LoaderLost)), "{found:?}");
        assert_eq!(found[3].as_ref().expect("found"), &note(3));
        eventually("no lane is left", || async { loader.stats().lanes == 0 }).await;
    })
    .await;
}

#[tokio::test]
async fn too_many_are_refused_and_counted() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let loader = loader(&pool, LoaderOptions::default().max_waiting(number(2)));
        let error = loader.load_many([1, 2, 3]).await.expect_err("too many");
        assert!(matches!(&*error, Error::LoaderFull { waiting: 0 }), "{error}");
        let mut two = Box::pin(loader.load_many([1, 2]));
        assert!(two.as_mut().now_or_never().is_none(), "they wait");
        let error = loader.load(3).await.expect_err("too many");
        assert!(matches!(&*error, Error::LoaderFull { waiting: 2 }), "{error}");
        assert_eq!(loader.stats().refusals, 4);
        // Those who left are in nobody's way.
        drop(two);
        assert_eq!(loader.load(3).await.expect("found"), note(3));
    })
    .await;
}

#[tokio::test]
async fn a_dropped_lookup_leaves_nothing_behind() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 2).await;
        let loader = loader(&pool, LoaderOptions::default());
        let leases = all(&pool).await;
        for id in 0..10 {
            assert!(loader.load(id).now_or_never().is_none(), "it must wait");
        }
        assert_eq!(loader.stats().waiting, 0);
        eventually("lanes end", || async { loader.stats().lanes == 0 && pool.stats().waiting == 0 }).await;
        drop(leases);
        assert_eq!(loader.load(1).await.expect("found"), note(1));
        assert_eq!(loader.stats().statements, 1, "nobody asked for the dropped ones");
    })
    .await;
}

#[tokio::test]
async fn nobody_asks_for_the_key_of_a_dropped_lookup() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let sql = "SELECT $1::int8[] AS keys, id FROM unnest($1::int8[]) id";
        let loader: Loader<i64, (Vec<i64>,)> = Loader::new(&pool, sql, "id", LoaderOptions::default());
        assert!(loader.load(1).now_or_never().is_none(), "it must wait");
        assert_eq!(loader.load(2).await.expect("found"), Some((vec![2],)));
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_given_up() {
    fresh_db(|db| async move {
        let pool = prepared(&db, 1).await;
        let sql = "SELECT id, pg_sleep(0.3)::text AS note FROM unnest($1::int8[]) id";
        let loader: Loader<i64, Note> = Loader::new(&pool, sql, "id", LoaderOptions::default());
        let mut two = Box::pin(loader.load_many([1, 2]));
        assert!(two.as_mut().now_or_never().is_none(), "it must wait");
        eventually("it is sent", || async { loader.stats().statements == 1 }).await;
        drop(two);
        eventually("it is given up", || async {
            let stats = loader.stats();
            (stats.abandoned, stats.lanes) == (1, 0)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn without_a_lease_the_deadline_is_the_pool_s() {
    fresh_db(|db| async move {
        let pool = Pool::connect(&config(&db, 1).acquire_timeout(Duration::from_millis(500)))
            .await
            .expect("connected");
        let loader = loader(&pool, LoaderOptions::default());
        let _lease = pool.acquire().await.expect("the only one");
        let error = loader.load(1).await.expect_err("no lease");
        assert!(matches!(&*error, Error::Exhausted { .. }), "{error}");
    })
    .await;
}
