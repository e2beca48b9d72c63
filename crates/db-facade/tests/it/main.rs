//! The handle from configuration to close, against a server.

#[cfg(feature = "access")]
mod access;
#[cfg(feature = "audit")]
mod audited;
#[cfg(feature = "redis")]
mod cached;
mod own_server;
mod rotation;
#[cfg(feature = "tls")]
mod tls;

use async_trait::async_trait;
use db_core::{Finding, Probe, Status};
use db_facade::{
    Database, Error,
    db_config::{Config, Loader},
};
use db_migrate::{Embedded, Migrations};
use db_testkit::{Recorded, empty_db, eventually, fresh_db};
use std::{sync::Arc, time::Duration};

fn config(url: &str) -> Config {
    Loader::new().env([("DATABASE_URL", url), ("DB_QUERY_TIMEOUT", "200ms")]).load().expect("valid")
}

#[tokio::test]
async fn from_nothing_to_a_healthy_schema() {
    empty_db(|fresh| async move {
        let recorded = Arc::new(Recorded::default());
        let recorder = Arc::clone(&recorded);
        let db = Database::builder()
            .config(config(fresh.url()))
            .recorder(recorder)
            .build()
            .await
            .expect("connected");
        let before = db.health().await;
        assert_eq!(before.status, Status::Degraded, "migrations are pending: {before:?}");
        let report = db.migrate().await.expect("migrated");
        assert!(!report.done.is_empty());
        assert!(db.migrate().await.expect("again").done.is_empty());
        assert!(db.migration_status().await.expect("asked").pending.is_empty());
        assert_eq!(db.health().await.status, Status::Healthy);
        assert!(recorded.times("db.client.connection.create_time") > 0);
        let pool = db.pool().clone();
        db.close().await;
        assert!(pool.is_closed());
    })
    .await;
}

#[tokio::test]
async fn settings_reach_the_server() {
    fresh_db(|fresh| async move {
        let db = Database::builder().config(config(fresh.url())).build().await.expect("connected");
        let mut lease = db.pool().acquire().await.expect("a lease");
        let slow =
            sqlx::query("SELECT pg_sleep(10)").execute(&mut *lease).await.expect_err("cut by the server");
        let code = slow.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("57014"), "{slow}");
    })
    .await;
}

/// A service's own check.
struct Sick;

#[async_trait]
impl Probe for Sick {
    fn name(&self) -> &str {
        "sick"
    }

    async fn probe(&self) -> Finding {
        Finding::new("sick", Status::Unhealthy, "on purpose")
    }
}

#[tokio::test]
async fn a_probe_of_the_services_own_counts() {
    fresh_db(|fresh| async move {
        let db = Database::builder()
            .config(config(fresh.url()))
            .probe(Arc::new(Sick))
            .build()
            .await
            .expect("connected");
        let health = db.health().await;
        assert_eq!(health.status, Status::Unhealthy);
        let probes: Vec<_> = health.findings.iter().map(|finding| finding.probe.as_str()).collect();
        let expected = ["postgres", "migrations", "cache", "audit", "audit writer", "sick"];
        let is_built = |name: &&str| !name.starts_with("audit") || cfg!(feature = "audit");
        assert_eq!(probes, expected.into_iter().filter(is_built).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn without_a_configuration_there_is_no_database() {
    assert!(matches!(Database::builder().build().await, Err(Error::NoConfig)));
}

#[tokio::test]
async fn a_dropped_migration_leaves_no_lock_behind() {
    const SLOW: &[Embedded] =
        &[Embedded { folder: "0001_slow", up: "SELECT pg_sleep(0.5)", down: None, meta: None }];
    empty_db(|fresh| async move {
        let migrations = Migrations::embedded(SLOW).expect("sound");
        let config = Loader::new().env([("DATABASE_URL", fresh.url())]).load().expect("valid");
        let db = Database::builder().config(config).migrations(migrations).build().await.expect("connected");
        let cut = tokio::time::timeout(Duration::from_millis(250), db.migrate()).await;
        assert!(cut.is_err(), "it must still run");
        eventually("nobody deploys", || async {
            db.migration_status().await.expect("asked").deploying.is_none()
        })
        .await;
        assert_eq!(db.migrate().await.expect("migrated").done.len(), 1);
    })
    .await;
}
