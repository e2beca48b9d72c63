//! What is verified where a log begins, ends, or was made shorter than something says.

use super::{
    log::{drain, filled, pool, tamper, verified},
    tamper::{signed, signer},
};
use db_pool::{Pool, PoolConfig};
use db_security::audit::{CheckpointSigner, Flaw, Verdict, Verification, retain, verify};
use db_testkit::fresh_db;
use std::num::NonZeroU32;

async fn by(pool: &Pool, by: &Verification) -> Verdict {
    verify(pool, by, |_, _| {}).await.expect("verified")
}

#[tokio::test]
async fn what_was_signed_of_the_whole_log_is_compared_though_no_event_follows() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 600).await;
        let kept = signed(&pool).await;
        let from = Verification::new().signed_by(signer().verifier()).from(kept.clone());
        let sound = by(&pool, &from).await;
        assert!(sound.is_sound() && sound.checkpoints == 2 && sound.events == 0, "{sound:?}");
        let other = CheckpointSigner::from_seed("example.org/audit", &[9; 32]).expect("a name").verifier();
        let verdict = by(&pool, &Verification::new().signed_by(other).from(kept)).await;
        assert!(matches!(verdict.flaws.as_slice(), [Flaw::NotSigned { size: 600, .. }, ..]), "{verdict:?}");
        tamper(
            &pool,
            "UPDATE audit_tiles SET hashes = overlay(hashes placing '\\x00' from 1) WHERE level = 1; \
             UPDATE audit_events SET actor = 'bob' WHERE leaf = 3",
        )
        .await;
        let verdict = by(&pool, &from).await;
        assert!(
            matches!(verdict.flaws.as_slice(), [Flaw::CheckpointDiffers { size: 600, .. }, ..]),
            "{verdict:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_end_that_was_removed_is_found_by_what_the_database_itself_has_signed() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 100).await;
        signed(&pool).await;
        tamper(
            &pool,
            "DELETE FROM audit_events WHERE leaf >= 90; UPDATE audit_tree SET size = 90; \
             UPDATE audit_tiles SET hashes = substr(hashes, 1, 90 * 32)",
        )
        .await;
        assert_eq!(verified(&pool).await.flaws, [Flaw::Truncated { signed: 100, size: 90 }]);
    })
    .await;
}

#[tokio::test]
async fn events_that_were_thrown_away_have_not_left_by_retention() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 100).await;
        let kept = signed(&pool).await;
        tamper(
            &pool,
            "INSERT INTO audit_stubs (from_leaf, through_leaf, from_time, through_time, root) \
             SELECT 0, 99, now(), now(), sha256('x'); DELETE FROM audit_events; UPDATE audit_tree SET first_leaf = size",
        )
        .await;
        let verdict = by(&pool, &Verification::new().witnessed(kept.clone())).await;
        assert!(matches!(verdict.flaws.first(), Some(Flaw::StubDiffers { through_leaf: 99 })), "{verdict:?}");
        // With the root that the tree has, nothing says so but that no event notes it.
        let root = kept.checkpoint().root.to_string();
        tamper(&pool, &format!("UPDATE audit_stubs SET root = '\\x{root}'")).await;
        let verdict = by(&pool, &Verification::new().witnessed(kept)).await;
        assert_eq!(verdict.flaws, [Flaw::StubDiffers { through_leaf: 99 }]);
    })
    .await;
}

