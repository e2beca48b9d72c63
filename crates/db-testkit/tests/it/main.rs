//! The kit itself, against a server.

mod key_value;
mod pooler;
mod pub_sub;

use db_testkit::{empty_db, fresh_db, server_url};
use futures_util::FutureExt;
use sqlx::{Connection, PgConnection};
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
};

async fn exists(name: &str) -> bool {
    let mut admin = PgConnection::connect(server_url().expose()).await.expect("a server");
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut admin)
        .await
        .expect("listed")
}

async fn drop_database(name: &str) {
    let mut admin = PgConnection::connect(server_url().expose()).await.expect("a server");
    sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE \"{name}\"")))
        .execute(&mut admin)
        .await
        .expect("dropped");
}

#[tokio::test]
async fn a_database_is_migrated_and_goes_when_the_test_passes() {
    let seen = Arc::new(Mutex::new(String::new()));
    let tell = Arc::clone(&seen);
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE tablename = 'tasks'")
            .fetch_one(&mut conn)
            .await
            .expect("counted");
        assert_eq!(tables, 1);
        db.name().clone_into(&mut tell.lock().expect("unpoisoned"));
        // Left open on purpose: the database must go all the same.
        drop(tokio::spawn(async move { conn.ping().await }));
    })
    .await;
    let name = seen.lock().expect("unpoisoned").clone();
    assert!(!name.is_empty() && !exists(&name).await, "{name}");
}

#[tokio::test]
async fn a_database_is_kept_when_the_test_fails() {
    let seen = Arc::new(Mutex::new(String::new()));
    for by_panic in [true, false] {
        let tell = Arc::clone(&seen);
        let test = empty_db(|db| async move {
            db.name().clone_into(&mut tell.lock().expect("unpoisoned"));
            assert!(!by_panic, "a failing test");
            Err::<(), _>("a failing test")
        });
        assert!(AssertUnwindSafe(test).catch_unwind().await.is_err(), "the failure must come through");
        let name = seen.lock().expect("unpoisoned").clone();
        assert!(exists(&name).await, "{name}");
        drop_database(&name).await;
    }
}
