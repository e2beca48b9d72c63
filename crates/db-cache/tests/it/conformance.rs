//! Every store keeps the promises of the seam.

use db_cache::Memory;
use db_testkit::key_value_conforms;

#[tokio::test]
async fn memory_keeps_the_promises_of_the_seam() {
    let memory = Memory::new(64 << 20);
    key_value_conforms(&memory).await;
    let stats = memory.stats();
    assert_eq!((stats.evictions, stats.rejections), (0, 0), "there was room: {stats:?}");
    assert!(stats.bytes <= stats.capacity_bytes && stats.expirations > 0, "{stats:?}");
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_keeps_the_promises_of_the_seam() {
    db_testkit::fresh_db(|db| async move {
        let pool = crate::postgres::pool(&db, 4).await;
        key_value_conforms(&db_cache::PostgresStore::new(pool)).await;
    })
    .await;
}
