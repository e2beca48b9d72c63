//! A server that falls silent: no answer, no reset, no end of the stream.

use crate::{behind_proxy, eventually_idle};
use db_pool::Pool;
use db_testkit::{eventually, fresh_db};
use std::time::Duration;

/// The pool of transact-rs/sqlx#4349: three connections, all of them silent under a query that is given up. Nothing but the
/// pool's own doing can help: the acquire timeout, the reset and the check are all longer than the test's patience.
#[tokio::test]
async fn three_queries_on_silent_sockets_keep_nobody_waiting() {
    fresh_db(|db| async move {
        let (proxy, config) = behind_proxy(&db).await;
        let config = config
            .max_size(3.try_into().expect("three"))
            .acquire_timeout(Duration::from_secs(600))
            .reset_timeout(Duration::from_secs(600));
        let pool = Pool::connect(&config).await.expect("connected");
        let leases = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
        let leases = leases.map(|lease| lease.expect("one of three"));
        proxy.silence();
        for mut lease in leases {
            let query = sqlx::query("SELECT 1").execute(&mut *lease);
            assert!(tokio::time::timeout(Duration::from_millis(20), query).await.is_err(), "it is silent");
        }
        // All three at once, although nothing has come back.
        let leases = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
        for lease in leases {
            let one: i32 = sqlx::query_scalar("SELECT 1")
                .fetch_one(&mut lease.expect("in time"))
                .await
                .expect("answers");
            assert_eq!(one, 1);
        }
        assert_eq!((pool.stats().in_use, pool.stats().recovering), (0, 3), "{:?}", pool.stats());
    })
    .await;
}

#[tokio::test]
async fn a_silent_connection_is_given_up_in_the_end() {
    fresh_db(|db| async move {
        let (proxy, config) = behind_proxy(&db).await;
        let config = config.max_size(1.try_into().expect("one")).reset_timeout(Duration::from_millis(100));
        let pool = Pool::connect(&config).await.expect("connected");
        proxy.silence();
        let query = sqlx::query("SELECT 1").execute(&pool);
        assert!(tokio::time::timeout(Duration::from_millis(20), query).await.is_err(), "it is silent");
        eventually("it is closed", || async { pool.stats().discards == 1 }).await;
        sqlx::query("SELECT 1").execute(&pool).await.expect("another answers");
        eventually_idle("afterwards", &pool).await;
    })
    .await;
}
