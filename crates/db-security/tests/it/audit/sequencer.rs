//! The task that gives places, signs, and tells witnesses.

use super::log::{event, filled, master, pool, record_all, verified};
use async_trait::async_trait;
use db_core::{BoxError, Status};
use db_pool::Pool;
use db_security::audit::{
    CheckpointSigner, FileWitness, Sequencer, SequencerOptions, SignedCheckpoint, Verification, Witness,
    parse_checkpoints, verify,
};
use db_testkit::{eventually, fresh_db};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

const QUICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(600);

fn signer() -> CheckpointSigner {
    CheckpointSigner::from_seed("example.org/audit", &[1; 32]).expect("a name")
}

async fn size(pool: &Pool) -> i64 {
    pool.run("SELECT size FROM audit_tree").scalar().await.expect("read")
}

#[tokio::test]
async fn several_processes_have_one_and_the_log_is_one() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let options = SequencerOptions::new().interval(QUICK).max_events(7).master_key(master());
        let all: Vec<Sequencer> = (0..3).map(|_| Sequencer::start(pool.clone(), &options)).collect();
        let writers = (0..4_u64).map(|writer| {
            let pool = pool.clone();
            async move {
                for number in 0..20 {
                    record_all(&pool, [event(writer * 100 + number), event(writer * 100 + number + 50)])
                        .await;
                }
            }
        });
        futures_util::future::join_all(writers).await;
        eventually("all have their places", async || size(&pool).await == 160).await;
        let moved: u64 = all.iter().map(|one| one.stats().moved).sum();
        assert_eq!(moved, 160);
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.events == 160, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn it_signs_what_the_log_is_and_has_others_keep_it() {
    fresh_db(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoints");
        let pool = pool(&db).await;
        let options = SequencerOptions::new()
            .interval(QUICK)
            .signer(signer())
            .checkpoint_every(QUICK)
            .witness(Arc::new(FileWitness::new(&path)));
        let sequencer = Sequencer::start(pool.clone(), &options);
        for round in 1..=3_u64 {
            record_all(&pool, (0..10).map(event)).await;
            eventually("it is signed", async || {
                sequencer.nudge();
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let kept = parse_checkpoints(&text).unwrap_or_default();
                kept.last().is_some_and(|last| last.checkpoint().size == round * 10)
            })
            .await;
        }
        assert!(sequencer.close(LONG).await);
        let text = std::fs::read_to_string(&path).expect("read");
        let kept = parse_checkpoints(&text).expect("notes");
        let by = kept.iter().fold(Verification::new().signed_by(signer().verifier()), |by, checkpoint| {
            by.witnessed(checkpoint.clone())
        });
        let verdict = verify(&pool, &by, |_, _| {}).await.expect("verified");
        assert!(verdict.is_sound() && verdict.checkpoints == 2 * kept.len() as u64, "{verdict:?}");
    })
    .await;
}

#[derive(Debug, Default)]
struct Fickle {
    is_there: AtomicBool,
    kept: parking_lot::Mutex<Vec<u64>>,
}

#[async_trait]
impl Witness for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }

    async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), BoxError> {
        if !self.is_there.load(Relaxed) {
            return Err("away".into());
        }
        self.kept.lock().push(checkpoint.checkpoint().size);
        Ok(())
    }
}

#[tokio::test]
async fn a_witness_that_was_away_is_told_when_it_is_back() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 5).await;
        let witness = Arc::new(Fickle::default());
        let options = SequencerOptions::new()
            .interval(QUICK)
            .signer(signer())
            .checkpoint_every(QUICK)
            .witness(Arc::clone(&witness) as _);
        let sequencer = Sequencer::start(pool.clone(), &options);
        eventually("it has failed", async || sequencer.stats().unkept > 1).await;
        witness.is_there.store(true, Relaxed);
        eventually("it is kept", async || *witness.kept.lock() == [5]).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_in_its_way_is_told() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 5).await;
        let options = SequencerOptions::new().interval(QUICK);
        let sequencer = Sequencer::start(pool.clone(), &options);
        let probe = sequencer.probe();
        assert_eq!(probe.probe().await.status, Status::Healthy);
        pool.run("UPDATE audit_tree SET sequenced_at = clock_timestamp() + interval '1 hour'")
            .none()
            .await
            .expect("as if the clock had been set back");
        record_all(&pool, [event(1)]).await;
        eventually("it is told", async || {
            let finding = probe.probe().await;
            finding.status == Status::Unhealthy && finding.summary.contains("clock")
        })
        .await;
        pool.run("UPDATE audit_tree SET sequenced_at = clock_timestamp()").none().await.expect("set right");
        eventually("it is over", async || probe.probe().await.status == Status::Healthy).await;
        // Events that nobody moves.
        assert!(sequencer.close(LONG).await);
        pool.run(
            "INSERT INTO audit_inbox (action, entity_type, occurred_at) VALUES ('a', 't', now() - interval '2 minutes')",
        )
        .none()
        .await
        .expect("inserted");
        let finding = probe.probe().await;
        assert_eq!(finding.status, Status::Degraded, "{finding:?}");
    })
    .await;
}
