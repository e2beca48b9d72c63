//! Whatever somebody changes who owns the database is found and named.

use super::log::{filled, master, pool, record_all, step, tamper, verified};
use db_pool::Pool;
use db_security::audit::{CheckpointSigner, Event, Flaw, SignedCheckpoint, Verification, checkpoint, verify};
use db_testkit::fresh_db;
use serde_json::json;

/// Changes a log of 700 events by this, and looks what is found first.
async fn check(sql: &'static str, expected: fn(&Flaw) -> bool) {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 700).await;
        let sound = verified(&pool).await;
        assert!(sound.is_sound() && sound.events == 700, "{sound:?}");
        tamper(&pool, sql).await;
        let verdict = verified(&pool).await;
        let first = verdict.flaws.first();
        assert!(first.is_some_and(expected), "{sql}: {:?}", verdict.flaws);
    })
    .await;
}

#[tokio::test]
async fn an_altered_row_is_named_in_whichever_column() {
    for change in [
        "actor = 'bob'",
        "actor = NULL",
        "request = 'x'",
        "action = 'delete'",
        "entity_type = 'x'",
        "entity_id = 'x'",
        "outcome = 'denied'",
        "database_user = 'x'",
        "old_values = '{}'",
        "new_values = '{\"number\": 8}'",
        "details = '{}'",
        "subject = 'x'",
        "subject_key = gen_random_uuid()",
        "commitment = ''",
        "id = gen_random_uuid()",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "sequenced_at = sequenced_at - interval '1 microsecond'",
    ] {
        fresh_db(|db| async move {
            let pool = pool(&db).await;
            filled(&pool, 20).await;
            tamper(&pool, &format!("UPDATE audit_events SET {change} WHERE leaf = 7")).await;
            let verdict = verified(&pool).await;
            let first = verdict.flaws.first();
            assert!(matches!(first, Some(Flaw::Altered { leaf: 7, .. })), "{change}: {:?}", verdict.flaws);
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_row_is_named() {
    check("DELETE FROM audit_events WHERE leaf BETWEEN 300 AND 302", |flaw| {
        matches!(flaw, Flaw::Removed { leaf: 300, through_leaf: 302 })
    })
    .await;
    check("DELETE FROM audit_events WHERE leaf = 699", |flaw| {
        matches!(flaw, Flaw::Removed { leaf: 699, through_leaf: 699 })
    })
    .await;
}

#[tokio::test]
async fn an_inserted_row_is_named() {
    const COPY: &str = "INSERT INTO audit_events (leaf, sequenced_at, id, occurred_at, action, entity_type, outcome, \
         database_user) SELECT NEW, sequenced_at + interval '1 microsecond', gen_random_uuid(), occurred_at, 'x', 'y', \
         'success', 'z' FROM audit_events WHERE leaf = 10";
    check(Box::leak(COPY.replace("NEW", "10").into_boxed_str()), |flaw| {
        matches!(flaw, Flaw::Inserted { leaf: 10, .. })
    })
    .await;
    check(Box::leak(COPY.replace("NEW", "700").into_boxed_str()), |flaw| {
        matches!(flaw, Flaw::Inserted { leaf: 700, .. })
    })
    .await;
}

#[tokio::test]
async fn rows_that_were_exchanged_are_named() {
    check(
        "UPDATE audit_events SET leaf = 9999 WHERE leaf = 5; UPDATE audit_events SET leaf = 5 WHERE leaf = 600; \
         UPDATE audit_events SET leaf = 600 WHERE leaf = 9999",
        |flaw| matches!(flaw, Flaw::Reordered { leaf: 5, was: 600, .. }),
    )
    .await;
}

#[tokio::test]
async fn an_altered_hash_of_a_leaf_is_named() {
    check(
        "UPDATE audit_tiles SET hashes = overlay(hashes placing '\\x00'::bytea from 32 * 7 + 1) WHERE level = 0 AND tile = 0",
        |flaw| matches!(flaw, Flaw::LeafAltered { leaf: 7 }),
    )
    .await;
}

#[tokio::test]
async fn an_altered_node_is_named() {
    check(
        "UPDATE audit_tiles SET hashes = overlay(hashes placing '\\x00'::bytea from 32 + 1) WHERE level = 1 AND tile = 0",
        |flaw| matches!(flaw, Flaw::NodeAltered { level: 1, leaf: 256, through_leaf: 511 }),
    )
    .await;
}

#[tokio::test]
async fn a_size_that_is_not_the_trees_is_named() {
    check("UPDATE audit_tree SET size = 690", |flaw| {
        matches!(flaw, Flaw::SizeAltered { says: 690, is: 700 })
    })
    .await;
    check("UPDATE audit_tree SET size = 710", |flaw| {
        matches!(flaw, Flaw::SizeAltered { says: 710, is: 700 })
    })
    .await;
}

pub(super) fn signer() -> CheckpointSigner {
    CheckpointSigner::from_seed("example.org/audit", &[1; 32]).expect("a name")
}

pub(super) async fn signed(pool: &Pool) -> SignedCheckpoint {
    let mut tx = pool.begin().await.expect("begun");
    let signed = checkpoint(&mut tx, &signer()).await.expect("signed").expect("there is something to sign");
    tx.commit().await.expect("committed");
    signed
}

/// Somebody who knows how the tree is made writes an event anew and all hashes with it: only what was signed tells.
async fn rewrite(pool: &Pool) {
    tamper(
        pool,
        "INSERT INTO audit_inbox (action, entity_type, entity_id) \
         SELECT action, CASE leaf WHEN 150 THEN 'forged' ELSE entity_type END, entity_id FROM audit_events ORDER BY leaf; \
         DELETE FROM audit_events; DELETE FROM audit_tiles; UPDATE audit_tree SET size = 0",
    )
    .await;
    super::log::drain(pool).await;
}

#[tokio::test]
async fn a_log_that_was_written_anew_is_found_by_what_was_signed() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 100).await;
        let early = signed(&pool).await;
        filled(&pool, 100).await;
        let late = signed(&pool).await;
        let by = Verification::new().signed_by(signer().verifier()).master_key(master());
        let sound = verify(&pool, &by.clone().witnessed(early.clone()).witnessed(late.clone()), |_, _| {})
            .await
            .expect("verified");
        assert!(sound.is_sound(), "{sound:?}");
        assert_eq!(sound.checkpoints, 4, "each is in the database and with a witness");

        rewrite(&pool).await;
        let verdict = verify(&pool, &by, |_, _| {}).await.expect("verified");
        assert!(
            matches!(verdict.flaws.first(), Some(Flaw::CheckpointDiffers { size: 100, sound_until: 0, .. })),
            "{:?}",
            verdict.flaws
        );
        // Whoever takes the checkpoints away too is found by those that others have.
        tamper(&pool, "DELETE FROM audit_checkpoints").await;
        assert!(verify(&pool, &by, |_, _| {}).await.expect("verified").is_sound(), "nothing else tells");
        let verdict = verify(&pool, &by.clone().witnessed(late), |_, _| {}).await.expect("verified");
        assert!(
            matches!(verdict.flaws.first(), Some(Flaw::CheckpointDiffers { size: 200, .. })),
            "{verdict:?}"
        );
        let verdict = verify(&pool, &by.clone().from(early), |_, _| {}).await.expect("verified");
        assert!(
            matches!(verdict.flaws.first(), Some(Flaw::CheckpointDiffers { size: 100, .. })),
            "{verdict:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_log_whose_end_was_removed_is_found_by_what_was_signed() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 100).await;
        let by = Verification::new().signed_by(signer().verifier()).witnessed(signed(&pool).await);
        tamper(
            &pool,
            "DELETE FROM audit_events WHERE leaf >= 90; DELETE FROM audit_checkpoints; UPDATE audit_tree SET size = 90; \
             UPDATE audit_tiles SET hashes = substr(hashes, 1, 90 * 32)",
        )
        .await;
        assert!(verified(&pool).await.is_sound(), "nothing in the database tells");
        let verdict = verify(&pool, &by, |_, _| {}).await.expect("verified");
        assert_eq!(verdict.flaws, [Flaw::Truncated { signed: 100, size: 90 }]);
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_that_nobody_signed_does_not_count() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 10).await;
        signed(&pool).await;
        let other = CheckpointSigner::from_seed("example.org/audit", &[2; 32]).expect("a name").verifier();
        let verdict =
            verify(&pool, &Verification::new().signed_by(other), |_, _| {}).await.expect("verified");
        assert!(matches!(verdict.flaws.as_slice(), [Flaw::NotSigned { size: 10, .. }]), "{verdict:?}");
        tamper(&pool, "UPDATE audit_checkpoints SET note = replace(note, E'\\n10\\n', E'\\n9\\n')").await;
        let verdict = verify(&pool, &Verification::new().signed_by(signer().verifier()), |_, _| {})
            .await
            .expect("verified");
        assert!(matches!(verdict.flaws.as_slice(), [Flaw::NotSigned { size: 9, .. }, ..]), "{verdict:?}");
        tamper(&pool, "UPDATE audit_checkpoints SET note = 'x'").await;
        let verdict = verified(&pool).await;
        assert!(matches!(verdict.flaws.as_slice(), [Flaw::NotSigned { size: 10, .. }]), "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn keys_that_were_altered_exchanged_or_removed_are_named() {
    for (sql, expected) in [
        (
            "UPDATE audit_keys SET wrapped = overlay(wrapped placing '\\x00' from 20) WHERE subject = 'u1'",
            "altered",
        ),
        (
            "UPDATE audit_keys AS k SET wrapped = o.wrapped FROM audit_keys AS o WHERE k.subject <> o.subject",
            "altered",
        ),
        ("DELETE FROM audit_keys WHERE subject = 'u1'", "removed"),
        ("UPDATE audit_keys SET wrapped = NULL, erased_at = now() WHERE subject = 'u1'", "removed"),
        (
            "UPDATE audit_events SET personal = overlay(personal placing '\\x00' from 50) WHERE leaf = 0",
            "personal",
        ),
        ("UPDATE audit_events SET personal = NULL WHERE leaf = 0", "personal"),
    ] {
        fresh_db(|db| async move {
            let pool = pool(&db).await;
            let about =
                |subject: &str| Event::new("a", "t").personal(subject, json!({"email": "a@example.org"}));
            record_all(&pool, [about("u1"), about("u2")]).await;
            step(&pool, 10).await;
            let sound = verified(&pool).await;
            assert!(sound.is_sound() && sound.personal == 2, "{sound:?}");
            tamper(&pool, sql).await;
            if sql.contains("personal = NULL") {
                let verdict = verify(&pool, &Verification::new(), |_, _| {}).await.expect("verified");
                assert!(
                    matches!(verdict.flaws.as_slice(), [Flaw::PersonalAltered { leaf: 0, .. }]),
                    "{verdict:?}"
                );
            }
            let verdict = verified(&pool).await;
            let found = match verdict.flaws.first() {
                Some(Flaw::KeyAltered { leaf: 0, .. }) => "altered",
                Some(Flaw::KeyRemoved { leaf: 0, .. }) => "removed",
                Some(Flaw::PersonalAltered { leaf: 0, .. }) => "personal",
                other => panic!("{sql}: {other:?}"),
            };
            assert_eq!(found, expected, "{sql}");
        })
        .await;
    }
}
