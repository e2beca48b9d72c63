//! Old months leave, and what is left is proved as before.

use super::log::{drain, filled, pool, tamper, verified};
use chrono::{DateTime, Utc};
use db_pool::Pool;
use db_security::audit::{Error, Flaw, Hash, prove_consistency, prove_inclusion, retain, root_at};
use db_testkit::fresh_db;

/// Events of two months that are long past and of this one: 300, 400 and 100.
pub(super) async fn three_months(pool: &Pool) {
    filled(pool, 300).await;
    move_back(pool, "2020-01-15T00:00:00Z", "audit_events_2020_01", "2020-01-01", "2020-02-01", 0).await;
    filled(pool, 400).await;
    move_back(pool, "2020-02-15T00:00:00Z", "audit_events_2020_02", "2020-02-01", "2020-03-01", 300).await;
    filled(pool, 100).await;
}

/// As if they had come then: the time is a part of what is hashed, so the tree is made anew by the server's own hash.
pub(super) async fn move_back(pool: &Pool, at: &str, partition: &str, from: &str, to: &str, first: u64) {
    tamper(
        pool,
        &format!(
            "CREATE TABLE {partition} PARTITION OF audit_events FOR VALUES FROM ('{from}') TO ('{to}'); \
             UPDATE audit_events SET sequenced_at = '{at}' WHERE leaf >= {first}"
        ),
    )
    .await;
    rehash(pool).await;
}

/// The tree over the events that there are, from docs/audit.md alone and in SQL.
async fn rehash(pool: &Pool) {
    const FIELD: &str = "CREATE OR REPLACE FUNCTION field(bytes bytea) RETURNS bytea LANGUAGE sql AS $$ \
         SELECT coalesce(int4send(length(bytes)) || bytes, '\\xffffffff') $$";
    const MICROS: &str = "CREATE OR REPLACE FUNCTION micros(at timestamptz) RETURNS bytea LANGUAGE sql AS $$ \
         SELECT int8send((extract(epoch FROM at) * 1000000)::int8) $$";
    const TEXT: &str = "CREATE OR REPLACE FUNCTION utf8(text text) RETURNS bytea LANGUAGE sql AS $$ \
         SELECT convert_to(text, 'UTF8') $$";
    for sql in [FIELD, MICROS, TEXT] {
        pool.run(sql).none().await.expect("made");
    }
    let rows: Vec<(Vec<u8>,)> = pool
        .run(
            "SELECT sha256('\\x00'::bytea || utf8(E'cairn-audit-event-v1\\n') || uuid_send(id) || micros(occurred_at) \
             || micros(sequenced_at) || field(utf8(actor)) || field(utf8(request)) || field(utf8(action)) \
             || field(utf8(entity_type)) || field(utf8(entity_id)) || field(utf8(outcome)) \
             || field(utf8(database_user)) || field(utf8(old_values::text)) || field(utf8(new_values::text)) \
             || field(utf8(details::text)) || field(utf8(subject)) || field(uuid_send(subject_key)) \
             || field(commitment)) FROM audit_events ORDER BY leaf",
        )
        .all()
        .await
        .expect("hashed");
    let mut hashes: Vec<Vec<u8>> = rows.into_iter().map(|(hash,)| hash).collect();
    let mut level = 0_i16;
    while !hashes.is_empty() {
        for (tile, some) in (0_i64..).zip(hashes.chunks(256)) {
            let storing = sqlx::query(
                "INSERT INTO audit_tiles VALUES ($1, $2, $3) ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes",
            )
            .bind(level)
            .bind(tile)
            .bind(some.concat());
            pool.run(storing).none().await.expect("stored");
        }
        hashes = hashes.chunks_exact(256).map(|some| root(some).as_bytes().to_vec()).collect();
        level += 1;
    }
}

fn root(hashes: &[Vec<u8>]) -> Hash {
    match hashes {
        [only] => Hash::from_bytes(only).expect("32 bytes"),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Hash::of_node(root(left), root(right))
        }
    }
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

#[tokio::test]
async fn what_docs_say_is_hashed_is_what_is_hashed() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        three_months(&pool).await;
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.events == 800, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn months_that_leave_leave_what_proofs_need() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        three_months(&pool).await;
        let mut tx = pool.begin().await.expect("begun");
        let whole = root_at(&mut tx, 800).await.expect("a root");
        let leaf_hashes: Vec<Option<Vec<u8>>> = sqlx::query_scalar(
            "SELECT substr(hashes, 32 * 200 + 1, 32) FROM audit_tiles WHERE level = 0 AND tile = 2",
        )
        .fetch_all(&mut *tx)
        .await
        .expect("read");
        let of_712 = leaf_hashes[0].as_deref().and_then(Hash::from_bytes).expect("leaf 712");
        let left = retain(&mut tx, at("2020-02-15T00:00:00Z")).await.expect("January");
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!((left[0].from_leaf, left[0].through_leaf, left[0].month.as_str()), (0, 299, "2020-01"));
        let left = retain(&mut tx, Utc::now()).await.expect("February, and not this month");
        assert_eq!(left.iter().map(|left| left.through_leaf).collect::<Vec<_>>(), [699]);
        let tiles: Vec<i64> =
            sqlx::query_scalar("SELECT tile FROM audit_tiles WHERE level = 0 ORDER BY tile")
                .fetch_all(&mut *tx)
                .await
                .expect("read");
        assert_eq!(tiles, [2, 3], "those of leaves that have left are gone");
        let proof = prove_inclusion(&mut tx, 712, 800).await.expect("a proof");
        assert!(proof.proves(of_712, whole));
        let grown = prove_consistency(&mut tx, 700, 800).await.expect("a proof");
        assert!(grown.proves(left[0].root, whole));
        for leaf in [0, 699] {
            let refused = prove_inclusion(&mut tx, leaf, 800).await;
            assert!(matches!(refused, Err(Error::OutOfRange { first_leaf: 700, .. })), "{leaf}: {refused:?}");
        }
        tx.commit().await.expect("committed");
        drain(&pool).await;
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound(), "{verdict:?}");
        assert_eq!((verdict.first_leaf, verdict.size, verdict.events), (700, 802, 102), "two events say so");
        tamper(&pool, "UPDATE audit_stubs SET root = sha256('x') WHERE through_leaf = 699").await;
        let verdict = verified(&pool).await;
        assert_eq!(verdict.flaws.first(), Some(&Flaw::StubDiffers { through_leaf: 699 }));
    })
    .await;
}

#[tokio::test]
async fn a_month_with_a_hole_does_not_leave() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        three_months(&pool).await;
        tamper(&pool, "DELETE FROM audit_events WHERE leaf = 10").await;
        let mut tx = pool.begin().await.expect("begun");
        let refused = retain(&mut tx, Utc::now()).await;
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn a_month_that_has_not_ended_stays() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 10).await;
        let mut tx = pool.begin().await.expect("begun");
        let refused = retain(&mut tx, Utc::now() + chrono::Duration::days(400)).await;
        assert!(matches!(refused, Err(Error::NotOver { .. })), "{refused:?}");
        drop(tx);
        assert_eq!(verified(&pool).await.events, 10);
    })
    .await;
}