#[tokio::test]
async fn stubs_follow_each_other_and_say_what_events_say() {
    for change in [
        "UPDATE audit_stubs SET from_leaf = 1 WHERE from_leaf = 0",
        "UPDATE audit_stubs SET root = sha256('x') WHERE from_leaf = 0",
        "DELETE FROM audit_stubs WHERE from_leaf = 0",
        "INSERT INTO audit_stubs (from_leaf, through_leaf, from_time, through_time, root) SELECT 5, 7, from_time, through_time, root FROM audit_stubs WHERE from_leaf = 0",
    ] {
        fresh_db(|db| async move {
            let pool = pool(&db).await;
            super::retain::three_months(&pool).await;
            let mut tx = pool.begin().await.expect("begun");
            let left = retain(&mut tx, super::retain::at("2020-06-01T00:00:00Z")).await.expect("two months");
            assert_eq!(left.len(), 2);
            tx.commit().await.expect("committed");
            drain(&pool).await;
            assert!(verified(&pool).await.is_sound());
            tamper(&pool, change).await;
            let verdict = verified(&pool).await;
            let is_told = |flaw: &Flaw| matches!(flaw, Flaw::StubDiffers { .. });
            assert!(!verdict.is_sound() && verdict.flaws.iter().all(is_told), "{change}: {verdict:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_log_whose_full_tiles_have_all_left_is_sound() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 256).await;
        super::retain::move_back(
            &pool,
            "2020-01-15T00:00:00Z",
            "audit_events_2020_01",
            "2020-01-01",
            "2020-02-01",
            0,
        )
        .await;
        let mut tx = pool.begin().await.expect("begun");
        retain(&mut tx, super::retain::at("2020-06-01T00:00:00Z")).await.expect("January");
        tx.commit().await.expect("committed");
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.size == 256 && verdict.waiting == 1, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn tiles_that_are_cut_too_long_gone_or_too_many_are_named() {
    for (change, named) in [
        ("UPDATE audit_tiles SET hashes = substr(hashes, 1, 2000) WHERE level = 0 AND tile = 1", (0, 256)),
        (
            "UPDATE audit_tiles SET hashes = substr(hashes, 1, 32 * 200) WHERE level = 0 AND tile = 1",
            (0, 256),
        ),
        ("DELETE FROM audit_tiles WHERE level = 0 AND tile = 0", (0, 0)),
        ("UPDATE audit_tiles SET hashes = hashes || sha256('x') WHERE level = 1", (1, 0)),
        ("DELETE FROM audit_tiles WHERE level = 1", (1, 0)),
        ("INSERT INTO audit_tiles VALUES (2, 0, sha256('x'))", (2, 0)),
    ] {
        fresh_db(|db| async move {
            let pool = pool(&db).await;
            filled(&pool, 700).await;
            tamper(&pool, change).await;
            let verdict = verified(&pool).await;
            let is_named = |flaw: &Flaw| matches!(flaw, Flaw::TileDamaged { level, leaf, .. } if (*level, *leaf) == named);
            assert!(verdict.flaws.iter().any(is_named), "{change}: {verdict:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn what_comes_meanwhile_is_left_for_the_next_time() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 140_000).await;
        let (tell, mut told) = tokio::sync::watch::channel(false);
        let coming = async {
            told.wait_for(|told| *told).await.expect("it is told after the first stretch");
            filled(&pool, 300).await;
        };
        let by = Verification::new();
        let verifying = verify(&pool, &by, |_, _| _ = tell.send_replace(true));
        let (verdict, ()) = futures_util::join!(verifying, coming);
        let verdict = verdict.expect("verified");
        assert!(verdict.is_sound() && verdict.size == 140_000, "{verdict:?}");
        assert_eq!(verified(&pool).await.size, 140_300);
    })
    .await;
}

#[tokio::test]
async fn one_connection_is_enough() {
    fresh_db(|db| async move {
        for connections in [1, 2] {
            let most = NonZeroU32::new(connections).expect("some");
            let config = PoolConfig::from_url(db.url()).expect("a URL").max_size(most);
            let pool = Pool::connect(&config).await.expect("connected");
            filled(&pool, 70_000).await;
            let verdict = verified(&pool).await;
            assert!(verdict.is_sound() && verdict.events == u64::from(connections) * 70_000, "{verdict:?}");
            pool.close().await;
        }
    })
    .await;
}
