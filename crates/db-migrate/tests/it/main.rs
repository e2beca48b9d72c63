//! What migrations do to a real and folders to the reader.

mod adopt;
mod apply;
#[cfg(feature = "backup")]
mod backup;
#[cfg(feature = "backup")]
mod backup_cancelled;
#[cfg(feature = "backup")]
mod backup_damage;
#[cfg(feature = "backup")]
mod backup_fault;
#[cfg(feature = "backup")]
mod backup_pruned;
#[cfg(feature = "backup")]
mod backup_restore;
mod blocked;
mod code;
mod doubt;
mod drift;
mod drift_schema;
mod failure;
mod fleet;
mod folders;
mod half;
#[cfg(feature = "lint")]
mod lint_catalogue;
#[cfg(feature = "lint")]
mod lint_true;
mod lock;
mod pooler;
mod rehearse;
mod rehearse_blocked;
mod rehearse_cancelled;
mod rehearse_copy;
mod repair;
mod revert;
mod rolled_back;
mod schema;
mod scratch;
mod server_wide;
#[cfg(feature = "backup")]
mod squash;
mod verify;
mod verify_wrong;

use db_migrate::{Embedded, Error, Migrations, Options, Report, RevertTo};
use sqlx::PgConnection;
use std::time::Duration;

const fn item(folder: &'static str, up: &'static str, down: &'static str) -> Embedded {
    Embedded { folder, up, down: Some(down), meta: None }
}

/// For statements that the server refuses in a transaction.
const fn outside(folder: &'static str, up: &'static str) -> Embedded {
    Embedded { folder, up, down: None, meta: Some("transaction = false") }
}

const NOTES: Embedded = item("0001_notes", "CREATE TABLE notes (id int, text text);", "DROP TABLE notes;");

fn set(items: &[Embedded]) -> Migrations {
    Migrations::embedded(items).expect("sound migrations")
}

async fn apply(conn: &mut PgConnection, items: &[Embedded]) -> Result<Report, Error> {
    db_migrate::apply(conn, &set(items), &Options::default(), &mut |_| {}).await
}

async fn revert(conn: &mut PgConnection, items: &[Embedded], to: RevertTo) -> Result<Report, Error> {
    db_migrate::revert(conn, &set(items), &to, &Options::default(), &mut |_| {}).await
}

/// The numbers that a run applied or reverted.
fn done(report: &Report) -> Vec<u32> {
    report.done.iter().map(|done| done.id.as_str().parse().expect("a number")).collect()
}

/// The tables there are, without the history.
async fn tables(conn: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'db_migrations' ORDER BY 1",
    )
    .fetch_all(conn)
    .await
    .expect("the catalogue can be read")
}

async fn run(conn: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(conn).await.expect("the test's own SQL works");
}

/// Asks until the answer is yes; a test that waits for longer than this has failed.
async fn until(conn: &mut PgConnection, question: &'static str) {
    let asked = async {
        while !sqlx::query_scalar::<_, bool>(question).fetch_one(&mut *conn).await.expect("a yes or no") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.expect("it comes true in time");
}

/// Whether a session waits for a lock on a table.
const SOMEBODY_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_locks AS lock JOIN pg_database AS base \
    ON base.oid = lock.database WHERE base.datname = current_database() AND NOT lock.granted \
    AND lock.locktype = 'relation')";
