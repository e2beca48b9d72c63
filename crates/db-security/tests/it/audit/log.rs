//! A log to do things with.

use db_pool::{Pool, PoolConfig};
use db_security::audit::{Event, MasterKey, Sequenced, Verdict, Verification, record, sequence, verify};
use db_testkit::FreshDb;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor as _};
use std::num::NonZeroU32;

pub(crate) async fn pool(db: &FreshDb) -> Pool {
    let config =
        PoolConfig::from_url(db.url()).expect("a URL").max_size(NonZeroU32::new(12).expect("not zero"));
    Pool::connect(&config).await.expect("connected")
}

pub(crate) fn master() -> MasterKey {
    MasterKey::from_bytes([7; 32])
}

/// Event number so and so.
pub(crate) fn event(number: u64) -> Event {
    Event::create("things", number.to_string(), json!({"number": number})).actor("ann").request("r")
}

/// Records events in one transaction.
pub(crate) async fn record_all(pool: &Pool, events: impl IntoIterator<Item = Event>) {
    let mut tx = pool.begin().await.expect("begun");
    for event in events {
        record(&mut tx, Some(&master()), event).await.expect("recorded");
    }
    tx.commit().await.expect("committed");
}

/// Moves a batch, with the master key.
pub(crate) async fn step(pool: &Pool, max_events: u32) -> Sequenced {
    let mut tx = pool.begin().await.expect("begun");
    let moved = sequence(&mut tx, Some(&master()), max_events).await.expect("sequenced");
    tx.commit().await.expect("committed");
    moved
}

/// Moves all there is.
pub(crate) async fn drain(pool: &Pool) {
    while !matches!(step(pool, 1_000).await, Sequenced::Moved { is_drained: true, .. }) {}
}

/// A log of so many events, which are there without a row having been sent for each.
pub(crate) async fn filled(pool: &Pool, events: u64) {
    let filling = sqlx::query(
        "INSERT INTO audit_inbox (actor, action, entity_type, entity_id, new_values) \
         SELECT 'ann', 'create', 'things', n::text, jsonb_build_object('number', n) FROM generate_series(0, $1) AS n",
    )
    .bind(i64::try_from(events).expect("small") - 1);
    pool.run(filling).none().await.expect("filled");
    drain(pool).await;
}

/// Verifies with the master key.
pub(crate) async fn verified(pool: &Pool) -> Verdict {
    verify(pool, &Verification::new().master_key(master()), |_, _| {}).await.expect("verified")
}

/// Does what only an administrator with bad intentions does.
pub(crate) async fn tamper(pool: &Pool, sql: &str) {
    let mut lease = pool.acquire().await.expect("a lease");
    let sql = format!("SET session_replication_role = replica; {sql}; RESET session_replication_role");
    lease.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("done");
}
