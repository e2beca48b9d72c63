//! What is personal can be read by its subject's key, and by nobody once that is gone; proofs stay.

use super::log::{drain, master, pool, record_all, tamper, verified};
use db_security::audit::{Error, Event, MasterKey, erase, record, replay, rewrap};
use db_testkit::fresh_db;
use serde_json::json;

fn about(subject: &str) -> Event {
    Event::new("a", "t").entity("1").personal(subject, json!({"email": "a@example.org"}))
}

#[tokio::test]
async fn erasing_a_subject_destroys_their_key_and_leaves_every_proof() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, [about("u1"), about("u2"), about("u1")]).await;
        drain(&pool).await;
        let root = verified(&pool).await.root;
        let mut tx = pool.begin().await.expect("begun");
        let receipt = erase(&mut tx, "u1", Some("officer")).await.expect("erased");
        tx.commit().await.expect("committed");
        assert_eq!(receipt.keys.len(), 1);
        // The event that says so may still be in the inbox.
        for _ in 0..2 {
            let verdict = verified(&pool).await;
            assert!(verdict.is_sound(), "{verdict:?}");
            assert_eq!((verdict.personal, verdict.erased), (1, 1));
            drain(&pool).await;
        }
        let verdict = verified(&pool).await;
        assert_eq!(verdict.size, 4, "the erasure is an event");
        assert_ne!(verdict.root, root);
        let mut tx = pool.begin().await.expect("begun");
        let again = erase(&mut tx, "u1", None).await.expect("erased");
        assert!(again.keys.is_empty() && again.event.is_none(), "{again:?}");
        tx.commit().await.expect("committed");
        // Who comes back gets a key of their own.
        record_all(&pool, [about("u1")]).await;
        drain(&pool).await;
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.personal == 2 && verdict.erased == 1, "{verdict:?}");
        let text: Option<String> = pool
            .run("SELECT string_agg(to_jsonb(e)::text || encode(coalesce(personal, ''), 'escape'), '') FROM audit_events AS e")
            .scalar()
            .await
            .expect("read");
        assert!(!text.expect("some").contains("example.org"));
    })
    .await;
}

#[tokio::test]
async fn what_a_backup_brings_back_is_erased_again_and_nothing_else() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, [about("u1")]).await;
        drain(&pool).await;
        pool.run("CREATE TABLE backup AS SELECT id, wrapped FROM audit_keys").none().await.expect("saved");
        let mut tx = pool.begin().await.expect("begun");
        let receipt = erase(&mut tx, "u1", None).await.expect("erased");
        tx.commit().await.expect("committed");
        tamper(
            &pool,
            "UPDATE audit_keys SET wrapped = backup.wrapped, erased_at = NULL FROM backup WHERE backup.id = audit_keys.id",
        )
        .await;
        record_all(&pool, [about("u3")]).await;
        let mut tx = pool.begin().await.expect("begun");
        let done = replay(&mut tx, &receipt, None).await.expect("replayed");
        assert_eq!(done.keys, receipt.keys);
        let done = replay(&mut tx, &receipt, None).await.expect("replayed");
        assert!(done.keys.is_empty());
        tx.commit().await.expect("committed");
        drain(&pool).await;
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.personal == 1 && verdict.erased == 1, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn another_master_key_takes_the_place_of_the_first() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, (0..1_500).map(|number| about(&format!("u{number}")))).await;
        drain(&pool).await;
        let new = MasterKey::from_bytes([9; 32]);
        let mut tx = pool.begin().await.expect("begun");
        let refused = rewrap(&mut tx, &new, &master()).await;
        assert!(matches!(refused, Err(Error::WrongMasterKey)), "{refused:?}");
        tx.rollback().await.expect("rolled back");
        let mut tx = pool.begin().await.expect("begun");
        assert_eq!(rewrap(&mut tx, &master(), &new).await.expect("wrapped anew"), 1_500);
        tx.commit().await.expect("committed");
        let mut tx = pool.begin().await.expect("begun");
        let refused = record(&mut tx, Some(&master()), about("u1")).await;
        assert!(matches!(refused, Err(Error::WrongMasterKey)), "{refused:?}");
        let by = db_security::audit::Verification::new().master_key(new);
        let verdict = db_security::audit::verify(&pool, &by, |_, _| {}).await.expect("verified");
        assert!(verdict.is_sound() && verdict.personal == 1_500, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn wrapping_keys_anew_and_giving_places_do_not_stand_in_each_others_way() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, [about("u1")]).await;
        // It has the log's row in hand, and makes a key when another has begun to wrap them.
        let mut giving = pool.begin().await.expect("begun");
        db_security::audit::sequence(&mut giving, None, 10).await.expect("moved");
        let wrapping = tokio::spawn({
            let pool = pool.clone();
            async move {
                let mut tx = pool.begin().await.expect("begun");
                rewrap(&mut tx, &master(), &MasterKey::from_bytes([9; 32])).await.expect("wrapped anew");
                tx.commit().await.expect("committed");
            }
        });
        db_testkit::eventually("it waits", async || {
            let waiting: i64 = pool
                .run("SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()")
                .scalar()
                .await
                .expect("counted");
            waiting > 0
        })
        .await;
        record(&mut giving, Some(&master()), about("u2")).await.expect("a key is made");
        giving.commit().await.expect("committed");
        wrapping.await.expect("wrapped");
    })
    .await;
}
