//! A server that is not there, or says no.

use crate::config;
use db_core::{Classify, Retry};
use db_pool::{Error, Fault, Pool, PoolConfig};
use db_testkit::fresh_db;
use std::{net::TcpListener, time::Duration};

#[tokio::test]
async fn nobody_listens() {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let url = format!("postgresql://app:hunter2-secret@127.0.0.1:{port}/app");
    let error = Pool::connect_url(&url).await.expect_err("nobody listens");
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(&port.to_string()) && !shown.contains("hunter2-secret"), "{shown}");
}

#[tokio::test]
async fn a_silent_server_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let config = PoolConfig::from_url(&format!("postgresql://app@127.0.0.1:{port}/app?sslmode=disable"))
        .expect("a URL")
        .connect_timeout(Duration::from_millis(50));
    let error = Pool::connect(&config).await.expect_err("it never answers");
    assert!(
        matches!(&error, Error::Connect(error) if error.fault == Fault::TimedOut && error.attempts == 1),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::Safe);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_retried() {
    fresh_db(|db| async move {
        let url = db.url().replace(db.name(), "no_such_database");
        let error = Pool::connect_url(&url).await.expect_err("no such database");
        assert!(matches!(&error, Error::Connect(error) if error.fault == Fault::UnknownDatabase && error.sqlstate.as_deref() == Some("3D000")), "{error}");
        assert_eq!(error.retry(), Retry::Never);
        assert!(Pool::connect(&config(&db, 1)).await.is_ok());
    })
    .await;
}
